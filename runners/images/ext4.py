"""Make ext4 images without root, by ``mke2fs -d``."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.endings import last_words
from tare.runners.host.programs import run_quietly

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.provision.tools import Tool

_BLOCK = 4096
_INODE = 256
_SPARE_BYTES = 8 << 20
"""Room for superblocks, group descriptors and bitmaps."""
_NAMESPACE = uuid.UUID("5bd0a7a0-6cfb-4f0f-9d2e-6a1b54a2e7e1")


def build_ext4(tree: Path, dest: Path, mke2fs: Tool, *, label: str = "tare") -> Path:
    """Make an image of a tree, as small as possible and without journal, to be mounted read-only.

    The same tree and the same mke2fs make the same bytes, but for the times of access and change, which it copies. The
    root belongs to user 0; everything else keeps its owner, which does not matter to jobs in guests, as they run as root.

    Raises:
        TareError: mke2fs failed; the text quotes it.
    """
    size, count = 0, 0
    for path in tree.rglob("*"):
        status = path.lstat()
        count += 1
        # A folder takes a block, too.
        size += max(_BLOCK, -(-status.st_size // _BLOCK) * _BLOCK) if not path.is_symlink() else 0
    inodes = count + count // 10 + 64
    total = int((size + inodes * _INODE) * 1.05) + _SPARE_BYTES
    options = ("-O", "^has_journal", "-N", str(inodes), "-d", str(tree))
    return _make(mke2fs, dest, total, label, options)


def empty_ext4(dest: Path, size_bytes: int, mke2fs: Tool) -> Path:
    """Make an empty image with a journal for a guest's scratch disk, as a sparse file.

    It is fully initialised: else the guest's kernel would do that in the background while jobs are measured.

    Raises:
        TareError: mke2fs failed; the text quotes it.
    """
    return _make(mke2fs, dest, size_bytes, "scratch", ())


def _make(mke2fs: Tool, dest: Path, size: int, label: str, options: tuple[str, ...]) -> Path:
    partial = dest.with_name(f"{dest.name}.partial")
    partial.unlink(missing_ok=True)
    identity = str(uuid.uuid5(_NAMESPACE, label))
    extended = f"root_owner=0:0,hash_seed={identity},lazy_itable_init=0,lazy_journal_init=0"
    command = mke2fs.argv(
        *(
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            str(_BLOCK),
            "-I",
            str(_INODE),
            "-m",
            "0",
            "-L",
            label,
            "-U",
            identity,
        ),
        *("-E", extended, *options, str(partial), f"{-(-size // 1024)}k"),
    )
    # Without a settings file mke2fs takes its own defaults instead of the host's. libext2fs takes the time from either
    # of the other two variables.
    environ = os.environ | {
        "MKE2FS_CONFIG": "/nonexistent",
        "E2FSPROGS_FAKE_TIME": "1",
        "SOURCE_DATE_EPOCH": "1",
    }
    try:
        done = run_quietly(command, env={**environ, **mke2fs.environ})
        if done.returncode:
            raise TareError(say(
                "image.mke2fs", "mke2fs could not make {name} ({size} MiB): {last_words}. Is there room in {parent}?",
                name=dest.name, size=size >> 20, last_words=last_words(done.stderr, done.returncode),
                parent=dest.parent,
            ))  # fmt: skip
        partial.replace(dest)
    finally:
        partial.unlink(missing_ok=True)
    return dest
