"""Run one stressor of stress-ng and read its table: for ``switch``, ``fork`` and ``cpu-float``.

*switch* and *fork*: two processes that pass bytes through a pipe, and fork + exit + wait. *cpu-float* is the product of two
matrices of 128 × 128 single-precision numbers, which stay in the caches. stress-ng's time comes from ``gettimeofday``. The
two processes of *switch* are pinned to one CPU: left alone they are sometimes on two, where each byte wakes an idle CPU, an
eight times slower and quite different thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec import structs

from tare.bench.workloads.base import (
    PLACE_WALL_CLOCK,
    ParseError,
    Workload,
    amount,
    cap_seconds,
    job_timeout,
    metric,
    number,
)
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult


@dataclass(frozen=True, slots=True)
class Stress(Workload):
    """Run a stressor of stress-ng: one instance, or one per CPU."""

    shortest_seconds: ClassVar[float] = 0.2  # the tool's start takes 10 ms of CPU time
    name: str
    summary: str
    stressor: Literal["switch", "fork", "matrix"]
    per_second: int
    pinned: bool = False
    """Pin the stressor to one CPU, the place's first."""
    options: tuple[str, ...] = ()
    """Further options that say what the stressor does."""
    all_cpus: bool = False
    """Run an instance on each CPU of the place."""
    family: str = "kernel"
    from_mode: FromMode = "quick"
    programs: tuple[str, ...] = ("stress-ng",)

    @property
    def duet(self) -> Duet:  # type: ignore[override]  # by the number of CPUs
        """Share all CPUs where the job uses all, else one."""
        return "all" if self.all_cpus else "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the stressor, its number of instances and what else says what it does."""
        found: dict[str, Any] = {
            "stressor": self.stressor,
            "instances": "one per CPU" if self.all_cpus else 1,
            "pinned": self.pinned,
        }
        return {**found, "options": " ".join(self.options)} if self.options else found

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of operations per instance everywhere, up to the cap."""
        instances = site.cpus if self.all_cpus else 1
        argv = site.image.argv(
            site.root,
            "stress-ng",
            f"--{self.stressor}", str(instances), *self.options,
            # For all instances together.
            f"--{self.stressor}-ops", str(amount(self.per_second, seconds) * instances),
            "--timeout", str(cap_seconds(seconds)),
            "--temp-path", site.scratch,
            "--metrics",
            "--log-brief",
            *(("--taskset", str(site.first_cpu)) if self.pinned else ()),
        )  # fmt: skip
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "stress-ng"),
            directory=site.scratch,
            timeout_seconds=job_timeout(seconds),
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the operations per second of real time.

        stress-ng writes to stderr or, from 0.16 on, to stdout. The table's columns are: stressor, operations, real,
        user and system seconds, operations per real second, then others.
        """
        output = result.stdout + b"\n" + result.stderr
        rows = [line.split() for line in output.splitlines() if line.split()[:1] == [self.stressor.encode()]]
        rows = [row for row in rows if len(row) >= 8]  # shorter ones are remarks
        tables = [row for row in rows if row[1].isdigit()]
        if len(tables) != 1:
            raise ParseError(
                self.name,
                say("parse.rows", "{tables} rows of metrics instead of one", tables=len(tables)),
                output,
            )
        columns = [cell.decode("ascii", "backslashreplace") for cell in tables[0]]
        operations = number(self.name, "operations", columns[1], output)
        # The rate comes from the unrounded time. The seconds are printed to 10 ms: 0.00 after a short job.
        seconds = number(self.name, "real time", columns[2], output, positive=False)
        rate = number(self.name, "rate", columns[5], output)
        if abs(operations / rate - seconds) > 0.01 + 0.05 * seconds:
            raise ParseError(
                self.name,
                say(
                    "parse.operations",
                    "{rate} ops/s beside {operations} operations in {seconds} s",
                    rate=rate,
                    operations=operations,
                    seconds=seconds,
                ),
                output,
            )
        name = f"stress-ng.{self.stressor}.rate"
        found = metric(name, rate, "ops/s", "higher", "stress-ng", primary=True, samples=int(operations))
        return (structs.replace(found, clock=PLACE_WALL_CLOCK),)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the tool's start, some 20 ms."""
        del opening_seconds
        return job_seconds + 0.02
