"""``work``: do a known amount of arithmetic, or the same with a known share more, for calibrations.

It is not among the suite's workloads: it tests the judgement, not the places.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tare.bench.workloads.base import Workload, job_timeout, metric, number
from tare.results.record import COMMAND_TIME
from tare.results.said import say
from tare.runners.model import Job
from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

SOURCE = Path(__file__).with_name("work.c")
PROGRAM_IN_IMAGE = "/usr/bin/tare-work"
ITERATIONS = 12_000_000
"""Iterations of the base level: some 20 ms on an ordinary core."""


@dataclass(frozen=True, slots=True)
class Work(Workload):
    """Do :data:`ITERATIONS`, and ``share`` more."""

    name: str
    share: float = 0.0
    """Additional work relative to :data:`ITERATIONS`."""
    family: str = "calibration"
    programs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:  # type: ignore[override]  # made of the fields
        """Return one line that says what is run."""
        return say("workload.iterations", "{n} iterations of integer arithmetic", n=self.iterations)

    @property
    def iterations(self) -> int:
        """Return the number of iterations, the share included."""
        return round(ITERATIONS * (1 + self.share))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the number of iterations, by which levels differ."""
        return {"iterations": self.iterations}

    def files(self, cache: Path) -> dict[str, Path]:
        """Compile the program: path in the image → file of the host."""
        return {PROGRAM_IN_IMAGE: build(SOURCE, cache)}

    def job(self, site: Site, seconds: float) -> Job:
        """Make the same job everywhere, whatever length is wanted."""
        program = str(PurePosixPath(site.root) / PROGRAM_IN_IMAGE.lstrip("/"))
        return Job(argv=(program, str(self.iterations)), timeout_seconds=job_timeout(seconds))

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the seconds from the process's birth to its reaping, as for any command."""
        seconds = number(self.name, "duration", result.inside_seconds, result.stderr)
        return (metric(COMMAND_TIME, seconds, "s", "lower", "agent", primary=True),)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Take 20 ms on an ordinary core, whatever length is wanted."""
        del opening_seconds, job_seconds
        return 0.02
