"""Collect from the whole host: the work of others, time in interrupts, time taken by the hypervisor below.

The sources are ``/proc/stat`` and ``/proc/diskstats`` (proc_stat(5), Documentation/admin-guide/iostats.rst).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.collectors.base import TICK_SECONDS, CounterCollector, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.model import Vantage

_STAT_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_SECTOR_BYTES = 512
"""Unit of ``/proc/diskstats``, whatever the device's own sectors are (iostats.rst)."""

# Facts about a trial's surroundings, which are never judged.
_TICKS = Kind("s", "none", "cpu-time", TICK_SECONDS)


class HostCollector(CounterCollector):
    """Collector of ``host.…``; ``host.cpu.user`` excludes guests' time, which the kernel counts in ``user`` as well."""

    __slots__ = ()

    name = "host"
    kinds: Mapping[str, Kind] = {
        **{
            f"host.cpu.{key}": _TICKS for key in ("user", "system", "idle", "iowait", "irq", "steal", "guest")
        },
        "host.switches": Kind("count", "none"),
        "host.disk.read": Kind("bytes", "none"),
        "host.disk.write": Kind("bytes", "none"),
        "host.disk.busy": Kind("s", "none", "host-monotonic", 0.001),
    }

    def counters(self, vantage: Vantage) -> dict[str, float]:  # noqa: ARG002 - the same for all places
        """Read the CPU times and the disks' counters."""
        return self._cpu() | self._disks()

    def _cpu(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for line in self.read(self.below("proc/stat"), "host.cpu").splitlines():
            if not line.startswith(("cpu ", "ctxt ")):  # the line of interrupts has thousands of numbers
                continue
            key, *numbers = line.split()
            if not all(number.isdecimal() for number in numbers):
                continue
            if key == "cpu" and len(numbers) >= 8:
                # Old kernels have no guest and guest_nice.
                ticks = dict(zip(_STAT_FIELDS, map(int, numbers), strict=False))
                guest = ticks.get("guest", 0) + ticks.get("guest_nice", 0)
                seconds = {
                    "user": ticks["user"] + ticks["nice"] - guest,
                    "system": ticks["system"],
                    "idle": ticks["idle"],
                    "iowait": ticks["iowait"],
                    "irq": ticks["irq"] + ticks["softirq"],
                    "steal": ticks["steal"],
                }
                if "guest" in ticks:
                    seconds["guest"] = guest
                found |= {f"host.cpu.{name}": count * TICK_SECONDS for name, count in seconds.items()}
            elif key == "ctxt" and numbers:
                found["host.switches"] = int(numbers[0])
        if "host.cpu.user" not in found:
            self.unavailable.setdefault(
                "host.cpu",
                say(
                    "collector.no_cpu_line", "{below} has no line for all CPUs", below=self.below("proc/stat")
                ),
            )
        return found

    def _disks(self) -> dict[str, float]:
        """Sum over real disks: partitions, loop devices and stacked devices would be counted twice."""
        found: dict[str, float] = {}
        for line in self.read(self.below("proc/diskstats"), "host.disk").splitlines():
            fields = line.split()
            # Asked first: most lines are of partitions and loop devices, and this is read twice in each trial.
            if len(fields) < 14 or not _is_real_disk(self.below(f"sys/block/{fields[2]}")):
                continue
            if not all(field.isdecimal() for field in fields[3:14]):
                continue
            read, written, busy = int(fields[5]), int(fields[9]), int(fields[12])
            found["host.disk.read"] = found.get("host.disk.read", 0.0) + read * _SECTOR_BYTES
            found["host.disk.write"] = found.get("host.disk.write", 0.0) + written * _SECTOR_BYTES
            found["host.disk.busy"] = found.get("host.disk.busy", 0.0) + busy / 1e3
        if not found:
            self.unavailable.setdefault(
                "host.disk",
                say("collector.no_real_disk", "no real disk in {below}", below=self.below("proc/diskstats")),
            )
        return found


@functools.cache
def _is_real_disk(folder: str) -> bool:
    """Tell a disk from a partition, a loop device and a stacked device. Asked once: a name keeps its kind."""
    # An NVMe multipath head has no `device`, but is the disk.
    return Path(folder, "device").exists() or (Path(folder).name.startswith("nvme") and Path(folder).exists())
