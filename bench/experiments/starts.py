"""``starts-N``: measure N cold starts at once.

N threads prepare a place each and wait for one another; then all launch at the same moment, each through a launcher
process of its own (see :func:`tare.runners.launcher.connection.held_back`), a null job runs, and the places are torn
down. Such bursts are repeated for about the length of a steady-state job, and at least once. The latency of a start is
counted from the moment when its thread handed it over, so it includes waiting for a CPU or for a kernel lock.
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
from tare.results.said import say
from tare.results.statistics import phrases
from tare.runners.errors import PlaceFailure, TareError, as_failure
from tare.runners.launcher.connection import held_back
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.bench.experiments.base import Lab
    from tare.bench.measurable import FromMode, Terms
    from tare.results.record import Direction
    from tare.runners.context import Runner
    from tare.runners.model import Place

COUNTS = (1, 2, 4, 8, 16, 32, 64)

MOST_PER_CPU = 16
"""Places at once for each CPU of the host, unless they are emulated guests."""
MOST_EMULATED_PER_CPU = 2
"""Emulated guests at once for each CPU. One computes for seconds while it boots; more would run into its time-out."""

GATE_SECONDS = 120.0
"""Time-out for all threads of a burst to have their places prepared."""

LEAST_FOR_P99 = 100
"""Starts below which no 99th percentile is given."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a burst. Moments are on the host's ``CLOCK_MONOTONIC``, in ns."""

    asked: int
    """Its thread had everything ready and handed the launch over."""
    ready: int
    """Its agent was ready for jobs."""
    gone: int
    """Its place was torn down."""

    @property
    def latency(self) -> float:
        """Return the seconds until the agent was ready for jobs."""
        return (self.ready - self.asked) / 1e9


@dataclass(frozen=True, slots=True)
class Burst:
    """N starts at once: those that succeeded, and the failures."""

    starts: tuple[Start, ...]
    failures: tuple[PlaceFailure, ...] = ()
    context: Mapping[str, object] | None = None
    """Context of one of the places; ``None`` if all failed."""
    clock_error: float = 0.0
    """Largest bound in seconds on marks from guests' clocks; 0 where the host's was read."""

    @property
    def span(self) -> float:
        """Return the seconds from the first launch that was handed over to the last place that was ready."""
        return (max(start.ready for start in self.starts) - min(start.asked for start in self.starts)) / 1e9

    @property
    def spread(self) -> float:
        """Return the seconds over which the harness itself spread the launches."""
        return (max(start.asked for start in self.starts) - min(start.asked for start in self.starts)) / 1e9


@dataclass(frozen=True, slots=True)
class Starts(Experiment):
    """Measure bursts of ``count`` cold starts at once."""

    count: int
    name: str
    summary: str
    family: str = crowd.FAMILY
    from_mode: FromMode = "named"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the number of starts at once."""
        return {"at_once": self.count}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse more starts than CPUs and memory allow."""
        cpus = crowd.cpus(terms.limits)
        most = cpus * (MOST_EMULATED_PER_CPU if runner.accelerator == "tcg" else MOST_PER_CPU)
        if self.count > most:
            emulated = runner.accelerator == "tcg"
            what = say("starts.emulated", "emulated guests") if emulated else say("starts.places", "places")
            raise Unsuitable(
                say(
                    "starts.too_many",
                    "More than {most} {word} at once are too many for {cpus} CPUs.",
                    most=most,
                    word=what,
                    cpus=cpus,
                ),
                say("remedy.larger_host", "use a larger host"),
            )
        needed, budget = self.count * crowd.place_bytes(runner, terms.limits), crowd.budget_bytes(terms.crowd)
        if needed > budget:
            raise Unsuitable(
                say(
                    "starts.memory",
                    "{count} at once may need {needed}, and the memory budget is {budget}.",
                    count=self.count,
                    needed=crowd.mib(needed),
                    budget=crowd.mib(budget),
                ),
                say("remedy.memory_budget", "give a larger --memory-budget, or a smaller --memory to guests"),
            )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for bursts as long as a job, and for the one that is under way then."""
        return job_seconds + opening_seconds * max(1.0, self.count / 2)

    def perform(self, lab: Lab) -> Findings:
        """Measure bursts, one after the other."""
        bursts: list[Burst] = []
        began = time.monotonic()
        with ThreadPoolExecutor(self.count, thread_name_prefix="tare-start") as pool:
            while not bursts or (time.monotonic() - began < lab.job_seconds and not bursts[-1].failures):
                bursts.append(burst(pool, lab.runner, self.count))
        failures = bursts[-1].failures
        whole = [each for each in bursts if not each.failures]
        failure = failures and PlaceFailure(
            say(
                "starts.failed",
                "{failed} of {count} starts at once failed, the first because: {reason}",
                failed=len(failures),
                count=self.count,
                reason=failures[0].reason,
            ),
            remedy=failures[0].remedy,
            log=failures[0].log,
        )
        return Findings(
            metrics=_metrics(whole) if whole else (),
            context={
                **(bursts[0].context or {}),
                "launched_by": say("starts.launchers", "a launcher process for each start"),
            },
            clock_error=max(each.clock_error for each in bursts),
            details=StartsDetails(bursts=tuple(_record(each) for each in whole)),
            failure=failure or None,
        )


STARTS = tuple(
    Starts(
        count,
        f"starts-{count}",
        say(
            "workload.starts", "{starts} at once: latency and rate", starts=phrases.count(count, "cold start")
        ),
    )
    for count in COUNTS
)


def burst(pool: ThreadPoolExecutor, runner: Runner, count: int) -> Burst:
    """Start ``count`` places at once, by threads of the pool, and wait until all are torn down.

    Re-raises unexpected errors from the threads; a start that fails is part of the burst.
    """
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
                say(
                    "starts.another_failed",
                    "another start of the same burst failed before they could be launched together",
                )
            )
        except (TareError, OSError) as error:
            gate.abort()
            return as_failure(error)
        line = place.timeline
        # A runner that does not launch through the launcher is never held back: its own mark has to do.
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
