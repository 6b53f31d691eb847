"""Write initramfs archives: newc cpio (Documentation/driver-api/early-userspace/buffer-format.rst)."""

from __future__ import annotations

import gzip
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.images.layers import TIME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TRAILER = "TRAILER!!!"
_LARGEST = 0xFFFFFFFF


@dataclass(slots=True)
class Cpio:
    """An archive to append members to, with owner 0, time 0 and inodes in order: equal inputs make equal bytes."""

    to: IO[bytes]
    _inode: int = 0
    _position: int = 0

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Append an empty folder; its parents must come before it."""
        self._member(name, stat.S_IFDIR | mode)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Append a file.

        Raises:
            TareError: it has 4 GiB or more, which the format does not allow.
        """
        self._member(name, stat.S_IFREG | mode, content)

    def link(self, name: str, target: str) -> None:
        """Append a symbolic link to ``target``."""
        self._member(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def character_device(self, name: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Append a device node; into an archive anybody may write one."""
        self._member(name, stat.S_IFCHR | mode, device=(major, minor))

    def end(self) -> None:
        """Write the trailer, padded to whole blocks of 512 bytes."""
        self._member(_TRAILER, 0)
        self._pad(512)

    def _member(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        if len(content) > _LARGEST:
            raise TareError(say(
                "image.initramfs_large", "{name} has {content} bytes; an initramfs holds files below 4 GiB.",
                name=name, content=len(content),
            ))  # fmt: skip
        trailer = name == _TRAILER
        self._inode += not trailer
        encoded = os.fsencode(name) + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (
            *(0 if trailer else self._inode, mode, 0, 0, links, 0 if trailer else TIME, len(content)),
            *(0, 0, *device, len(encoded), 0),
        )
        self._write(b"070701" + b"".join(b"%08X" % value for value in fields) + encoded)
        self._pad(4)
        self._write(content)
        self._pad(4)

    def _write(self, data: bytes) -> None:
        self.to.write(data)
        self._position += len(data)

    def _pad(self, to: int) -> None:
        self._write(bytes(-self._position % to))


def build_initramfs(
    dest: Path,
    agent: Path,
    modules: Sequence[Path] = (),
    extra_tree: Path | None = None,
    *,
    compress: bool = False,
) -> Path:
    """Write an initramfs; return its path.

    Args:
        dest: the file to make; replaced completely or not at all.
        agent: becomes ``/init``.
        modules: plain ``.ko`` files, dependencies first; become ``/modules/NN-NAME.ko``, loaded in that order.
        extra_tree: a whole tree to put below ``/``, for guests that get no disk.
        compress: use gzip, which saves reading but costs the guest the unpacking.
    """
    partial = dest.with_name(f"{dest.name}.partial")
    with ExitStack() as stack:
        raw: IO[bytes] = stack.enter_context(partial.open("wb"))
        to = raw
        if compress:
            to = cast("IO[bytes]", stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0)))
        archive = Cpio(to)
        taken = {"init", "modules", "dev/console", "dev/null"}
        for name in ("dev", "proc", "sys", "modules"):
            archive.folder(name)
            taken.add(name)
        # The kernel opens /dev/console for init before any devtmpfs is mounted.
        archive.character_device("dev/console", 5, 1)
        archive.character_device("dev/null", 1, 3, 0o666)
        archive.file("init", agent.read_bytes(), 0o755)
        for number, module in enumerate(modules):
            archive.file(f"modules/{number:02d}-{module.name}", module.read_bytes())
        if extra_tree is not None:
            _add_tree(archive, extra_tree, taken)
        archive.end()
    partial.replace(dest)
    return dest


def _add_tree(archive: Cpio, tree: Path, taken: set[str]) -> None:
    for path in sorted(tree.rglob("*"), key=lambda each: each.relative_to(tree).parts):
        name = str(path.relative_to(tree))
        if name in taken:
            continue
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            archive.link(name, str(path.readlink()))
        elif path.is_dir():
            archive.folder(name, mode)
        elif path.is_file():
            archive.file(name, path.read_bytes(), mode)
