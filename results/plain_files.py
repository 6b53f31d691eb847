"""Open files by names that a user gave, or that lie where others write, without ever waiting for what is no file.

A FIFO lets its reader wait for a writer, a terminal for a person, and some devices never end.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import IO, TYPE_CHECKING

from tare.results.said import say

if TYPE_CHECKING:
    from pathlib import Path

_NULL = os.makedev(1, 3)
"""Device number of ``/dev/null``, which stands for an empty file."""


NOT_PLAIN = say("files.not_plain", "it is a FIFO, a socket or a device, not a file")


class NotPlainError(OSError):
    """Error for a name of what is neither a file nor an open pipe; ``strerror`` says so in the user's language."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, NOT_PLAIN, str(path))

    def __str__(self) -> str:
        """Give the reason alone: whoever repeats it has named the file."""
        return str(self.strerror)


def open_plain(path: Path, buffering: int = -1) -> IO[bytes]:
    """Open a file to read it; ``/dev/null`` and a pipe of the shell's, as in ``<(COMMAND)``, count as files.

    Args:
        path: the file.
        buffering: bytes of the buffer; -1: Python's own choice.

    Raises:
        OSError: it cannot be opened, or is a folder, FIFO, socket or device.
        ValueError: the name has the character 0 in it.
    """
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _refuse_waiting(descriptor, path)
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb", buffering)
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path) -> bytes:
    """Read a whole file; raises as :func:`open_plain`."""
    with open_plain(path) as file:
        return file.read()


def why_no_file(path: Path) -> str:
    """Say why something is no file, as a phrase."""
    return NOT_PLAIN if path.exists() else say("command.no_file", "there is no such file")


def _refuse_waiting(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) or (stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL):
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISFIFO(found.st_mode) or not _is_nameless(descriptor):
        raise NotPlainError(path)


def _is_nameless(descriptor: int) -> bool:
    """Tell a pipe that was handed over open from a FIFO: its writer is there, and ends it."""
    return os.path.realpath(f"/proc/self/fd/{descriptor}").rpartition("/")[2].startswith("pipe:[")
