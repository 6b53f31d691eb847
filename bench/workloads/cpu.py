"""``cpu`` and ``cpu-all``: measure integer arithmetic without system calls, with sysbench's prime search.

User-mode work that the hypervisor or kernel hardly sees: a box that costs something here has stolen CPU time,
slowed the clock down or emulates the CPU.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.workloads.base import Workload, amount, cap_seconds, job_timeout, metric, number
from tare.bench.workloads.sysbench import check_printed, find, read_report
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

EVENTS_PER_SECOND = 1200
"""Events per second that one thread of an ordinary core reaches at this limit: 800 to 1,000 on a Xeon at 2.5 GHz, some 3,000 on
cores with a fast divider."""

_PRIME_LIMIT = 10_000
_RATE = re.compile(rb"^ *events per second: +(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cpu(Workload):
    """Run sysbench's CPU test; one event is the search for all primes up to 10,000 by trial division."""

    shortest_seconds: ClassVar[float] = 0.08  # the tool's start takes 10 ms of CPU time
    name: str
    summary: str
    all_cpus: bool
    family: str = "cpu"
    programs: tuple[str, ...] = ("sysbench",)

    @property
    def duet(self) -> Duet:  # type: ignore[override]  # by the number of CPUs
        """Share all CPUs where the job uses all, else one."""
        return "all" if self.all_cpus else "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the limit and the rule for threads, since their number is the place's."""
        return {"threads": "one per CPU" if self.all_cpus else 1, "prime_limit": _PRIME_LIMIT}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of events per thread everywhere."""
        threads = site.cpus if self.all_cpus else 1
        argv = site.image.argv(
            site.root,
            "sysbench",
            "cpu",
            f"--threads={threads}",
            f"--cpu-max-prime={_PRIME_LIMIT}",
            f"--events={amount(EVENTS_PER_SECOND, seconds) * threads}",
            f"--time={cap_seconds(seconds)}",
            "run",
        )
        return Job(
            argv=argv, environ=site.image.environ(site.root, "sysbench"), timeout_seconds=job_timeout(seconds)
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the events per second, and the 95th percentile of an event's time."""
        report = read_report(self.name, result)
        printed = number(self.name, "rate", find(self.name, _RATE, result.stdout)[0], result.stdout)
        check_printed(self.name, printed, report.rate, result.stdout)
        return (
            metric(
                "sysbench.cpu.rate",
                report.rate,
                "ops/s",
                "higher",
                "sysbench",
                primary=True,
                samples=report.events,
            ),
            metric(
                "sysbench.cpu.printed_rate", printed, "ops/s", "higher", "sysbench", samples=report.events
            ),
            metric("sysbench.cpu.p95", report.p95_seconds, "s", "lower", "sysbench", samples=report.events),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the tool's start, some 30 ms."""
        del opening_seconds
        return job_seconds + 0.03
