"""Tell which of the host's limits an operating-system error is about, wherever in the suite it is raised."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import listed, say
from tare.runners.errors import remedy_of
from tare.runners.provision.cache import default_cache, work_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LEAST_BYTES = 1 << 20
"""A file system with less space is called full."""


_NO_THREAD = "can't start new thread"
"""Python's words where the kernel refuses a thread."""


def no_more_threads(error: Exception) -> str:
    """Explain the error of a thread that the kernel refuses; empty for others."""
    if not isinstance(error, RuntimeError) or str(error) != _NO_THREAD:
        return ""
    return say(
        "fault.threads", "This user, or this cgroup, may have no further threads: end other programs, or raise `ulimit -u` or pids.max."
    )  # fmt: skip


def host_fault(error: OSError) -> str:
    """Explain an error that any write or any opening of a file may end in; empty for errors of other kinds.

    A full disk, one that became read-only or breaks, and a process that may open no more files are faults of the host, and
    not of the suite, so they are no crash.
    """
    what = f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return say("fault.full", "{what}. {room} All that was measured is kept.", what=what, room=_room())
        case errno.EROFS | errno.EIO:
            return say(
                "fault.disk", "{what}. Look into the kernel's log (`dmesg`): the file system is read-only, or its disk is failing.",
                what=what,
            )  # fmt: skip
        case errno.EMFILE | errno.ENFILE:
            return say("fault.files", "{what}: {remedy}.", what=what, remedy=remedy_of(error.errno))
        case errno.ENOMEM:
            return say(
                "fault.memory", "{what}. Free some memory, or give a smaller --memory or --memory-budget.", what=what
            )  # fmt: skip
        case _:
            return ""


def _room() -> str:
    full = [
        say("fault.folder", "{folder} (${variable} names another)", folder=folder, variable=variable)
        for variable, folder in _folders()
        if _is_full(folder)
    ]
    where = listed(full, ", ") or say("fault.file_system", "the file system that is full")
    return say("fault.free", "Free some space in {where}.", where=where)


def _folders() -> Iterator[tuple[str, Path]]:
    """Give the folders that the suite writes to, besides those of results and reports, with the variables that name them."""
    found: tuple[tuple[str, Callable[[], Path]], ...] = (
        ("TARE_CACHE", default_cache),
        ("TARE_WORKDIR", work_parent),
        ("TMPDIR", lambda: Path(tempfile.gettempdir())),
        ("TARE_RESULTS_DIR", Path.cwd),
    )
    for variable, find in found:
        try:
            yield variable, find()
        except Exception:  # noqa: BLE001, S112 - the message of one error must not end in another
            continue


def _is_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    no_files = room.f_files > 0 and room.f_favail == 0
    return room.f_bavail * room.f_frsize < _LEAST_BYTES or no_files
