"""Evict a tree's files from the page cache, and measure by mincore(2) how much of them is in it.

What is resident after an eviction and some work was read by that work, read-ahead included. Since Linux 5.2 the kernel
tells the truth only to a file's owner and to root.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PIECE_BYTES = 256 << 20


def evict(tree: Path) -> None:
    """Ask the kernel to drop all clean pages of the files below ``tree``; pages that a process has mapped stay."""
    for path in _files(tree):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def resident_bytes(tree: Path) -> int:
    """Measure how many bytes of the files below ``tree`` are in the page cache; last pages count to the file's end.

    Raises:
        TareError: the file system does not support mincore.
    """
    return sum(_resident(path) for path in _files(tree))


def _resident(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        found = 0
        for offset in range(0, size, _PIECE_BYTES):
            length = min(_PIECE_BYTES, size - offset)
            found += _resident_piece(fd, offset, length)
        return found
    finally:
        os.close(fd)


def _resident_piece(fd: int, offset: int, length: int) -> int:
    # Writable, because ctypes gives no address of a read-only mapping; private, and nothing is written.
    with mmap.mmap(fd, length, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset) as view:
        pages = -(-length // mmap.PAGESIZE)
        vector = (ctypes.c_ubyte * pages)()
        anchor = ctypes.c_char.from_buffer(view)
        try:
            address = ctypes.c_void_p(ctypes.addressof(anchor))
            if _LIBC.mincore(address, ctypes.c_size_t(length), vector):
                raise TareError(
                    say("host.mincore", "mincore: {strerror}", strerror=os.strerror(ctypes.get_errno()))
                )
        finally:
            del anchor
    bits = bytes(vector)
    count = sum(bit & 1 for bit in bits)
    partial = length % mmap.PAGESIZE
    return count * mmap.PAGESIZE - (mmap.PAGESIZE - partial if partial and bits[-1] & 1 else 0)


def _files(tree: Path) -> Iterator[Path]:
    for path in [tree] if tree.is_file() else tree.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            yield path
