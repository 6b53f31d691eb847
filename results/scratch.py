"""Make temporary folders that can be told from dead ones: whoever is killed leaves its own, and nobody else knows of it.

A folder is locked as long as its maker lives. A lock ends with the process, however that ends, so a folder that can be
locked is a dead one's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "tare-scratch-"
"""Beginning of the names of all of them; within another folder a dot precedes it, so that lists pass over it."""


@contextmanager
def scratch_folder(purpose: str, within: Path | None = None) -> Iterator[Path]:
    """Make a folder for the time of the block, and remove it with what is in it; it may have been moved away by then.

    Args:
        purpose: a word for its name.
        within: the folder that it is made in; ``None``: the one for temporary files.

    Raises:
        OSError: it cannot be made.
    """
    folder, lock = _made(f"{'.' if within else ''}{PREFIX}{purpose}-", within)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made(prefix: str, within: Path | None) -> tuple[Path, int]:
    """Make and lock a folder; again, if somebody who removes dead ones took it in between."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
        with suppress(FileNotFoundError):
            lock = _opened(folder)
            if _locked(lock) and folder.exists():
                return folder, lock
            os.close(lock)


def dead_folders(parents: Iterable[Path]) -> list[Path]:
    """List the folders of this user's that dead processes left."""
    found: set[Path] = set()
    for parent in parents:
        with suppress(OSError):  # it is not there, or not for this user
            found |= {path for path in parent.iterdir() if path.name.startswith((PREFIX, f".{PREFIX}"))}
    return sorted(path for path in found if _is_dead(path))


@contextmanager
def taken(folder: Path) -> Iterator[bool]:
    """Keep others from taking a dead folder, and tell whether it is this user's, and nobody's that lives."""
    try:
        lock = _opened(folder)
    except OSError:
        yield False
        return
    try:
        yield os.fstat(lock).st_uid == os.geteuid() and _locked(lock)
    finally:
        os.close(lock)


def _is_dead(folder: Path) -> bool:
    with taken(folder) as mine:
        return mine


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another one's, or a file system without locks
        return False
    return True
