"""Collect from the place's cgroup: CPU time, memory and I/O of everything in it, dead processes included.

On cgroup v1 the files are those of ``cpuacct``, ``cpu``, ``memory`` and ``blkio``
(Documentation/admin-guide/cgroup-v1), on v2 ``cpu.stat``, ``memory.peak``, ``memory.current`` and ``io.stat``
(Documentation/admin-guide/cgroup-v2.rst). On a hybrid host a controller is in one of the two; v1 is asked first, since
v2 always has ``cpu.stat``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.collectors.base import (
    BYTES,
    BYTES_GAUGE,
    COUNT,
    CPU_NS,
    CPU_TICKS,
    TICK_SECONDS,
    CounterCollector,
    Kind,
    flat_keyed,
    whole_number,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.runners.model import Vantage

_NO_CONTROLLER = "the place has no cgroup with this controller"


class CgroupCollector(CounterCollector):
    """Collector of ``cgroup.…``; peak memory is that of the cgroup's whole life, not of one job."""

    __slots__ = ()

    name = "cgroup"
    kinds: Mapping[str, Kind] = {
        "cgroup.cpu": CPU_NS,
        # v2 scales them to the precise sum, v1 counts ticks; the error is that of v1.
        "cgroup.cpu.user": CPU_TICKS,
        "cgroup.cpu.system": CPU_TICKS,
        "cgroup.cpu.throttled": Kind("s", clock="host-monotonic"),
        "cgroup.cpu.throttles": COUNT,
        "cgroup.io.read": BYTES,
        "cgroup.io.write": BYTES,
        "cgroup.io.reads": COUNT,
        "cgroup.io.writes": COUNT,
        "cgroup.memory.current": BYTES_GAUGE,
        "cgroup.memory.peak": BYTES_GAUGE,
    }

    def counters(self, vantage: Vantage) -> dict[str, float]:
        """Read CPU time, throttling and I/O."""
        groups = vantage.cgroups
        unified = groups.get("unified")
        found: dict[str, float] = {}
        if account := groups.get("cpuacct"):
            found |= self._cpu_v1(account)
        elif unified:
            found |= self._cpu_v2(unified)
        else:
            self.unavailable["cgroup.cpu"] = _NO_CONTROLLER
        if cpu := groups.get("cpu"):
            found |= self._throttled(cpu, "throttled_time", 1e9)
        elif unified:
            found |= self._throttled(unified, "throttled_usec", 1e6)
        if blkio := groups.get("blkio"):
            found |= self._io_v1(blkio)
        elif unified:
            found |= self._io_v2(unified)
        else:
            self.unavailable["cgroup.io"] = _NO_CONTROLLER
        return found

    def gauges(self, vantage: Vantage) -> dict[str, float]:
        """Read the current and the peak memory."""
        memory, unified = vantage.cgroups.get("memory"), vantage.cgroups.get("unified")
        if memory:
            files = {
                "peak": f"{memory}/memory.max_usage_in_bytes",
                "current": f"{memory}/memory.usage_in_bytes",
            }
        elif unified:
            files = {"peak": f"{unified}/memory.peak", "current": f"{unified}/memory.current"}
        else:
            self.unavailable["cgroup.memory"] = _NO_CONTROLLER
            return {}
        found: dict[str, float] = {}
        for key, path in files.items():
            name = f"cgroup.memory.{key}"
            value = whole_number(text := self.read(path, name))
            if value is not None:
                found[name] = value
            elif text:
                self.unavailable[name] = say(
                    "collector.no_number", "{path}: no number but {text!r}", path=path, text=text[:40]
                )
        return found

    def _cpu_v1(self, group: Path) -> dict[str, float]:
        found: dict[str, float] = {}
        usage = whole_number(self.read(f"{group}/cpuacct.usage", "cgroup.cpu"))
        if usage is not None:
            found["cgroup.cpu"] = usage / 1e9
        ticks = flat_keyed(self.read(f"{group}/cpuacct.stat", "cgroup.cpu.user"))
        found |= {
            f"cgroup.cpu.{key}": ticks[key] * TICK_SECONDS for key in ("user", "system") if key in ticks
        }
        return found

    def _cpu_v2(self, group: Path) -> dict[str, float]:
        stat = flat_keyed(self.read(f"{group}/cpu.stat", "cgroup.cpu"))
        names = {
            "usage_usec": "cgroup.cpu",
            "user_usec": "cgroup.cpu.user",
            "system_usec": "cgroup.cpu.system",
        }
        return {name: stat[key] / 1e6 for key, name in names.items() if key in stat}

    def _throttled(self, group: Path, key: str, per_second: float) -> dict[str, float]:
        stat = flat_keyed(self.read(f"{group}/cpu.stat", "cgroup.cpu.throttled"))
        if key not in stat or "nr_throttled" not in stat:
            self.unavailable.setdefault(
                "cgroup.cpu.throttled",
                say("collector.cpu_stat", "{group}/cpu.stat does not have it", group=group),
            )
            return {}
        return {"cgroup.cpu.throttled": stat[key] / per_second, "cgroup.cpu.throttles": stat["nr_throttled"]}

    def _io_v1(self, group: Path) -> dict[str, float]:
        """Read lines such as ``8:0 Read 4096``, one per device and operation; no lines mean no I/O so far."""
        found: dict[str, float] = {}
        for file, plural in (("blkio.throttle.io_service_bytes", ""), ("blkio.throttle.io_serviced", "s")):
            text = self.read_if(f"{group}/{file}", "cgroup.io")
            if text is None:
                continue
            found |= {f"cgroup.io.read{plural}": 0.0, f"cgroup.io.write{plural}": 0.0}
            for line in text.splitlines():
                match line.split():
                    case [_, "Read" | "Write" as way, count] if count.isdecimal():
                        found[f"cgroup.io.{way.lower()}{plural}"] += int(count)
        return found

    def _io_v2(self, group: Path) -> dict[str, float]:
        """Read lines such as ``8:0 rbytes=… wbytes=… rios=… wios=…``, one per device."""
        text = self.read_if(f"{group}/io.stat", "cgroup.io")
        if text is None:
            return {}
        names = {
            "rbytes": "cgroup.io.read",
            "wbytes": "cgroup.io.write",
            "rios": "cgroup.io.reads",
            "wios": "cgroup.io.writes",
        }
        found = dict.fromkeys(names.values(), 0.0)
        for line in text.splitlines():
            for part in line.split()[1:]:
                key, _, value = part.partition("=")
                if key in names and value.isdecimal():
                    found[names[key]] += int(value)
        return found
