"""``python``: run an ordinary Python program, :mod:`tare.bench.workloads.python_program`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.workloads.base import ParseError, Workload, amount, job_timeout, metric, number
from tare.bench.workloads.json_output import from_json
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

PROGRAM = Path(__file__).with_name("python_program.py")
"""Path of the program on the host."""

PROGRAM_IN_IMAGE = "/usr/share/tare/python_workload.py"
"""Path of the program in the image, which must carry it there."""

EXTRA_FILES: Mapping[str, Path] = {PROGRAM_IN_IMAGE: PROGRAM}
"""Path in the image → file on the host."""

PARTS = ("json", "regex", "containers", "zlib", "sqlite")
"""Names of the program's parts. They are repeated here because importing the program would load its libraries."""

_ROUNDS_PER_SECOND = 20


@dataclass(frozen=True, slots=True)
class Python(Workload):
    """Run the program with the image's python3; the interpreter's start is not part of its numbers."""

    shortest_seconds: ClassVar[float] = 0.15  # 35 ms of CPU time for the start, the imports and the data
    name: str = "python"
    family: str = "python"
    summary: str = "a Python program: JSON, regular expressions, dicts and sorting, zlib, SQLite"
    programs: tuple[str, ...] = ("python3",)

    duet: ClassVar[Duet] = "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the names of a round's parts."""
        return {"parts": ", ".join(PARTS)}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of rounds everywhere."""
        program = str(PurePosixPath(site.root) / PROGRAM_IN_IMAGE.lstrip("/"))
        # The environment is the image's alone, and its PYTHONHOME is needed: hence not -I.
        rounds = str(amount(_ROUNDS_PER_SECOND, seconds))
        argv = site.image.argv(site.root, "python3", "-B", program, rounds)
        return Job(
            argv=argv, environ=site.image.environ(site.root, "python3"), timeout_seconds=job_timeout(seconds)
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the seconds per round, in total and by part."""
        rounds, unchecked = from_json(
            self.name,
            result.stdout,
            lambda one: (one["rounds"], {part: one["seconds"][part] for part in PARTS}),
        )
        count = int(number(self.name, "rounds", rounds, result.stdout))
        if count < 1:
            raise ParseError(
                self.name,
                say("parse.rounds", "an impossible number of rounds, {rounds!r},", rounds=rounds),
                result.stdout,
            )
        each = {
            part: number(self.name, part, value, result.stdout) / count for part, value in unchecked.items()
        }
        return (
            metric("python.round", sum(each.values()), "s", "lower", "python", primary=True, samples=count),
            *(
                metric(f"python.{part}", value, "s", "lower", "python", samples=count)
                for part, value in each.items()
            ),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the interpreter's start with its imports."""
        del opening_seconds
        return job_seconds + 0.06
