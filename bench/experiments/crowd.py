"""Limit what experiments with many places at once may use, so that they never take a host down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.measurable import Unsuitable, allowed_cpus
from tare.results.said import say

if TYPE_CHECKING:
    from tare.bench.measurable import CrowdSettings
    from tare.runners.context import Runner
    from tare.runners.model import Limits

FAMILY = "crowd"

PLACE_BYTES = 32 << 20
"""Memory that a place on this host's kernel is assumed to need at most, an engine's shim and client included, before
any was measured."""

VMM_BYTES = 64 << 20
"""Memory that a VMM is assumed to need at most besides the guest's."""

_BUDGET_SHARE = 4
"""Divisor of the available memory that gives the default budget."""

_MOST_SHARE = 2
"""Divisor of the available memory that gives the largest budget, whatever was asked for."""


def mib(size: int) -> str:
    """Format bytes as ``--memory-budget`` takes them: ``512M``."""
    return f"{size >> 20}M"


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Read the bytes that the kernel could give without swapping (``MemAvailable``).

    Raises:
        Unsuitable: the kernel does not say.
    """
    for line in meminfo.read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise Unsuitable(
        say("crowd.memory_unknown", "This kernel does not say how much memory is available."),
        say("remedy.newer_linux", "use Linux 3.14 or later"),
    )


def budget_bytes(settings: CrowdSettings) -> int:
    """Return the bytes that all places together may use.

    Raises:
        Unsuitable: more was asked for than half of what is available.
    """
    available = available_bytes()
    asked = settings.memory_budget_bytes
    if asked is None:
        return available // _BUDGET_SHARE
    if asked > available // _MOST_SHARE:
        raise Unsuitable(
            say(
                "crowd.budget_too_large",
                "A memory budget of {asked} is more than half of the {available} that are available.",
                asked=mib(asked),
                available=mib(available),
            ),
            say(
                "remedy.smaller_budget",
                "give --memory-budget {most} or less",
                most=mib(available // _MOST_SHARE),
            ),
        )
    return asked


def place_bytes(runner: Runner, limits: Limits) -> int:
    """Return the bytes that one place is assumed to need at most, before any was measured."""
    return PLACE_BYTES if runner.accelerator == "none" else limits.memory_bytes + VMM_BYTES


def cpus(limits: Limits) -> int:
    """Count the CPUs of the host that places may run on."""
    return len(allowed_cpus(limits))
