"""Find the disk below a folder: I/O limits are given for whole disks."""

from __future__ import annotations

import functools
import os
from pathlib import Path


def disk_of(folder: Path, root: Path = Path("/")) -> str:
    """Give ``major:minor`` of the whole disk below a folder's file system, as cgroups want it.

    A partition's disk is its parent in sysfs, because the kernel throttles whole disks only. The result is empty if
    there is not exactly one disk: on tmpfs, overlayfs, network file systems and file systems over several disks.
    ``root`` is put before ``/sys``, for tests.
    """
    return _whole_disk(_device(folder), root)


@functools.lru_cache(maxsize=64)
def _whole_disk(number: int, root: Path) -> str:
    device = root / "sys/dev/block" / f"{os.major(number)}:{os.minor(number)}"
    try:
        if (device / "partition").exists():
            return (device.resolve().parent / "dev").read_text("ascii").strip()
        return (device / "dev").read_text("ascii").strip()
    except OSError:
        return ""


def _device(folder: Path) -> int:
    return folder.stat().st_dev
