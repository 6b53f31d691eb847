"""Run ``elementary.c``: elementary operations of the kernel, of memory and of file systems, for which there is no packaged tool.

The program does a number of operations, in portions, until it is done or a cap has passed, and prints how many it did in
how many nanoseconds of ``CLOCK_MONOTONIC``. It is static and starts in 0.2 ms, so jobs may be as short as any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import ParseError, Workload, amount, cap_seconds, job_timeout, metric, number
from tare.results.said import say
from tare.runners.model import Job
from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

SOURCE = Path(__file__).with_name("elementary.c")
PROGRAM_IN_IMAGE = "/usr/bin/tare-elementary"

LACKING = 75
"""Exit status with which the program says on stdout what the place lacks."""

_LINE = re.compile(rb"([a-z]+(?:-\d+)?) (\d{1,19}) (\d{1,19})\n")


@dataclass(frozen=True, slots=True)
class Timed:
    """Operations that were timed together."""

    count: int
    seconds: float

    @property
    def rate(self) -> float:
        """Return the operations per second."""
        return self.count / self.seconds


class Elementary(Workload):
    """Run the program in one of its ways; subclasses say which, and what its lines mean."""

    __slots__ = ()

    duet: ClassVar[Duet] = "one"

    def files(self, cache: Path) -> dict[str, Path]:
        """Compile the program: path in the image → file of the host."""
        return {PROGRAM_IN_IMAGE: build(SOURCE, cache)}

    def call(self, site: Site, seconds: float, *words: object) -> Job:
        """Make the job that runs the program with these words, up to the cap for a job of so many seconds."""
        program = str(PurePosixPath(site.root) / PROGRAM_IN_IMAGE.lstrip("/"))
        cap = str(1000 * cap_seconds(seconds))
        return Job(
            argv=(program, cap, *map(str, words)),
            directory=site.scratch,
            timeout_seconds=job_timeout(seconds),
        )

    def lacking(self, result: JobResult) -> Unsuitable | None:
        """Read what the place lacks for this operation."""
        if result.exit_code != LACKING:
            return None
        said = result.stdout.decode("utf-8", "backslashreplace").strip()
        return Unsuitable(said, self.remedy(), lasting=True)

    def remedy(self) -> str:
        """Say what helps a place that lacks what is needed."""
        return ""

    def timed(self, output: bytes, *names: str) -> dict[str, Timed]:
        """Read the program's lines, which have to be these and in this order.

        Raises:
            ParseError: they are others, or one of the numbers is 0.
        """
        lines = output.splitlines(keepends=True)
        matches = [_LINE.fullmatch(line) for line in lines]
        found = [match for match in matches if match]
        if len(found) < len(lines) or [match[1].decode() for match in found] != list(names):
            raise ParseError(
                self.name, say("parse.no_lines", "no lines {names}", names=", ".join(names)), output
            )
        return {
            name: Timed(
                int(number(self.name, "count", match[2], output)),
                number(self.name, "time", match[3], output) / 1e9,
            )
            for name, match in zip(names, found, strict=True)
        }

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Count the operations alone; the program starts at once."""
        del opening_seconds
        return job_seconds


@dataclass(frozen=True, slots=True)
class Operation(Elementary):
    """Repeat one operation; its rate is what is measured."""

    name: str
    summary: str
    operation: str
    """The program's word for it."""
    per_second: int
    family: str = "kernel"
    pinned: bool = False
    """Both of its processes are pinned to the place's first CPU."""
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the operation, and whether its processes share a CPU."""
        return {"operation": self.operation, **({"pinned": True} if self.pinned else {})}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of operations everywhere, up to the cap."""
        where = (site.first_cpu,) if self.pinned else ()
        return self.call(site, seconds, self.operation, amount(self.per_second, seconds), *where)

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the operations per second."""
        found = self.timed(result.stdout, self.operation)[self.operation]
        name = f"elementary.{self.operation}.rate"
        return (metric(name, found.rate, "ops/s", "higher", "elementary", primary=True, samples=found.count),)
