"""Build a disk from which a PC's firmware boots a guest's kernel by GRUB.

No root is needed: GRUB's first stage looks for the second one in the next sector, so it is written there, and nothing
has to be installed into the disk. See *Images* and *BIOS installation* in GRUB's manual.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.runners.errors import Missing, TareError
from tare.runners.host.endings import last_words
from tare.runners.host.programs import run_quietly
from tare.runners.images.ext4 import build_ext4

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.provision.tools import Tool

SECTOR_BYTES = 512
FIRST_SECTOR = 2048
"""First sector of the partition. GRUB's second stage lies in the gap before it."""
_LINUX = 0x83
_MODULES = ("biosdisk", "part_msdos", "ext2", "linux")
_PLAIN = re.compile(r"[\w.,:/=+@%-]+", re.ASCII)


def build_boot_disk(
    dest: Path, kernel: Path, initramfs: Path, cmdline: str, *, grub: Tool, mke2fs: Tool
) -> Path:
    """Write the disk and return its path.

    Args:
        dest: file to write.
        kernel: a bzImage.
        initramfs: the kernel's initramfs.
        cmdline: the kernel's command line.
        grub: ``grub-mkimage``.
        mke2fs: ``mke2fs``.

    Raises:
        Missing: GRUB's modules for BIOS are not installed.
        TareError: GRUB's second stage cannot be made, or the disk is full.
    """
    stages = grub.root / "usr/lib/grub/i386-pc"
    if not (stages / "boot.img").is_file():
        raise Missing(
            say("guest.no_grub", "{stages} lacks GRUB's files for BIOS.", stages=stages),
            say("remedy.install_grub", "Install them: apt-get install grub-pc-bin"),
        )
    with scratch_folder("boot", dest.parent) as folder:
        tree = folder / "tree"
        tree.mkdir()
        shutil.copyfile(kernel, tree / "vmlinuz")
        shutil.copyfile(initramfs, tree / "initramfs")
        files = build_ext4(tree, folder / "files", mke2fs, label="boot")
        core = _second_stage(grub, stages, folder, cmdline)
        first = (stages / "boot.img").read_bytes()
        with dest.open("wb") as disk:
            disk.write(assemble(first, core, files.stat().st_size))
            with files.open("rb") as content:
                shutil.copyfileobj(content, disk, 1 << 20)
            disk.flush()
            os.fsync(disk.fileno())
    return dest


def assemble(first: bytes, core: bytes, file_system_bytes: int) -> bytes:
    """Assemble the sectors before the file system: first stage with the partition table, second stage, zeros.

    Raises:
        TareError: the second stage does not fit into the gap.
    """
    if len(core) > (FIRST_SECTOR - 1) * SECTOR_BYTES:
        raise TareError(say(
            "guest.grub_size", "GRUB's second stage has {core} bytes, more than fit before the partition",
            core=len(core),
        ))  # fmt: skip
    # One entry: active, no cylinders, heads and sectors (all ones: use the sector numbers), type, first, count.
    entry = struct.pack(
        "<B3sB3sII",
        0x80,
        b"\xfe\xff\xff",
        _LINUX,
        b"\xfe\xff\xff",
        FIRST_SECTOR,
        -(-file_system_bytes // SECTOR_BYTES),
    )
    table = (entry + bytes(48)) + b"\x55\xaa"
    head = first[: SECTOR_BYTES - len(table)] + table
    return (head + core).ljust(FIRST_SECTOR * SECTOR_BYTES, b"\0")


def script(cmdline: str) -> str:
    """Write GRUB's script, which boots without a menu or a delay.

    Raises:
        TareError: the command line has a quote in it.
    """
    quoted = " ".join(word if _PLAIN.fullmatch(word) else f"'{word}'" for word in cmdline.split())
    if quoted.count("'") != 2 * sum(not _PLAIN.fullmatch(word) for word in cmdline.split()):
        raise TareError(say(
            "guest.grub_quote", "guest.cmdline has a quote in it, which GRUB does not support; use a direct boot",
        ))  # fmt: skip
    disk = "(hd0,msdos1)"
    return f"linux {disk}/vmlinuz {quoted}\ninitrd {disk}/initramfs\nboot\n"


def _second_stage(grub: Tool, stages: Path, folder: Path, cmdline: str) -> bytes:
    told, made = folder / "script", folder / "core"
    told.write_text(script(cmdline), "utf-8")
    options = ("-O", "i386-pc", "-p", "(hd0,msdos1)/", "-d", str(stages), "-c", str(told), "-o", str(made))
    done = run_quietly(grub.argv(*options, *_MODULES), env={**os.environ, **grub.environ})
    if done.returncode:
        raise TareError(say(
            "guest.grub", "grub-mkimage: {last_words}",
            last_words=last_words(done.stderr, done.returncode),
        ))  # fmt: skip
    return made.read_bytes()
