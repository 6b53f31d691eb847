"""Remove folder trees that jobs have filled: however deep, with whatever modes, and without following links."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(tree: Path) -> None:
    """Remove a folder and all that is in it. Idempotent: what is gone, or goes meanwhile, counts as removed.

    Works by descriptors, so a link that is put in the place of a folder meanwhile leads nowhere. Folders in folders
    are first moved up into ``tree`` itself: a job may nest them deeper than paths, stacks or descriptors reach.

    Raises:
        OSError: something in it cannot be removed; the rest is removed all the same.
    """
    try:
        above = os.open(tree.parent, _FOLDER & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        with suppress(FileNotFoundError):
            failure = _empty(above, tree.name)
            if failure is not None:
                raise failure
            os.rmdir(tree.name, dir_fd=above)
    finally:
        os.close(above)


def discard_tree(tree: Path) -> None:
    """Remove as much as possible of a folder; for clean-up that must not fail."""
    with suppress(OSError):
        remove_tree(tree)


def open_to_readers(tree: Path) -> None:
    """Let everybody read a folder of the suite's own and all that is in it, whatever umask it was made under.

    In a place with another user, such as a database's, a root that only its maker reads would be of no use.
    """
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(stat.S_IMODE(mode) | (0o555 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o444))


def _empty(above: int, name: str) -> OSError | None:
    """Remove everything in a folder; returns the first error."""
    top = _open(above, name)
    failures: list[OSError] = []
    moved = 0
    kept: set[str] = set()
    try:
        while pending := [entry for entry in _names(top) if entry not in kept]:
            for entry in pending:
                try:
                    moved = _dissolve(top, entry, moved)
                except FileNotFoundError:  # its owner removed it meanwhile, or something in it
                    kept.update({entry} - set(_names(top)))
                except OSError as error:
                    kept.add(entry)
                    failures.append(error)
    finally:
        os.close(top)
    return failures[0] if failures else None


def _dissolve(top: int, entry: str, moved: int) -> int:
    """Remove one entry of ``top``; if it is a folder, move the folders in it up beside it first.

    Returns:
        How many folders have been moved so far: their names are made of it.
    """
    with suppress(OSError):
        os.rmdir(entry, dir_fd=top)
        return moved  # most folders are empty, those of each place above all
    try:
        folder = _open(top, entry)
    except NotADirectoryError:
        os.unlink(entry, dir_fd=top)
        return moved
    try:
        for inner in _names(folder):
            found = os.stat(inner, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(inner, dir_fd=folder)
                continue
            # A folder can only be moved by who may write to it: its entry `..` changes.
            with suppress(OSError):
                os.close(_open(folder, inner))
            moved += 1
            while _exists(top, f".{moved}.tare"):
                moved += 1
            os.rename(inner, f".{moved}.tare", src_dir_fd=folder, dst_dir_fd=top)
    finally:
        os.close(folder)
    os.rmdir(entry, dir_fd=top)
    return moved


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _open(above: int, name: str) -> int:
    """Open a folder and make it usable to its owner, whatever mode a job gave to it."""
    try:
        folder = os.open(name, _FOLDER, dir_fd=above)
    except PermissionError:
        # Only O_PATH opens what may not be read; chmod(2) by its path in /proc then follows no link.
        found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        try:
            Path(f"/proc/self/fd/{found}").chmod(stat.S_IRWXU)
        finally:
            os.close(found)
        folder = os.open(name, _FOLDER, dir_fd=above)
    except OSError as error:
        # O_NOFOLLOW on a link is ELOOP or ENOTDIR: it is an entry to unlink like a file.
        if stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            raise
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name) from error
    if stat.S_IMODE(os.fstat(folder).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(OSError):
            os.fchmod(folder, stat.S_IRWXU)
    return folder
