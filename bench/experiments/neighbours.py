"""``neighbours-*``: measure what a busy neighbour costs: a victim in one place, a stressor in another.

Two victims: one is bound by throughput (arithmetic, :mod:`tare.bench.workloads.work`), one by latency (round trips of one
byte over the place's loopback interface). Six stressors, by stress-ng: CPU, memory bandwidth, a memory hog, forks, disk and
network. Each is bounded by its own arguments, whatever the place's limits: so many processes, so many bytes, a minute at
most. So none harms the host, also where places limit nothing. The memory hog and the forks are let loose in contained places
only, all the same: in guests, and where a cgroup limits memory and processes; never on bare metal.

Both places are of the same runner. ``neighbours-*-in-RUNNER`` are the same with the stressor in a place of that runner,
whatever the victim's is: pairs of different kinds, where ``-k`` asks for them.

Each pair is measured twice. *Apart*: victim and stressor have CPUs of their own (cpusets). *Shared*: both may use all CPUs,
as without limits. The victim runs alone and beside the stressor in turn, and the slowdown is the ratio of the two: 1 is
perfect independence. The known answer is a CPU stressor apart: it shares nothing with the victim but the host's caches and
clock speed, so its slowdown is near 1; shared, it takes a part of the victim's CPUs.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench.experiments.applications.cpus import keep_apart
from tare.bench.experiments.base import Experiment, Findings
from tare.bench.measurable import Unsuitable, allowed_cpus
from tare.bench.workloads import work
from tare.bench.workloads.base import metric
from tare.results.record import BASE
from tare.results.said import say
from tare.runners.errors import Missing, TareError
from tare.runners.inside import image_files, net
from tare.runners.model import Job
from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tare.bench.experiments.base import Lab
    from tare.bench.measurable import FromMode, Terms
    from tare.results.record import Metric
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Limits, Place

FAMILY, PAIRS = "neighbours", "neighbour-pairs"
"""Families: of places of the same runner, and of different ones."""
ROUNDS = 3
"""Pairs of alone and beside in one trial and at one kind of limits."""
SETTLE_SECONDS = 0.3
"""Time for stress-ng to make its processes and to be busy."""
MOST_SECONDS = 60
"""Time after which a stressor ends by itself."""
ITERATIONS = 60_000_000
"""Work of the throughput victim: about a tenth of a second."""
TRIPS = 3000
HOG_SHARE = 0.6
"""Part of the place's memory that the memory hog fills."""
_TIMEOUT_SECONDS = 60.0
_CAP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Stressor:
    """Describe the load that one neighbour puts on the host."""

    name: str
    summary: str
    options: Callable[[int, Limits], tuple[str, ...]]
    """Function of the number of CPUs and the place's limits that gives stress-ng's options."""
    contained: bool = False
    """Let loose only where a cgroup, or a guest's kernel, holds it."""


