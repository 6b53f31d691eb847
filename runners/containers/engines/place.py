"""A place that an engine makes: a commanded place of which the engine itself has something to tell afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.record import Metric
from tare.runners.containers.engines.phases import WallClock, phase_metrics
from tare.runners.containers.engines.usage import cpu_metric, cpu_seconds
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.places.commanded import CommandedPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.launcher.processes import Spawned
    from tare.runners.model import Job
    from tare.runners.places.commanded import CommandPlan


_POINTERS = ("Run 'docker ", "See 'docker ")


@dataclass(frozen=True, slots=True)
class Observer:
    """What to ask an engine about a place that is gone."""

    events: Callable[[float, float], list[tuple[str, int]]]
    """Its events between two times of the wall clock (s), see :func:`tare.runners.containers.engines.phases.phase_metrics`."""
    source: str
    daemons: tuple[Path, ...] = ()
    """cgroups of its daemons."""
    ailing: Callable[[], tuple[str, str] | None] = lambda: None
    """What is wrong with the engine now, and what to do: asked when a place was lost. ``None``: it answers."""
    linger: Callable[[], None] | None = None
    """Waits until what its client left behind has ended."""
    cgroup: str = ""
    """Which cgroups it gives its places, for those that live too short to be looked at."""


class EnginePlace(CommandedPlace):
    """See :class:`tare.runners.model.Place`. Cold starts get the engine's phases and its daemons' CPU time as metrics."""

    def __init__(self, plan: CommandPlan, first: Job | None, observer: Observer) -> None:
        self._observer = observer
        self._clock = WallClock.read()
        self._cpu = cpu_seconds(observer.daemons)
        super().__init__(plan, first)

    @property
    def cgroup(self) -> Cgroup | None:
        """Where the engine put it and what limits it, as read back from there."""
        return self._cgroup

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        cgroup, words = super()._make_cgroup()
        return cgroup, self._observer.cgroup or words

    def _log(self) -> str:
        """Without the lines that only point to a manual, which Docker's client ends with."""
        lines = super()._log().splitlines()
        return "\n".join(line for line in lines if line.strip() and not line.startswith(_POINTERS))

    def _explained(
        self, failure: PlaceFailure, events: Mapping[str, int], spawned: Spawned | None = None
    ) -> PlaceFailure:
        explained = super()._explained(failure, events, spawned)
        ailing = self._observer.ailing()
        if ailing is None or type(explained) is not PlaceFailure:
            return explained
        reason, remedy = ailing
        return PlaceFailure(f"{reason} ({explained.reason})", remedy=remedy, log=explained.log)

    def close(self) -> None:
        """See :class:`tare.runners.model.Place`."""
        if self._closed:
            return
        super().close()
        observer = self._observer
        settled: tuple[Metric, ...] = ()
        if observer.linger and "gone" in self.timeline:
            observer.linger()
            settled = (_settled((time.monotonic_ns() - self.timeline["gone"]) / 1e9),)
        if not (self._first and "gone" in self.timeline):
            return
        now = WallClock.read()
        # Asking for events costs the daemon time that is not the place's.
        cpu = cpu_metric(self._cpu, cpu_seconds(observer.daemons))
        since, until = ((self.timeline[mark] - now.offset_ns) / 1e9 for mark in ("requested", "gone"))
        try:
            events = observer.events(since - 1.0, until + 1.0)
        except TareError:  # it died meanwhile; the trial's own outcome tells
            events = []
        phases = phase_metrics(self.timeline, events, (self._clock, now), observer.source)
        self.metrics = (*phases, *settled, *cpu)


def _settled(seconds: float) -> Metric:
    """From the client's end to that of the last process that it left behind."""
    return Metric(name="engine.settle", value=seconds, unit="s", direction="lower", clock="host-monotonic",
                  source="processes that outlived the client")  # fmt: skip
