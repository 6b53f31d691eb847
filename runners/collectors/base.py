"""Define the protocol of collectors, and turn their counters into metrics.

A collector reads before and after a job; a metric is the difference, or for a gauge the later reading. A counter that
cannot be read, or that ran backwards, gives no metric and never a zero: :attr:`Collector.unavailable` has the reason.
The cost of the collector itself is a metric, too.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from tare.results.record import Metric
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Direction
    from tare.runners.model import Vantage

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
"""Resolution of the CPU times that the kernel prints in ticks (proc_pid_stat(5), proc_stat(5))."""


_ROOT = Path("/")
_READ_BYTES = 1 << 16


class State(msgspec.Struct, frozen=True):
    """The readings of a collector before the job."""

    vantage: Vantage
    readings: Mapping[str, float]
    wall_seconds: float
    """Wall time spent on reading so far."""
    cpu_seconds: float
    """CPU time spent on reading so far."""


class Collector(Protocol):
    """An observer of what a trial costs, from outside its place."""

    @property
    def name(self) -> str:
        """First part of its metrics' names."""

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Metric or source → reason why there is no number."""

    def begin(self, vantage: Vantage) -> State:
        """Read before the job; return the readings."""

    def end(self, state: State) -> tuple[Metric, ...]:
        """Read after the job; return the metrics."""


class Kind(msgspec.Struct, frozen=True):
    """The meaning of one of a collector's numbers."""

    unit: str
    direction: Direction = "lower"
    clock: str = ""
    """Clock of a time, see :class:`~tare.results.record.Metric`."""
    error: float | None = None
    """Bound on the error, in the unit; ``None``: negligible."""
    gauge: bool = False
    """The number is the later reading, not the difference of the two."""


CPU_NS = Kind("s", clock="cpu-time")
CPU_TICKS = Kind("s", clock="cpu-time", error=TICK_SECONDS)
BYTES = Kind("bytes")
COUNT = Kind("count")
BYTES_GAUGE = Kind("bytes", gauge=True)


@dataclass(slots=True)
class CounterCollector(ABC):
    """A collector that reads files below :attr:`root`, which only tests set to something else."""

    root: Path = Path("/")
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    @abstractmethod
    def name(self) -> str:
        """First part of its metrics' names."""

    @property
    @abstractmethod
    def kinds(self) -> Mapping[str, Kind]:
        """Name → kind of all numbers that it may give."""

    @abstractmethod
    def counters(self, vantage: Vantage) -> dict[str, float]:
        """Read the counters; for those that cannot be read, put the reason into :attr:`unavailable`."""

    @property
    def source(self) -> str:
        """Source that its metrics name in the record."""
        return self.name

    def gauges(self, vantage: Vantage) -> dict[str, float]:  # noqa: ARG002 - most have none
        """Read the gauges, after the job only."""
        return {}

    def begin(self, vantage: Vantage) -> State:
        """Read before the job; return the readings."""
        wall, cpu = time.perf_counter(), time.thread_time()
        readings = self.counters(vantage)
        return State(vantage, readings, time.perf_counter() - wall, time.thread_time() - cpu)

    def end(self, state: State) -> tuple[Metric, ...]:
        """Read after the job; return the metrics, and the cost of both readings."""
        wall, cpu = time.perf_counter(), time.thread_time()
        later = self.counters(state.vantage)
        values = {
            name: value - state.readings[name] for name, value in later.items() if name in state.readings
        }
        for name in [name for name, value in values.items() if value < 0]:
            self.unavailable[name] = say(
                "collector.backwards",
                "the counter ran backwards, from {readings} to {later}",
                readings=f"{state.readings[name]:g}",
                later=f"{later[name]:g}",
            )
            del values[name]
        for name in state.readings.keys() - later.keys():
            self.unavailable.setdefault(
                name, say("collector.only_before", "it could be read before the job, but not after it")
            )
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

    def below(self, path: str) -> str:
        """Return the path of a file below :attr:`root`, as text: joining paths costs more than reading /proc."""
        return f"{'' if self.root == _ROOT else self.root}/{path}"

    def read_if(self, path: Path | str, what: str) -> str | None:
        """Read a file; ``None``, and a reason under ``what``, if that fails."""
        try:
            return read_bytes(path).decode("utf-8", "replace")
        except OSError as error:
            self.unavailable[what] = say(
                "collector.file", "{path}: {strerror}", path=path, strerror=error.strerror
            )
            return None

    def read(self, path: Path | str, what: str) -> str:
        """Read a file as :meth:`read_if` does, but give an empty text if that fails."""
        return self.read_if(path, what) or ""


def read_bytes(path: Path | str) -> bytes:
    """Read a file of the kernel's with as few steps as possible; they are read many times in each trial."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.read(file, _READ_BYTES)
        part = found
        while part:
            part = os.read(file, _READ_BYTES)
            found += part
        return found
    finally:
        os.close(file)


def flat_keyed(text: str) -> dict[str, int]:
    """Parse lines of the form ``key value``, as in ``cpu.stat``; other lines are left out."""
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if value.strip().isdecimal():
            found[key.rstrip(":")] = int(value)
    return found


def whole_number(text: str) -> int | None:
    """Parse the text of a file with a single number; ``None`` if it is none."""
    text = text.strip()
    return int(text) if text.isdecimal() else None
