"""``null``: nothing is run, so what is measured is the place being made and torn down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult


@dataclass(frozen=True, slots=True)
class Null:
    """The null job, in a place of its own. Its metrics come from the timeline, see :mod:`tare.bench.campaign.launch_metrics`."""

    name: str = "null"
    family: str = "startup"
    summary: str = "launch a place, run nothing, tear it down"
    programs: tuple[str, ...] = ()
    cold: bool = True

    @property
    def parameters(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def job(self, site: Site, seconds: float) -> Job:  # noqa: ARG002 - the same everywhere, of no length
        """The null job: the agent answers it itself."""
        return Job()

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:  # noqa: ARG002
        """None: there is no output."""
        return ()

    def nominal_seconds(self, seconds: float) -> float:  # noqa: ARG002
        """Nothing beyond the launch itself."""
        return 0.0
