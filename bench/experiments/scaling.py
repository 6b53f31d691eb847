"""``scale-N``: measure how much more N busy CPUs of a place do than one.

In one place, one thread searches for primes and then N threads do, each as much as the one before: two jobs in a row,
so that their ratio is free of the host's drift and of what the place costs a single thread. Work without system calls
or shared data scales perfectly on idle CPUs; what is missing was taken by the hypervisor, by a quota, by SMT siblings
and by clocks that slow down when more cores are busy. The last two are the same in every place: compare with ``bare``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.bench.experiments.base import Experiment, Findings
from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import Site, metric
from tare.bench.workloads.cpu import Cpu
from tare.results.details import ScalingDetails
from tare.results.said import say
from tare.results.statistics import phrases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.experiments.base import Lab
    from tare.bench.measurable import FromMode, Terms
    from tare.results.record import Metric
    from tare.runners.context import Runner
    from tare.runners.model import Place

COUNTS = (1, 2, 4, 8, 16, 32, 64)
_ALONE = Cpu("scale", "", all_cpus=False)
_TOGETHER = Cpu("scale", "", all_cpus=True)


@dataclass(frozen=True, slots=True)
class Scale(Experiment):
    """Compare the rate of ``count`` threads with that of one."""

    count: int
    name: str
    summary: str
    family: str = "scaling"
    programs: tuple[str, ...] = _ALONE.programs
    from_mode: FromMode = "named"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the number of threads and the work of each."""
        return {**_ALONE.parameters, "threads": self.count}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse more threads than places have CPUs."""
        del runner
        _check(self.count, terms.limits.cpus)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for a place and two jobs."""
        return opening_seconds + 2 * _ALONE.nominal_seconds(0.0, job_seconds)

    def perform(self, lab: Lab) -> Findings:
        """Run one thread, then ``count`` threads, in one place."""
        with lab.runner.open() as place:
            # A guest's variant may give it other vCPUs than the limits have CPUs.
            vcpus = place.context.get("vcpus")
            _check(self.count, vcpus if isinstance(vcpus, int) else lab.limits.cpus)
            alone = self._rate(lab, place, _ALONE)
            together = alone if self.count == 1 else self._rate(lab, place, _TOGETHER)
            context = dict(place.context)
        speedup = metric(
            "scaling.speedup", together.value / alone.value, "ratio", "higher", "sysbench",
            samples=min(alone.samples, together.samples),
        )  # fmt: skip
        return Findings(
            metrics=(
                _named(together, "scaling.rate", primary=True),
                _named(alone, "scaling.rate_of_one", primary=False),
                speedup,
            ),
            context=context,
            details=ScalingDetails(threads=self.count),
        )

    def _rate(self, lab: Lab, place: Place, work: Cpu) -> Metric:
        site = Site(lab.image, place.root, place.scratch, self.count)
        result = place.run(work.job(site, lab.job_seconds))
        return next(one for one in work.metrics(result) if one.primary)


def _check(count: int, cpus: int) -> None:
    if count > cpus:
        raise Unsuitable(
            say(
                "scaling.too_few",
                "It takes more threads than the {cpus} that a place has.",
                cpus=f"{cpus} CPU{'s' if cpus > 1 else ''}",
            ),
            say("scaling.remedy", "give places more (--cpus N), or take a larger host"),
            lasting=True,
        )


def _named(rate: Metric, name: str, *, primary: bool) -> Metric:
    return metric(
        name, rate.value, rate.unit, rate.direction, rate.source, primary=primary, samples=rate.samples
    )


SCALES = tuple(
    Scale(
        count,
        f"scale-{count}",
        say(
            "workload.scale", "prime search by {threads}, against one", threads=phrases.count(count, "thread")
        ),
    )
    for count in COUNTS
)
