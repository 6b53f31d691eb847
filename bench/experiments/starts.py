"""``starts-N``: N cold starts at once.

N threads prepare a place each and wait for one another; then all launch at the same moment, each through a launcher
process of its own (see :func:`tare.runners.launcher.connection.held_back`), a null job runs, and the places go. Such bursts are
repeated for about the length of a steady-state job, and at least once. The latency of a start is counted from the
moment when its thread handed it over, so waiting for a CPU or a lock of the kernel's is in it.
"""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.bench.experiments import crowd
from tare.bench.experiments.base import Experiment, Findings
from tare.bench.measurable import Unsuitable
from tare.results.details import BurstStart, StartsDetails
from tare.results.record import Metric
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.launcher.connection import held_back
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.bench.experiments.base import Lab
    from tare.bench.measurable import Terms
    from tare.results.record import Direction
    from tare.runners.context import Runner
    from tare.runners.model import Place

COUNTS = (1, 2, 4, 8, 16, 32, 64)

MOST_PER_CPU = 16
MOST_EMULATED_PER_CPU = 2
"""An emulated guest computes for seconds until it is up; more of them would meet their boot's time-out."""

GATE_SECONDS = 120.0
"""For the slowest of a burst to be prepared."""

LEAST_FOR_P99 = 100


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a burst, on the host's ``CLOCK_MONOTONIC`` in ns."""

    asked: int
    """Its thread had everything ready and handed it over."""
    ready: int
    gone: int

    @property
    def latency(self) -> float:
        """Seconds until the agent was ready for jobs."""
        return (self.ready - self.asked) / 1e9


@dataclass(frozen=True, slots=True)
class Burst:
    """What became of N starts at once."""

    starts: tuple[Start, ...]
    failures: tuple[PlaceFailure, ...] = ()
    context: Mapping[str, object] | None = None
    """Of one of the places."""
    clock_error: float = 0.0

    @property
    def span(self) -> float:
        """Seconds from the first that was asked for to the last that was ready."""
        return (max(start.ready for start in self.starts) - min(start.asked for start in self.starts)) / 1e9

    @property
    def spread(self) -> float:
        """Seconds over which the harness itself spread the asking."""
        return (max(start.asked for start in self.starts) - min(start.asked for start in self.starts)) / 1e9


