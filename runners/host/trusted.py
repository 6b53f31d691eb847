"""Open files and folders only if nobody but this user (or root) can have written them.

Work folders lie in a folder that everybody may write to (``/var/tmp``), so a name says nothing about who made what is
there. The file system does: each function looks at the opened descriptor, never at a path that could be swapped.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC


class UntrustedError(Exception):
    """A file or folder belongs to somebody else, is a link, or others may write to it."""


@contextmanager
def trusted_folder(path: Path | str) -> Iterator[int]:
    """Open a folder of this user's own.

    Args:
        path: the folder; its last part may not be a link.

    Raises:
        UntrustedError: it is not this user's, or others may write to it.
        OSError: it is absent, a link or no folder.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_LINKS)
    try:
        _check(folder, str(path))
        yield folder
    finally:
        os.close(folder)


def trusted_content(folder: int, name: str, most_bytes: int) -> bytes:
    """Read a regular file of this user's own in an opened folder.

    Raises:
        UntrustedError: it is not this user's, others may write to it, it is no regular file, or it is too large.
        OSError: it is absent or a link.
    """
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_LINKS, dir_fd=folder)
    try:
        found = _check(file, name)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
            raise UntrustedError(
                say(
                    "host.no_regular_file",
                    "{name} is not a regular file of at most {most_bytes} bytes",
                    name=name,
                    most_bytes=most_bytes,
                )
            )
        return os.read(file, most_bytes)
    finally:
        os.close(file)


def _check(descriptor: int, name: str) -> os.stat_result:
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        raise UntrustedError(
            say(
                "host.untrusted",
                "{name} belongs to uid {st_uid} and has mode {st_mode}",
                name=name,
                st_uid=found.st_uid,
                st_mode=f"{stat.S_IMODE(found.st_mode):o}",
            )
        )
    return found
