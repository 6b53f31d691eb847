"""``command``: run the user's own command, ``tare run -- CMD ARGS…``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.bench.workloads.base import Workload, metric, number
from tare.results.record import COMMAND_TIME
from tare.runners.images.image import COMMAND
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

FAMILY = "command"


@dataclass(frozen=True, slots=True)
class Command(Workload):
    """Run a program of the host, carried into the image, or one of an image made elsewhere.

    What it prints is not looked at. One that fails is recorded as failed, with the tail of its stderr.
    """

    argv: tuple[str, ...]
    timeout_seconds: float = 300.0
    name: str = "command"
    family: str = FAMILY
    programs: tuple[str, ...] = ()
    """Empty: the image is built with the command itself."""
    program: str = COMMAND
    """Name of the command in the image."""
    image: str = ""
    """The image made elsewhere that the command comes from; empty: this host."""

    @property
    def summary(self) -> str:  # type: ignore[override]  # made of the fields
        """Return one line with the command line."""
        return f"your own command: {shlex.join(self.argv)}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the command line and the image it comes from: another one is another series."""
        return {"command": shlex.join(self.argv), **({"image": self.image} if self.image else {})}

    def job(self, site: Site, seconds: float) -> Job:  # noqa: ARG002 - takes as long as it takes
        """Make the job: in the scratch folder, or in the folder that an image made elsewhere names."""
        return Job(
            argv=site.image.argv(site.root, self.program),
            environ=site.image.environ(site.root, self.program),
            directory=site.image.directory(site.root, self.program, site.scratch),
            timeout_seconds=self.timeout_seconds,
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the seconds from the process's birth to its reaping, by the place's clock."""
        seconds = number(self.name, "duration", result.inside_seconds, result.stderr)
        return (metric(COMMAND_TIME, seconds, "s", "lower", "agent", primary=True),)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Take the length of a job: the command's own is not known before it has been run once."""
        del opening_seconds
        return job_seconds
