"""What experiments with many places at once share: how much they may use, so that they never take a host down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.measurable import Unsuitable

if TYPE_CHECKING:
    from tare.bench.measurable import CrowdSettings
    from tare.runners.context import Runner
    from tare.runners.model import Limits

FAMILY = "crowd"

PLACE_BYTES = 32 << 20
"""What a place on this host's kernel is taken to need at most until it has been weighed: an engine's shim and client
are in it."""

VMM_BYTES = 64 << 20
"""Beside a guest's memory."""

_BUDGET_SHARE = 4
"""Of the memory that is available, one part in so many is used if nothing else was asked for."""

_MOST_SHARE = 2
"""No more than one part in so many, whatever was asked for."""


def mib(size: int) -> str:
    """``512M``, as ``--memory-budget`` takes it."""
    return f"{size >> 20}M"


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that the kernel reckons it could give without swapping (``MemAvailable``)."""
    for line in meminfo.read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise Unsuitable("This kernel does not say how much memory is available.", "use Linux 3.14 or later")


def budget_bytes(settings: CrowdSettings) -> int:
    """What all places of a crowd together may use.

    Raises:
        Unsuitable: more was asked for than half of what is available.
    """
    available = available_bytes()
    asked = settings.memory_budget_bytes
    if asked is None:
        return available // _BUDGET_SHARE
    if asked > available // _MOST_SHARE:
        raise Unsuitable(
            f"A memory budget of {mib(asked)} is more than half of the {mib(available)} that are available.",
            f"give --memory-budget {mib(available // _MOST_SHARE)} or less",
        )
    return asked


def place_bytes(runner: Runner, limits: Limits) -> int:
    """What one place is taken to need at most, before any was weighed."""
    return PLACE_BYTES if runner.accelerator == "none" else limits.memory_bytes + VMM_BYTES


def cpus(limits: Limits) -> int:
    """CPUs of the host that places may run on."""
    return len(limits.cpuset or os.sched_getaffinity(0))
