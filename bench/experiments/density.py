"""``density``: count the idle places that fit into an amount of memory, and measure what one more costs.

Places are opened one after the other and left idle, until the memory budget, the number of places or the time is used
up. At every power of two, and at the end, their memory is read from outside: PSS of their processes, a VMM's included;
the charge of their cgroups; the engine's daemons separately. Every start on the way is timed.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tare.bench.experiments import crowd
from tare.bench.experiments.base import Experiment, Findings
from tare.bench.measurable import CrowdSettings
from tare.results.details import DensityDetails
from tare.results.record import Metric
from tare.results.said import say
from tare.runners.collectors.crowd import read_memory
from tare.runners.errors import PlaceFailure, TareError, as_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.bench.experiments.base import Lab
    from tare.bench.measurable import FromMode, Terms
    from tare.results.details import PlacesMemory
    from tare.results.record import Direction
    from tare.runners.context import Runner
    from tare.runners.model import Place

DEFAULT_PLACES = CrowdSettings().most_places
JOB_LENGTHS = 50
"""Longest duration of a ramp, as a multiple of a steady-state job's length."""
LEAST_SECONDS = 10.0
"""Duration that a ramp may always take."""

RESERVE_SHARE = 10
"""Divisor of the available memory that gives the part never touched, whatever the budget is."""

CLOSERS = 8
"""Number of places that are closed at the same time, as a guest takes a while to go."""


@dataclass(slots=True)
class Ramp:
    """Places opened so far, and what was read of them."""

    memory: list[PlacesMemory] = field(default_factory=list)
    """Readings before the first place, at every power of two, and at the end."""
    starts: list[float] = field(default_factory=list)
    """Seconds from request to ready, place by place."""
    places: list[Place] = field(default_factory=list)
    stopped: str = ""
    """Why no further place was opened; empty while the ramp goes on."""
    failure: PlaceFailure | None = None
    """Set if a place could not be opened."""

    def one_more(self) -> float:
        """Return the PSS of one more place in bytes, as far as it is known; 0 before the first was read."""
        last = self.memory[-1] if self.memory else None
        return (last.pss_bytes or 0) / last.places if last and last.places else 0.0


@dataclass(frozen=True, slots=True)
class Density(Experiment):
    """Open idle places until a limit is reached; one ramp a trial."""

    name: str = "density"
    family: str = crowd.FAMILY
    summary: str = "idle places under a memory budget: memory of one more, starts as they get more"
    from_mode: FromMode = "named"

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse a memory budget that this host does not have."""
        del runner
        crowd.budget_bytes(terms.crowd)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for all places, or for the longest ramp."""
        return min(DEFAULT_PLACES * opening_seconds, _most_seconds(job_seconds)) + opening_seconds

    def perform(self, lab: Lab) -> Findings:
        """Open the places, read their memory and close them again."""
        ramp = Ramp()
        budget = crowd.budget_bytes(lab.crowd)
        with ExitStack() as stack:
            try:
                climb(ramp, lab, budget, stack)
            finally:
                _close(ramp.places)
            context = dict(ramp.places[0].context) if ramp.places else {}
            error = max((place.clock_error for place in ramp.places), default=0.0)
        return Findings(
            metrics=_metrics(ramp, error),
            context=context,
            clock_error=error,
            details=DensityDetails(
                budget_bytes=budget,
                stopped=ramp.stopped,
                memory=tuple(ramp.memory),
                start_seconds=tuple(round(seconds, 6) for seconds in ramp.starts),
            ),
            failure=ramp.failure,
        )


