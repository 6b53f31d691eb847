"""Collect from the place's processes as the host's /proc shows them: for places without a cgroup, and for PSS.

CPU time and I/O are summed over the top process, its descendants and, by the kernel's own accounting, all children that
these have reaped (``cutime`` of proc_pid_stat(5); ``/proc/PID/io`` includes reaped children). So a job that came and
went between the two readings is included.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.collectors.base import (
    BYTES,
    BYTES_GAUGE,
    CPU_TICKS,
    TICK_SECONDS,
    CounterCollector,
    Kind,
    flat_keyed,
    read_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tare.runners.model import Vantage


class ProcessCollector(CounterCollector):
    """Collector of ``processes.…``; PSS is read after the job, hence of the idle place."""

    __slots__ = ()

    name = "processes"
    kinds: Mapping[str, Kind] = {
        "processes.cpu.user": CPU_TICKS,
        "processes.cpu.system": CPU_TICKS,
        "processes.io.read": BYTES,
        "processes.io.write": BYTES,
        "processes.memory.pss": BYTES_GAUGE,
    }

    def counters(self, vantage: Vantage) -> dict[str, float]:
        """Read CPU time and I/O of the tree."""
        found: dict[str, float] = {}
        proc = self.below("proc")
        for pid in process_tree(vantage.top_pid, proc):
            folder = f"{proc}/{pid}"
            if times := self._cpu_times(folder):
                found["processes.cpu.user"] = found.get("processes.cpu.user", 0.0) + times[0]
                found["processes.cpu.system"] = found.get("processes.cpu.system", 0.0) + times[1]
            io = flat_keyed(self.read(f"{folder}/io", "processes.io"))
            if "read_bytes" in io and "write_bytes" in io:
                found["processes.io.read"] = found.get("processes.io.read", 0.0) + io["read_bytes"]
                found["processes.io.write"] = found.get("processes.io.write", 0.0) + io["write_bytes"]
        return found

    def gauges(self, vantage: Vantage) -> dict[str, float]:
        """Read the PSS of the tree, if that of every process can be read: a part of the sum would be wrong."""
        total = 0
        proc = self.below("proc")
        for pid in process_tree(vantage.top_pid, proc):
            found = pss_bytes(pid, proc)
            if found is None:
                self.unavailable.setdefault(
                    "processes.memory.pss",
                    say("collector.smaps", "process {pid} shows no smaps_rollup", pid=pid),
                )
                return {}
            total += found
        return {"processes.memory.pss": total}

    def _cpu_times(self, folder: str) -> tuple[float, float] | None:
        fields = stat_fields(self.read(f"{folder}/stat", "processes.cpu"))
        # Fields 14 to 17 of proc_pid_stat(5): utime, stime, cutime, cstime.
        ticks = fields[11:15]
        if len(ticks) != 4 or not all(tick.isdecimal() for tick in ticks):
            self.unavailable.setdefault(
                "processes.cpu", say("collector.stat", "{folder}/stat is malformed", folder=folder)
            )
            return None
        user, system, children_user, children_system = map(int, ticks)
        return (user + children_user) * TICK_SECONDS, (system + children_system) * TICK_SECONDS


def process_tree(top: int, proc: Path | str) -> list[int]:
    """List a process and its descendants, by ``/proc/PID/task/TID/children``."""
    found: list[int] = []
    todo = [top]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += [child for child in _children(f"{proc}/{pid}") if child not in found and child not in todo]
    return found


def pss_bytes(pid: int, proc: Path | str) -> int | None:
    """Read a process' proportional set size; ``None`` if it is gone, or another user's."""
    try:
        text = read_bytes(f"{proc}/{pid}/smaps_rollup").decode("ascii", "replace")
    except OSError:
        return None
    kib = next((line.split()[1] for line in text.splitlines() if line.startswith("Pss: ")), "")
    return int(kib) * 1024 if kib.isdecimal() else None


def _children(folder: str) -> Iterator[int]:
    try:
        tasks = os.listdir(f"{folder}/task")  # noqa: PTH208 - a tenth of the cost
    except OSError:  # it has ended
        return
    for task in tasks:
        # The file takes CONFIG_PROC_CHILDREN, which distributions set.
        with suppress(OSError, ValueError):
            yield from map(int, read_bytes(f"{folder}/task/{task}/children").split())


def stat_fields(text: str) -> list[str]:
    """Split the text of ``/proc/PID/stat`` from field 3 on: field 2, the name, may have blanks and brackets in it."""
    return text.rpartition(")")[2].split()