STRESSORS = (
    Stressor("cpu", "arithmetic on every CPU", lambda cpus, _limits: ("--cpu", str(cpus))),
    Stressor("bandwidth", "a stream through memory on every CPU", lambda cpus, _limits: ("--stream", str(cpus))),
    Stressor(
        "memory", "a process that fills and walks most of the place's memory",
        lambda _cpus, limits: ("--vm", "1", "--vm-keep", "--vm-bytes", str(round(limits.memory_bytes * HOG_SHARE))),
        contained=True,
    ),
    Stressor(
        "forks", "processes that fork without a pause, 16 each at once",
        lambda cpus, _limits: ("--fork", str(cpus), "--fork-max", "16"),
        contained=True,
    ),
    Stressor("disk", "writes of 64 MiB on the scratch folder", lambda *_: ("--hdd", "1", "--hdd-bytes", "64m")),
    Stressor("network", "TCP within its own place on every CPU", lambda cpus, _limits: ("--sock", str(cpus))),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Neighbours(Experiment):
    """Measure both victims beside one stressor."""

    stressor: Stressor
    neighbour: str = ""
    """Name of the runner of the stressor's place; empty: the victim's own."""
    family: str = FAMILY
    from_mode: FromMode = "rigorous"
    programs: tuple[str, ...] = ("stress-ng",)

    @property
    def name(self) -> str:  # type: ignore[override]  # made of the stressor's
        """Return ``neighbours-`` and the stressor's name, and where it is if that is told."""
        return f"neighbours-{self.stressor.name}" + (f"-in-{self.neighbour}" if self.neighbour else "")

    @property
    def summary(self) -> str:  # type: ignore[override]
        """Return one line that names the stressor."""
        if self.neighbour:
            return say(
                "workload.neighbour_in", "slowdown beside a neighbour in {runner}, with CPUs of its own and without: {load}",
                runner=self.neighbour, load=self.stressor.summary,
            )  # fmt: skip
        return say(
            "workload.neighbour", "slowdown beside a neighbour, with CPUs of its own and without: {load}",
            load=self.stressor.summary,
        )  # fmt: skip

    @property
    def parameters(self) -> Mapping[str, str]:
        """Return the stressor and, where it is told, its place's runner: the identity."""
        where = {"neighbour": self.neighbour} if self.neighbour else {}
        return {"stressor": self.stressor.name, **where}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse pairs that are none, and stressors on bare metal that have to be contained."""
        del terms
        if self.neighbour == runner.name:
            raise Unsuitable(
                say("neighbours.own_pair", "{name} is about another runner's neighbours.", name=self.name),
                say(
                    "neighbours.measure_own",
                    "neighbours-{stressor} measures those of the same.",
                    stressor=self.stressor.name,
                ),
            )
        if self.stressor.contained and (self.neighbour or runner.name) == BASE:
            raise Unsuitable(
                say(
                    "neighbours.bare",
                    "the stressor {stressor} is let loose in contained places only, and bare metal is none.",
                    stressor=self.stressor.name,
                ),
                say(
                    "neighbours.measure_contained",
                    "Measure neighbours-{stressor}-in-namespaces.",
                    stressor=self.stressor.name,
                ),
            )

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the programs of both victims into the image."""
        return {**image_files(cache), work.PROGRAM_IN_IMAGE: build(work.SOURCE, cache)}

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for two places at each kind of limits, and the rounds."""
        del job_seconds
        return 4 * opening_seconds + 2 * ROUNDS * (SETTLE_SECONDS + 0.6)

    def perform(self, lab: Lab) -> Findings:
        """Measure the slowdowns apart and shared."""
        cpus = sorted(allowed_cpus(lab.limits))
        if lab.siblings is None or len(cpus) < 2:
            raise Unsuitable(
                say("neighbours.two_cpus", "victim and neighbour need a CPU each."),
                say("remedy.two_cpus", "Give the run two."),
                lasting=True,
            )
        half = len(cpus) // 2
        apart = (_on(lab.limits, cpus[:half]), _on(lab.limits, cpus[half:]))
        both = _on(lab.limits, cpus)
        metrics: list[Metric] = []
        context: dict[str, object] = {}
        for kind, (victims, others) in {"apart": apart, "shared": (both, both)}.items():
            try:
                first = lab.siblings.get(lab.runner.name, lab.image, victims)
                second = lab.siblings.get(self.neighbour or lab.runner.name, lab.image, others)
            except Missing as error:
                raise Unsuitable(error.reason, error.remedy, lasting=True) from error
            with first.open() as victim, second.open() as other:
                self._require_limits(other, second)
                in_force = keep_apart(other, victim, others, victims)
                context = {**victim.context, "victim_cpus": in_force} if kind == "apart" else context
                rounds = [self._round(victim, other, lab.image, others) for _ in range(ROUNDS)]
            metrics += _slowdowns(kind, rounds)
        return Findings(metrics=tuple(metrics), context=context)

    def _require_limits(self, other: Place, runner: Runner) -> None:
        """Refuse a place that does not hold a stressor which has to be held; a guest holds it by its own kernel."""
        held = other.context.get("memory_limit_by"), other.context.get("pids_limit_by")
        if self.stressor.contained and runner.accelerator == "none" and held != ("cgroup", "cgroup"):
            raise Unsuitable(
                say(
                    "neighbours.no_cgroup",
                    "the stressor {stressor} is let loose only where a cgroup limits memory and processes, and in {label} none does here.",
                    stressor=self.stressor.name,
                    label=runner.label,
                ),
                say("neighbours.root_or_guest", "Run as root, or put the stressor into a guest."),
                lasting=True,
            )

    def _round(self, victim: Place, other: Place, image: Image, limits: Limits) -> dict[str, float]:
        """Measure both victims alone and beside the stressor; return the ratios by victim."""
        alone = dict(_victims(victim))
        service = other.start(self._job(other, image, limits))
        try:
            service.wait_for(lambda _one: False, SETTLE_SECONDS)
            beside = dict(_victims(victim))
            if ended := service.look():
                raise TareError(
                    say(
                        "neighbours.stressor_ended",
                        "the stressor {name} ended: {ended}",
                        name=self.stressor.name,
                        ended=ended,
                    )
                )
        finally:
            service.stop()
        return {name: beside[name] / alone[name] for name in alone}

    def _job(self, place: Place, image: Image, limits: Limits) -> Job:
        """Make the stressor's job, which is bounded in every way."""
        argv = image.argv(
            place.root, "stress-ng", *self.stressor.options(len(limits.cpuset), limits),
            *("--timeout", f"{MOST_SECONDS}s", "--temp-path", place.scratch, "--quiet"),
        )  # fmt: skip
        return Job(
            argv, image.environ(place.root, "stress-ng"), directory=place.scratch, output_limit_bytes=4096
        )


def _on(limits: Limits, cpus: list[int]) -> Limits:
    """Return limits of a place that has these CPUs and no other limit on its CPU time."""
    return replace(limits, cpus=len(cpus), cpuset=tuple(cpus))


def _victims(place: Place) -> Iterator[tuple[str, float]]:
    """Run both victims; yield the seconds that the work took, and the 99th percentile of the round trips."""
    began = time.monotonic()
    program = f"{place.root.rstrip('/')}{work.PROGRAM_IN_IMAGE}"
    result = place.run(Job((program, str(ITERATIONS)), timeout_seconds=_TIMEOUT_SECONDS))
    if result.exit_code != 0:
        raise TareError(
            say(
                "neighbours.victim_failed",
                "the victim failed after {monotonic} s: {error}",
                monotonic=f"{time.monotonic() - began:.1f}",
                error=result.error or result.exit_code,
            )
        )
    yield "throughput", result.inside_seconds
    amount = net.Amount(TRIPS, _CAP_SECONDS, _TIMEOUT_SECONDS)
    found = net.answer("latency", place.run(net.loopback_job(place, "latency", amount)))
    yield "latency", found["p99_ns"] / 1e9


def _slowdowns(kind: str, rounds: list[dict[str, float]]) -> list[Metric]:
    """Return the median of the rounds' ratios for each victim; that of the throughput victim apart is judged."""
    return [
        metric(
            f"neighbours.{victim}.{kind}", statistics.median(one[victim] for one in rounds), "ratio", "lower", "tare",
            primary=(victim, kind) == ("throughput", "apart"), samples=len(rounds),
        )
        for victim in ("throughput", "latency")
    ]  # fmt: skip


PAIRED = ("bare", "namespaces", "qemu-microvm")
"""Runners of the stressor's place in pairs of different runners: one for each kind of place."""

NEIGHBOURS = (
    *(Neighbours(one, from_mode="default" if one.name == "cpu" else "rigorous") for one in STRESSORS),
    *(
        Neighbours(one, neighbour, PAIRS, "named")
        for neighbour in PAIRED
        for one in STRESSORS
        if not (one.contained and neighbour == BASE)
    ),
)
