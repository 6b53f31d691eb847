"""Copy the files behind guests' disks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 8 << 20


def copy_sparse(source: Path, dest: Path) -> None:
    """Copy a file and keep its holes, so that a template of 1 GiB costs only the few MB in it.

    The copy is on the disk when this returns, so that no write-back runs beside a measurement.

    Raises:
        OSError: the source is unreadable, or the disk is full.
    """
    read = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        write = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(read).st_size
            os.truncate(write, size)
            at = 0
            while at < size and (begin := _next_data(read, at)) is not None:
                at = os.lseek(read, begin, os.SEEK_HOLE)
                _copy(read, write, begin, at)
            os.fsync(write)
        finally:
            os.close(write)
    finally:
        os.close(read)


def _next_data(fd: int, at: int) -> int | None:
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError:  # ENXIO: the rest is a hole
        return None


def _copy(read: int, write: int, begin: int, end: int) -> None:
    while begin < end:
        data = os.pread(read, min(_PIECE_BYTES, end - begin), begin)
        if not data:
            return
        os.pwrite(write, data, begin)
        begin += len(data)
