"""``compile`` and ``compile-all``: measure GCC's compiler proper on a source of ours, on one CPU and on all.

It is the work of developers' machines and of CI: much code, much memory from the heap, many page faults. ``cc1`` compiles
to assembly at ``-O2``; without headers (``-nostdinc``, lest it read the host's on bare metal), assembler and linker the image stays small and
the work is the same everywhere.
The compiler's start is a fiftieth of a compilation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.workloads.base import ParseError, Workload, amount, job_timeout, metric, number
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

SOURCE = Path(__file__).with_name("compile_sample.c")
SOURCE_IN_IMAGE = "/usr/share/tare/compile_sample.c"

_PER_SECOND = 3

SCRIPT = """
workers=$1 each=$2
shift 2
work() { n=$each; while [ $n -gt 0 ]; do "$@" || exit 1; n=$((n-1)); done; }
ids=
while [ $workers -gt 1 ]; do work "$@" & ids="$ids $!"; workers=$((workers-1)); done
work "$@"
for id in $ids; do wait $id || exit 1; done
echo compiled
"""
"""Shell script: workers, compilations of each, the command of one."""


@dataclass(frozen=True, slots=True)
class Compile(Workload):
    """Compile the same file again and again, in one process after the other."""

    heavy: ClassVar[bool] = True
    shortest_seconds: ClassVar[float] = 0.3  # one compilation
    name: str
    summary: str
    all_cpus: bool
    family: str = "cpu"
    programs: tuple[str, ...] = ("busybox", "cc1")
    from_mode: FromMode = "rigorous"

    @property
    def duet(self) -> Duet:  # type: ignore[override]  # by the number of CPUs
        """Share all CPUs where the job uses all, else one."""
        return "all" if self.all_cpus else "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the compiler's options and the rule for processes."""
        return {"options": "-O2", "processes": "one per CPU" if self.all_cpus else 1}

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the source that is compiled."""
        del cache
        return {SOURCE_IN_IMAGE: SOURCE}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of compilations per CPU everywhere."""
        source = str(PurePosixPath(site.root) / SOURCE_IN_IMAGE.lstrip("/"))
        command = site.image.argv(site.root, "cc1", "-quiet", "-nostdinc", "-O2", source, "-o", "/dev/null")
        counts = (str(site.cpus if self.all_cpus else 1), str(amount(_PER_SECOND, seconds)))
        argv = site.image.argv(site.root, "busybox", "sh", "-c", SCRIPT, "sh", *counts, *command)
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "cc1"),
            timeout_seconds=job_timeout(max(seconds, self.shortest_seconds)),
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the seconds from the job's birth to its reaping, by the place's clock.

        All places do the same number of compilations in it.
        """
        seconds = number(self.name, "duration", result.inside_seconds, result.stderr)
        if result.stdout != b"compiled\n":
            raise ParseError(self.name, say("parse.compiled", "no word that all was compiled"), result.stdout)
        return (metric("compile.seconds", seconds, "s", "lower", "agent", primary=True),)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Count the compilations; the shell starts at once."""
        del opening_seconds
        return max(job_seconds, self.shortest_seconds)
