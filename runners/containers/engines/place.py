"""Make a place by an engine's client, and ask the engine afterwards about the phases of making and removing it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.record import Metric
from tare.runners.containers.engines.phases import WallClock, phase_metrics
from tare.runners.containers.engines.usage import cpu_metric, cpu_seconds
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.model import Endpoint
from tare.runners.places.commanded import CommandedPlace
from tare.runners.places.endpoint import LOCALHOST

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
    """Questions that an engine answers about one of its places."""

    events: Callable[[float, float], list[tuple[str, int]]]
    """Lists the place's events between two times in seconds since the epoch, in the form that
    :func:`~tare.runners.containers.engines.phases.phase_metrics` takes."""
    source: str
    """Where the events come from, for metrics."""
    daemons: tuple[Path, ...] = ()
    """Cgroups of the engine's daemons; empty: their CPU time is not known."""
    ailing: Callable[[], tuple[str, str] | None] = lambda: None
    """Called when a place was lost: returns what is wrong with the engine and a remedy, ``None`` if it answers."""
    linger: Callable[[], None] | None = None
    """Waits for processes that outlive the client; ``None``: there are none."""
    address: Callable[[], str] = str
    """Asks for the place's IPv4 address on the engine's bridge; empty: it has none, or the engine cannot say."""
    cgroup: str = ""
    """Cgroups that the engine gives its places, for those that end before they can be looked up."""


class EnginePlace(CommandedPlace):
    """See :class:`tare.runners.model.Place`. Cold starts have the engine's phases and daemons' CPU time as metrics."""

    def __init__(self, plan: CommandPlan, first: Job | None, observer: Observer) -> None:
        self._observer = observer
        self._clock = WallClock.read()
        self._cpu = cpu_seconds(observer.daemons)
        super().__init__(plan, first)

    @property
    def cgroup(self) -> Cgroup | None:
        """Cgroups into which the engine put the place, and the limits read back from them."""
        return self._cgroup

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        cgroup, words = super()._make_cgroup()
        return cgroup, self._observer.cgroup or words

    def _log(self) -> str:
        """Drop the lines that only point to a manual, with which Docker's client ends."""
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

    def endpoint(self, port: int) -> Endpoint | None:
        """See :class:`tare.runners.model.Place`.

        The agent is the first process of its place and lets nobody look into it, so root's engine is asked on behalf of an
        ordinary user. Whoever is asked may reach the bridge if that is in the host's own network.
        """
        found = super().endpoint(port)
        if found is None and self.host_address == LOCALHOST:
            return Endpoint(LOCALHOST, port, "host", from_places=(LOCALHOST, port))
        if found is None and self._bridge_network == "" and (address := self._observer.address()):
            return Endpoint(address, port, "bridge", from_places=(address, port))
        return found

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
        # Read the CPU time first: asking for events costs the daemon some that is not the place's.
        cpu = cpu_metric(self._cpu, cpu_seconds(observer.daemons))
        since, until = ((self.timeline[mark] - now.offset_ns) / 1e9 for mark in ("requested", "gone"))
        try:
            events = observer.events(since - 1.0, until + 1.0)
        except TareError:  # the engine died meanwhile, which the trial's outcome shows
            events = []
        phases = phase_metrics(self.timeline, events, (self._clock, now), observer.source)
        self.metrics = (*phases, *settled, *cpu)


def _settled(seconds: float) -> Metric:
    """Measure from the client's end to that of the last process it left behind."""
    return Metric(name="engine.settle", value=seconds, unit="s", direction="lower", clock="host-monotonic",
                  source="processes that outlived the client")  # fmt: skip
