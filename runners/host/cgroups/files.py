"""Read and write the small files that control groups are made of."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_CHUNK = 1 << 16


def read(file: Path | str) -> str:
    """Read a file without the blanks around its text; empty if it cannot be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    # Without Python's buffers and decoders, which take longer than the kernel; an opening of a place reads many.
    try:
        content = b""
        while part := os.read(descriptor, _CHUNK):
            content += part
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return content.decode("ascii").strip()


def words(file: Path | str) -> set[str]:
    """Read a file as a set of words; empty if it cannot be read."""
    return set(read(file).split())


def write(file: Path | str, text: str) -> None:
    """Write to a file of a control group; raises :class:`OSError` if the kernel refuses."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)


def groups_of(folder: Path) -> list[Path]:
    """List a control group and those within it, each before those that it is in; empty if there is no such group."""
    return [Path(path) for path, _, _ in os.walk(str(folder), topdown=False)]


GONE = frozenset({errno.ENOENT, errno.ENODEV})
"""Errors that say that a control group, or what one reads of it, is not there any more."""
_RETRY_SECONDS = 0.005


def remove_group(
    folder: Path, timeout_seconds: float = 0.0, *, meanwhile: Callable[[], None] | None = None
) -> None:
    """Remove an empty control group. Idempotent.

    A group stays busy for a moment after its last process has ended, so it is tried again until the time is out.

    Args:
        folder: the group's folder.
        timeout_seconds: time to try; 0: once.
        meanwhile: called before each attempt.

    Raises:
        OSError: it cannot be removed.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        if meanwhile:
            meanwhile()
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno in GONE:
                return
            if error.errno not in {errno.EBUSY, errno.ENOTEMPTY} or time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
