"""Translate limits into options of ``docker run`` and ``podman run``, which take the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.host.disks import disk_of

if TYPE_CHECKING:
    from tare.runners.model import Limits


def limit_options(limits: Limits, workdir: Path, *, host_cpus: int | None = None) -> tuple[str, ...]:
    """Compose the options for these limits, set as other runners set them: no quota if all CPUs are allowed, no swap.

    Args:
        limits: what the container may use.
        workdir: the run's work folder, whose disk an I/O limit applies to.
        host_cpus: CPUs of the host; ``None``: ask the host.

    Raises:
        PlaceFailure: I/O is to be limited, and the work folder is on no disk with a device file.
    """
    options = [
        *("--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)),
        *("--pids-limit", str(limits.pids)),
        *("--ulimit", f"fsize={limits.scratch_bytes}:{limits.scratch_bytes}"),
    ]
    if limits.cpus < (host_cpus or os.cpu_count() or 1):
        options += ["--cpus", str(limits.cpus)]
    if limits.cpuset:
        options += ["--cpuset-cpus", ",".join(map(str, limits.cpuset))]
    rates = {"bps": limits.io_bytes_per_second, "iops": limits.io_operations_per_second}
    if any(rates.values()):
        device = _device_file(disk_of(workdir))
        for kind, rate in rates.items():
            for way in ("read", "write"):
                if rate:
                    options += [f"--device-{way}-{kind}", f"{device}:{rate}"]
    return tuple(options)


def _device_file(disk: str, root: Path = Path("/")) -> str:
    """Find the device file of a disk given as ``major:minor``."""
    try:
        lines = (root / "sys/dev/block" / disk / "uevent").read_text("ascii").splitlines()
        name = next(line.removeprefix("DEVNAME=") for line in lines if line.startswith("DEVNAME="))
    except (OSError, StopIteration, ValueError):
        name = ""
    if not disk or not name or not (root / "dev" / name).exists():
        raise PlaceFailure(
            say(
                "container.io_unlimited",
                "I/O cannot be limited: the scratch folder is on no single disk that has a device file",
            ),
            remedy=say(
                "remedy.plain_disk",
                "set TARE_WORKDIR to a folder on a plain disk, or leave --io out",
            ),
        )
    return f"/dev/{name}"
