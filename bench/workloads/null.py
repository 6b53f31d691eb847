"""``null``: run nothing, so that only making and tearing down the place is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tare.bench.workloads.base import Workload
from tare.runners.model import Job

if TYPE_CHECKING:
    from tare.bench.measurable import WorkloadKind
    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult


@dataclass(frozen=True, slots=True)
class Null(Workload):
    """Launch a place of its own for the null job.

    Its metrics come from the timeline, see :mod:`tare.bench.campaign.launch_metrics`.
    """

    kind: ClassVar[WorkloadKind] = "cold"
    name: str = "null"
    family: str = "startup"
    summary: str = "launch a place, run nothing, tear it down"
    programs: tuple[str, ...] = ()

    def job(self, site: Site, seconds: float) -> Job:  # noqa: ARG002 - the same everywhere, of no length
        """Make the null job, which the agent answers itself."""
        return Job()

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:  # noqa: ARG002
        """Return nothing, as there is no output."""
        return ()

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Count the launch alone; the job is nothing."""
        del job_seconds
        return opening_seconds
