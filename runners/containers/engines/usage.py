"""Measure the CPU time of an engine's daemons: what a launch costs outside the container and the client.

It is read from the daemons' cgroups, so shims, runtimes and other short-lived processes are included, and so is
everything the daemons did for others at the same time.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.record import Metric
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.cgroups.membership import where

if TYPE_CHECKING:
    from collections.abc import Iterable

DAEMONS = ("dockerd", "containerd")


def daemon_folders(names: Iterable[str] = DAEMONS) -> list[Path]:
    """Find the cgroups that these daemons have to themselves; empty if one of them shares the top cgroup."""
    cgroups = Cgroups.detect()
    found = []
    for pid in _named(names):
        counting = [
            folder
            for one, folder in where(pid, cgroups)
            if folder != one.top and (one.version == 2 or "cpuacct" in one.controllers)
        ]
        if not counting:
            return []
        found.append(counting[0])
    return list(dict.fromkeys(found))


def cpu_seconds(folders: Iterable[Path]) -> float | None:
    """Sum the CPU time of everything that was ever in these cgroups; ``None`` without any, or if one is unreadable."""
    used = [_cpu_seconds(folder) for folder in folders]
    known = [seconds for seconds in used if seconds is not None]
    return sum(known) if known and len(known) == len(used) else None


def cpu_metric(before: float | None, after: float | None) -> tuple[Metric, ...]:
    """Make the metric ``engine.cpu``, the daemons' CPU time between two readings; empty if one is missing."""
    if before is None or after is None:
        return ()
    return (
        Metric(name="engine.cpu", value=max(after - before, 0.0), unit="s", direction="lower", clock="cpu-time",
               source="cgroup of the daemons"),
    )  # fmt: skip


def _cpu_seconds(folder: Path) -> float | None:
    with suppress(OSError, ValueError):
        return int((folder / "cpuacct.usage").read_text("ascii")) / 1e9
    with suppress(OSError, ValueError):
        for line in (folder / "cpu.stat").read_text("ascii").splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1e6
    return None


def _named(names: Iterable[str]) -> list[int]:
    wanted = {f"{name}\n" for name in names}
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text("utf-8", "replace") in wanted:
                found.append(int(entry.name))
    return found
