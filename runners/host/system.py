"""Ask psutil for the host's load, memory, swap and CPU time: once for a run, never while something is measured.

psutil is imported when it is first asked: that takes 50 ms, which no launch and no ``tare --help`` should pay. The
collectors on the measured path read ``/proc`` themselves for the same reason.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import msgspec

from tare.runners.host.files import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class Memory(msgspec.Struct, frozen=True):
    """The host's memory now, in bytes; ``None``: ``/proc/meminfo`` does not tell."""

    total_bytes: int | None
    """RAM that the kernel manages: a little less than what is installed."""
    available_bytes: int | None
    """RAM that programs can get without swapping."""
    swap_bytes: int | None
    """Size of the swap space."""
    swap_used_bytes: int | None


class CpuTime(msgspec.Struct, frozen=True):
    """CPU time of all CPUs since boot, in seconds, by ticks of the kernel's (``/proc/stat``)."""

    steal_seconds: float
    """Time that the hypervisor below gave to others while a CPU here wanted to run."""
    all_seconds: float
    """Sum of all states, idle included."""


def load_average() -> float | None:
    """Load average of the last minute; ``None`` if it cannot be read."""
    found = _ask("getloadavg", ROOT)
    return None if found is None else float(found[0])


def memory(root: Path = ROOT) -> Memory:
    """Read the host's memory; ``root`` is put before ``/proc``, for tests."""
    ram, swap = _ask("virtual_memory", root), _ask("swap_memory", root)
    return Memory(
        total_bytes=ram and int(ram.total),
        available_bytes=ram and int(ram.available),
        swap_bytes=swap and int(swap.total),
        swap_used_bytes=swap and int(swap.used),
    )


def cpu_time(root: Path = ROOT) -> CpuTime | None:
    """Read the CPU time so far; ``None`` if it cannot be read. ``root`` is put before ``/proc``, for tests."""
    found = _ask("cpu_times", root)
    if found is None:
        return None
    # Guests' time is in `user` and `nice` already.
    states = (
        found.user,
        found.nice,
        found.system,
        found.idle,
        found.iowait,
        found.irq,
        found.softirq,
        found.steal,
    )
    return CpuTime(found.steal, sum(states))


def _ask(function: str, root: Path) -> Any:
    """Call one of psutil's functions; ``None`` if it fails."""
    import psutil  # noqa: PLC0415 - see this module's docstring

    before = psutil.PROCFS_PATH
    psutil.PROCFS_PATH = str(root / "proc")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a field of no interest here is missing
            return getattr(psutil, function)()
    # What its parsers raise on an unusual /proc is not documented, and a run can do without any of these facts.
    except Exception:  # noqa: BLE001
        return None
    finally:
        psutil.PROCFS_PATH = before
