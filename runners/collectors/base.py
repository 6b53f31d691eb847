"""What a collector is, and the one way in which all of ours turn counters into metrics.

A collector reads before and after a job; what it gives is the difference, or for a gauge the later reading.
What cannot be read gives no metric, never a zero: the reason is in :attr:`Collector.unavailable`. So is a
counter that ran backwards. What the collector itself cost is a metric, too.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tare.results.record import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Direction
    from tare.runners.model import Vantage

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
"""Resolution of the CPU times that the kernel prints in ticks (proc_pid_stat(5), proc_stat(5))."""


@dataclass(frozen=True, slots=True)
class State:
    """What a collector saw before the job."""

    vantage: Vantage
    readings: Mapping[str, float]
    wall_seconds: float
    """Spent on reading, so far."""
    cpu_seconds: float


class Collector(Protocol):
    """Records what a trial cost, seen from outside the place."""

    @property
    def name(self) -> str:
        """First part of its metrics' names."""

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Metric or source → why there is no number."""

    def begin(self, vantage: Vantage) -> State:
        """Read before the job."""

    def end(self, state: State) -> tuple[Metric, ...]:
        """Read after the job; the metrics."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How to read one of a collector's numbers."""

    unit: str
    direction: Direction = "lower"
    clock: str = ""
    error: float | None = None
    gauge: bool = False
    """The later reading is the number; else the difference of the two."""


CPU_NS = Kind("s", clock="cpu-time")
CPU_TICKS = Kind("s", clock="cpu-time", error=TICK_SECONDS)
BYTES = Kind("bytes")
COUNT = Kind("count")
BYTES_GAUGE = Kind("bytes", gauge=True)


@dataclass(slots=True)
class CounterCollector(ABC):
    """Reads counters from files below :attr:`root`, which only tests set to something else."""

    root: Path = Path("/")
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    @abstractmethod
    def name(self) -> str:
        """First part of its metrics' names."""

    @property
    @abstractmethod
    def kinds(self) -> Mapping[str, Kind]:
        """Name → kind, for all numbers that it may give."""

    @abstractmethod
    def counters(self, vantage: Vantage) -> dict[str, float]:
        """The counters that can be read now; for others a reason in :attr:`unavailable`."""

    @property
    def source(self) -> str:
        """What its metrics name as their source."""
        return self.name

    def gauges(self, vantage: Vantage) -> dict[str, float]:  # noqa: ARG002 - most have none
        """Read after the job only."""
        return {}

    def begin(self, vantage: Vantage) -> State:
        """Read before the job."""
        wall, cpu = time.perf_counter(), time.thread_time()
        readings = self.counters(vantage)
        return State(vantage, readings, time.perf_counter() - wall, time.thread_time() - cpu)

    def end(self, state: State) -> tuple[Metric, ...]:
        """Read after the job; the metrics, and what both readings cost."""
        wall, cpu = time.perf_counter(), time.thread_time()
        later = self.counters(state.vantage)
        values = {
            name: value - state.readings[name] for name, value in later.items() if name in state.readings
        }
        for name in [name for name, value in values.items() if value < 0]:
            self.unavailable[name] = (
                f"the counter ran backwards, from {state.readings[name]:g} to {later[name]:g}"
            )
            del values[name]
        for name in state.readings.keys() - later.keys():
            self.unavailable.setdefault(name, "it could be read before the job, but not after it")
        values |= self.gauges(state.vantage)
        metrics = [self._metric(name, value) for name, value in values.items()]
        wall_seconds = state.wall_seconds + time.perf_counter() - wall
        cpu_seconds = state.cpu_seconds + time.thread_time() - cpu
        return (*metrics, *self._own_cost(wall_seconds, cpu_seconds))

    def _metric(self, name: str, value: float) -> Metric:
        kind = self.kinds[name]
        return Metric(
            name=name,
            value=value,
            unit=kind.unit,
            direction=kind.direction,
            clock=kind.clock,
            source=self.source,
            error=kind.error,
        )

    def _own_cost(self, wall_seconds: float, cpu_seconds: float) -> tuple[Metric, Metric]:
        return (
            Metric(
                name=f"collector.{self.name}.seconds", value=wall_seconds, unit="s", direction="lower",
                clock="host-monotonic", source=self.name,
            ),
            Metric(
                name=f"collector.{self.name}.cpu", value=cpu_seconds, unit="s", direction="lower",
                clock="cpu-time", source=self.name,
            ),
        )  # fmt: skip

    def read_if(self, path: Path, what: str) -> str | None:
        """The file's text, or ``None`` and a reason under ``what``."""
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            self.unavailable[what] = f"{path}: {error.strerror}"
            return None

    def read(self, path: Path, what: str) -> str:
        """As :meth:`read_if`, for readers to whom an empty file tells as little as none."""
        return self.read_if(path, what) or ""


def flat_keyed(text: str) -> dict[str, int]:
    """``key value`` lines, as in ``cpu.stat``; lines of another form are left out."""
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if value.strip().isdecimal():
            found[key.rstrip(":")] = int(value)
    return found


def whole_number(text: str) -> int | None:
    """The only number of a file, or nothing."""
    text = text.strip()
    return int(text) if text.isdecimal() else None