@dataclass(frozen=True, slots=True)
class Starts(Experiment):
    """N at once."""

    count: int
    name: str
    summary: str
    family: str = crowd.FAMILY
    opt_in: bool = True

    @property
    def parameters(self) -> Mapping[str, Any]:
        """How many."""
        return {"at_once": self.count}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """As many as CPUs and memory allow."""
        cpus = crowd.cpus(terms.limits)
        most = cpus * (MOST_EMULATED_PER_CPU if runner.accelerator == "tcg" else MOST_PER_CPU)
        if self.count > most:
            what = "emulated guests" if runner.accelerator == "tcg" else "places"
            raise Unsuitable(
                f"More than {most} {what} at once are too many for {cpus} CPUs.", "use a larger host"
            )
        needed, budget = self.count * crowd.place_bytes(runner, terms.limits), crowd.budget_bytes(terms.crowd)
        if needed > budget:
            raise Unsuitable(
                f"{self.count} at once may need {crowd.mib(needed)}, and the memory budget is {crowd.mib(budget)}.",
                "give a larger --memory-budget, or a smaller --memory to guests",
            )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Bursts for the length of a job, and the one that is on its way then."""
        return job_seconds + opening_seconds * max(1.0, self.count / 2)

    def perform(self, lab: Lab) -> Findings:
        """Bursts, one after the other."""
        bursts: list[Burst] = []
        began = time.monotonic()
        with ThreadPoolExecutor(self.count, thread_name_prefix="tare-start") as pool:
            while not bursts or (time.monotonic() - began < lab.job_seconds and not bursts[-1].failures):
                bursts.append(burst(pool, lab.runner, self.count))
        failures = bursts[-1].failures
        whole = [each for each in bursts if not each.failures]
        failure = failures and PlaceFailure(
            f"{len(failures)} of {self.count} starts at once failed, the first because: {failures[0].reason}",
            remedy=failures[0].remedy,
            log=failures[0].log,
        )
        return Findings(
            metrics=_metrics(whole) if whole else (),
            context={**(bursts[0].context or {}), "launched_by": "a launcher process for each start"},
            clock_error=max(each.clock_error for each in bursts),
            details=StartsDetails(bursts=tuple(_record(each) for each in whole)),
            failure=failure or None,
        )


STARTS = tuple(
    Starts(
        count, f"starts-{count}", f"{count} cold start{'s' if count > 1 else ''} at once: latency and rate"
    )
    for count in COUNTS
)


def burst(pool: ThreadPoolExecutor, runner: Runner, count: int) -> Burst:
    """N starts at once, by N threads of the pool. Returns when all places are gone; raises what a thread may not."""
    gate = threading.Barrier(count, timeout=GATE_SECONDS)

    def start() -> tuple[Start, Place] | PlaceFailure:
        asked: list[int] = []

        def wait() -> None:
            gate.wait()
            asked.append(time.monotonic_ns())

        job = Job()
        try:
            with held_back(wait), runner.open(first=job) as place:
                place.run(job)
        except threading.BrokenBarrierError:
            return PlaceFailure(
                "another start of the same burst failed before they could be launched together"
            )
        except (TareError, OSError) as error:
            gate.abort()
            return error if isinstance(error, PlaceFailure) else PlaceFailure(str(error))
        line = place.timeline
        # A runner that launches nothing itself asks when it says so.
        return Start(asked[0] if asked else line["requested"], line["ready"], line["gone"]), place

    try:
        futures = [pool.submit(start) for _ in range(count)]
        ended = [future.result() for future in futures]
    except BaseException:
        gate.abort()
        raise
    failures = sorted(
        (each for each in ended if isinstance(each, PlaceFailure)),
        key=lambda failure: failure.reason.startswith("another start"),
    )
    made = [each for each in ended if not isinstance(each, PlaceFailure)]
    return Burst(
        tuple(found for found, _place in made),
        tuple(failures),
        made[0][1].context if made else None,
        max((place.clock_error for _found, place in made), default=0.0),
    )


def _metrics(bursts: Sequence[Burst]) -> tuple[Metric, ...]:
    latencies = sorted(start.latency for each in bursts for start in each.starts)
    n = len(latencies)
    error = max(each.clock_error for each in bursts)
    spans = sum(each.span for each in bursts)
    ends = [(start.gone - start.asked) / 1e9 for each in bursts for start in each.starts]

    def seconds(
        name: str, value: float, *, samples: int = n, mapped: bool = True, primary: bool = False
    ) -> Metric:
        clock = "guest-mapped" if error and mapped else "host-monotonic"
        return Metric(
            name=name, value=value, unit="s", direction="lower", clock=clock, source="starts",
            error=error if error and mapped else None, samples=samples, primary=primary,
        )  # fmt: skip

    def plain(name: str, value: float, unit: str, direction: Direction, samples: int) -> Metric:
        return Metric(
            name=name, value=value, unit=unit, direction=direction, clock="host-monotonic", source="starts",
            samples=samples,
        )  # fmt: skip

    found = [
        seconds("starts.latency", statistics.median(latencies), primary=True),
        seconds("starts.latency.slowest", latencies[-1]),
        seconds("starts.total", statistics.median(ends), mapped=False),
        plain("starts.rate", n / spans, "ops/s", "higher", n),
        plain("starts.in_flight", sum(latencies) / spans, "count", "none", n),
        Metric(
            name="starts.harness.spread", value=statistics.median(each.spread for each in bursts), unit="s",
            direction="none", clock="host-monotonic", source="starts", samples=len(bursts),
        ),
    ]  # fmt: skip
    if n >= LEAST_FOR_P99:
        found.append(seconds("starts.latency.p99", statistics.quantiles(latencies, n=100)[98]))
    return tuple(found)


def _record(each: Burst) -> tuple[BurstStart, ...]:
    """Make the record of a burst, whose clock begins when the first start was asked for."""
    zero = min(start.asked for start in each.starts)
    return tuple(
        BurstStart(start.asked - zero, start.ready - zero, start.gone - zero) for start in each.starts
    )