def climb(ramp: Ramp, lab: Lab, budget: int, stack: ExitStack) -> None:
    """Open places, each of which ``stack`` will close, until something is used up or a place cannot be opened."""
    kind = lab.runner.name.partition(":")[0]
    most = lab.crowd.most_places
    began = time.monotonic()
    available = crowd.available_bytes()

    def memory() -> PlacesMemory:
        return read_memory([place.vantage for place in ramp.places], lab.context.run, kind)

    ramp.memory.append(memory())  # of no place: what is there anyway
    while not ramp.stopped:
        n = len(ramp.places)
        used = available - crowd.available_bytes()
        if n >= most:
            ramp.stopped = say(
                "density.most", "{most} places are open, the most that was asked for", most=most
            )
        elif time.monotonic() - began > _most_seconds(lab.job_seconds):
            ramp.stopped = say(
                "density.time", "{seconds} s have passed", seconds=f"{_most_seconds(lab.job_seconds):g}"
            )
        elif n and ramp.one_more() * (n + 1) > budget:
            ramp.stopped = say(
                "density.budget",
                "one more would exceed the memory budget of {budget}",
                budget=crowd.mib(budget),
            )
        elif used > min(2 * budget, available - available // RESERVE_SHARE):
            ramp.stopped = say(
                "density.host", "the host has {used} less available than before", used=crowd.mib(used)
            )
        else:
            _one_more(ramp, lab, stack)
            n = len(ramp.places)
            if n & (n - 1) == 0 and not ramp.stopped:
                ramp.memory.append(memory())
    if len(ramp.places) > ramp.memory[-1].places:
        ramp.memory.append(memory())


def _most_seconds(job_seconds: float) -> float:
    return max(LEAST_SECONDS, JOB_LENGTHS * job_seconds)


def _one_more(ramp: Ramp, lab: Lab, stack: ExitStack) -> None:
    try:
        place = stack.enter_context(lab.runner.open())
    except (TareError, OSError) as error:
        cause = as_failure(error)
        n = len(ramp.places) + 1
        ramp.stopped = say(
            "density.failed", "place {n} could not be opened: {reason}", n=n, reason=cause.reason
        )
        ramp.failure = PlaceFailure(ramp.stopped, remedy=cause.remedy, log=cause.log)
        return
    ramp.places.append(place)
    ramp.starts.append((place.timeline["ready"] - place.timeline["requested"]) / 1e9)


def _close(places: Sequence[Place]) -> None:
    """Close several at a time. After an error the stack closes the rest, one by one."""
    if places:
        with ThreadPoolExecutor(min(CLOSERS, len(places)), thread_name_prefix="tare-close") as pool:
            list(pool.map(lambda place: place.close(), places))


def _metrics(ramp: Ramp, clock_error: float) -> tuple[Metric, ...]:
    """Make metrics of the last reading, as differences to the first one."""
    n = len(ramp.places)
    if n == 0:
        return ()
    none, last = ramp.memory[0], ramp.memory[-1]
    found = [Metric(name="density.places", value=n, unit="count", direction="none", source="density")]

    def size(name: str, value: float | None, direction: Direction = "none", *, primary: bool = False) -> None:
        if value is not None:
            found.append(
                Metric(
                    name=name, value=value, unit="bytes", direction=direction, source="density", samples=n,
                    primary=primary,
                )
            )  # fmt: skip

    size("density.pss", None if last.pss_bytes is None else last.pss_bytes / n, "lower", primary=True)
    size("density.cgroups", None if last.cgroups_bytes is None else last.cgroups_bytes / n, "lower")
    # Other processes of this host take and give memory, so these differences are recorded and not judged.
    size("density.attendants", _growth(none.attendants_bytes, last.attendants_bytes, n))
    size("density.daemons.idle", none.daemons_bytes)
    size("density.daemons", _growth(none.daemons_bytes, last.daemons_bytes, n))
    size("density.host", (none.available_bytes - last.available_bytes) / n)
    clock = "guest-mapped" if clock_error else "host-monotonic"
    half = max(1, n // 4)
    for name, part in (("first", ramp.starts[:half]), ("last", ramp.starts[-half:])):
        found.append(
            Metric(
                name=f"density.start.{name}_quarter", value=statistics.median(part), unit="s", direction="lower",
                clock=clock, source="density", samples=len(part), error=clock_error or None,
            )
        )  # fmt: skip
    return tuple(found)


def _growth(before: int | None, after: int | None, places: int) -> float | None:
    """Return the growth in bytes per place; ``None`` if either reading is missing."""
    return None if before is None or after is None else (after - before) / places
