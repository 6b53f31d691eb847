"""Which disk a folder is on: what I/O limits are given for."""

from __future__ import annotations

import os
from pathlib import Path


def disk_of(folder: Path, root: Path = Path("/")) -> str:
    """``major:minor`` of the whole disk below a folder's file system, as cgroups want it; ``root`` is for tests.

    A partition's disk is its parent in sysfs: the kernel throttles whole disks only. Empty where there is no one disk:
    tmpfs, overlayfs, network file systems, and file systems over several disks.
    """
    number = _device(folder)
    device = root / "sys/dev/block" / f"{os.major(number)}:{os.minor(number)}"
    try:
        if (device / "partition").exists():
            return (device.resolve().parent / "dev").read_text("ascii").strip()
        return (device / "dev").read_text("ascii").strip()
    except OSError:
        return ""


def _device(folder: Path) -> int:
    return folder.stat().st_dev
