"""Make qcow2 disks of raw ones, by qemu-img."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.endings import last_words
from tare.runners.host.programs import run_quietly

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.provision.tools import Tool


def convert(raw: Path, dest: Path, qemu_img: Tool, *, compress: bool = False) -> Path:
    """Make a qcow2 of a whole raw disk.

    Raises:
        TareError: qemu-img failed; the text quotes it.
    """
    _run(qemu_img, "convert", "-f", "raw", "-O", "qcow2", *(("-c",) if compress else ()), str(raw), str(dest))
    return dest


def difference(base: Path, raw: Path, dest: Path, qemu_img: Tool) -> Path:
    """Make a qcow2 of the clusters in which a raw disk differs from ``base``, a qcow2 that becomes its backing file.

    ``qemu-img rebase`` compares both disks byte by byte: the difference is that of two builds, not of a guest that was
    updated from within.

    Raises:
        TareError: qemu-img failed; the text quotes it.
    """
    _run(qemu_img, "create", "-q", "-f", "qcow2", "-b", str(raw), "-F", "raw", str(dest))
    _run(qemu_img, "rebase", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(dest))
    return dest


def _run(qemu_img: Tool, *arguments: str) -> None:
    done = run_quietly(qemu_img.argv(*arguments), env={**qemu_img.environ, "PATH": "/usr/bin:/bin"})
    if done.returncode:
        raise TareError(say(
            "image.qemu_img", "qemu-img {arguments} failed: {last_words}.",
            arguments=arguments[0], last_words=last_words(done.stderr, done.returncode),
        ))  # fmt: skip
