"""Read the host's small text files, and read and change its table of mounts."""

from __future__ import annotations

import ctypes
import errno
import functools
import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path("/")
_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8


def read(path: Path) -> str | None:
    """Read a file without the blanks around its text; ``None`` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_object(path: Path) -> dict[str, Any]:
    """Read a file of Tare's own that holds a JSON object; empty if it is absent, damaged or anything else.

    For what can be made anew, such as estimates: a file that a full disk cut, or that somebody edited, stops nothing.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class MountPoint(msgspec.Struct, frozen=True):
    """One line of ``/proc/self/mountinfo``, see proc_pid_mountinfo(5)."""

    root: str
    """Path within the file system that is mounted here; octal escapes are resolved."""
    point: str
    """Path it is mounted on; octal escapes are resolved."""
    kind: str
    """Type of the file system."""
    source: str
    """The device, or whatever was given for it, as the kernel writes it."""
    options: str
    """Options of the file system, comma separated."""


def mount_points(root: Path = ROOT) -> list[MountPoint]:
    """List everything that is mounted, later mounts last; empty if the table cannot be read.

    ``root`` is put before ``/proc``, for tests.
    """
    try:
        table = (root / "proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    found = []
    for line in table.splitlines():
        head, separator, tail = line.partition(" - ")
        fields, (kind, source, options) = head.split(), [*tail.split(" ", 2), "", ""][:3]
        if separator and len(fields) >= 5 and kind:
            found.append(MountPoint(_unescape(fields[3]), _unescape(fields[4]), kind, source, options))
    return found


def mount_over(path: Path, root: Path = ROOT) -> MountPoint | None:
    """Find what a path is mounted on: the longest mount point over it, of equal ones the last."""
    # Compared as texts, because every opening of a place asks: paths of all mounts take milliseconds to make.
    best, resolved = None, f"{path.resolve()}/"
    for mount in mount_points(root):
        inside = resolved.startswith(f"{mount.point.rstrip('/')}/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def mounts_below(folder: Path, root: Path = ROOT) -> list[str]:
    """List the mount points at and below a folder, the latest first: later mounts lie on top of earlier ones."""
    points = (mount.point for mount in mount_points(root))
    return [point for point in points if point == str(folder) or point.startswith(f"{folder}/")][::-1]


def unmount(point: str) -> None:
    """Detach a mount, which ends once nothing uses it any more. A symbolic link is not followed. Idempotent.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(point), _MNT_DETACH | _UMOUNT_NOFOLLOW):
        error = ctypes.get_errno()
        # EINVAL says that nothing is mounted there, but also that the mount is locked; EPERM says nothing of it.
        if error != errno.ENOENT and point in mounts_below(Path(point)):
            raise OSError(error, os.strerror(error), point)


def last_lines(file: Path, count: int = 15) -> str:
    """Read the end of a log; empty if there is none."""
    try:
        return "\n".join(file.read_text("utf-8", "replace").splitlines()[-count:])
    except OSError:
        return ""


def file_system(path: Path) -> str:
    """Name the type of the file system that a path is on; empty if no mount over it is known."""
    try:
        return _kind(path, path.stat().st_dev)
    except OSError:
        return ""


@functools.lru_cache(maxsize=64)
def _kind(path: Path, _device: int) -> str:
    """Look it up in the table of mounts, once as long as the path is on the same device: every opening of a place asks."""
    mount = mount_over(path)
    return mount.kind if mount else ""


def _unescape(text: str) -> str:
    return text if "\\" not in text else re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)
