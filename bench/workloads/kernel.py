"""``syscall``, ``switch`` and ``fork``: measure the kernel's elementary services.

*syscall* is ``dd`` copying single bytes from ``/dev/zero`` to ``/dev/null``: one ``read`` and one ``write``
per byte and nothing else (seen with strace), the same in every place. stress-ng's ``get`` and ``syscall``
stressors were tried and are not used: what they do depends on the place (one call per mount; system calls
that a container refuses are left out). Busybox prints no time, so the agent's clock around the job is taken;
the program's start, under a millisecond, is in it.

*switch* and *fork* are stress-ng's stressors: two processes that pass bytes through a pipe, and
fork + exit + wait. Its time comes from ``gettimeofday``. The two processes of *switch* are pinned to one CPU: left
alone they are sometimes on two, where each byte wakes an idle CPU, an eight times slower and quite different thing.
"""

from __future__ import annotations

import re
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
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

COPIES_PER_SECOND = 1_000_000
_CALLS_PER_COPY = 2
_RECORDS = re.compile(rb"^(\d+)\+0 records (in|out)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SystemCall(Workload):
    """Run ``dd bs=1``: two system calls per byte."""

    name: str = "syscall"
    family: str = "kernel"
    summary: str = "cheap system calls per second: dd copies single bytes from /dev/zero to /dev/null"
    programs: tuple[str, ...] = ("busybox",)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the system calls that are made, in turn."""
        return {"calls": "read, write", "bytes": 1}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of copies everywhere, without a cap, as ``dd`` knows none."""
        copies = amount(COPIES_PER_SECOND, seconds)
        argv = site.image.argv(
            site.root, "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={copies}"
        )
        return Job(
            argv=argv, environ=site.image.environ(site.root, "busybox"), timeout_seconds=job_timeout(seconds)
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the system calls per second of the job's whole duration."""
        records = _RECORDS.findall(result.stderr)
        if [way for _, way in records] != [b"in", b"out"] or records[0][0] != records[1][0]:
            raise ParseError(self.name, "no two equal counts of records", result.stderr)
        calls = number(self.name, "count", records[0][0], result.stderr) * _CALLS_PER_COPY
        seconds = number(self.name, "duration", result.inside_seconds, result.stderr)
        return (
            metric(
                "dd.syscall.rate", calls / seconds, "ops/s", "higher", "dd", primary=True, samples=int(calls)
            ),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Count the copies alone; the tool starts at once."""
        del opening_seconds
        return job_seconds


@dataclass(frozen=True, slots=True)
class Stress(Workload):
    """Run one instance of a stressor of stress-ng."""

    shortest_seconds: ClassVar[float] = 0.1  # the tool's start takes 10 ms of CPU time
    name: str
    summary: str
    stressor: Literal["switch", "fork"]
    per_second: int
    pinned: bool = False
    """Pin the stressor to one CPU, the place's first."""
    family: str = "kernel"
    programs: tuple[str, ...] = ("stress-ng",)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the stressor and its number of instances."""
        return {"stressor": self.stressor, "instances": 1, "pinned": self.pinned}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of operations everywhere, up to the cap."""
        argv = site.image.argv(
            site.root,
            "stress-ng",
            f"--{self.stressor}", "1",
            f"--{self.stressor}-ops", str(amount(self.per_second, seconds)),
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
            raise ParseError(self.name, f"{len(tables)} rows of metrics instead of one", output)
        columns = [cell.decode("ascii", "backslashreplace") for cell in tables[0]]
        operations = number(self.name, "operations", columns[1], output)
        # The rate comes from the unrounded time. The seconds are printed to 10 ms: 0.00 after a short job.
        seconds = number(self.name, "real time", columns[2], output, positive=False)
        rate = number(self.name, "rate", columns[5], output)
        if abs(operations / rate - seconds) > 0.01 + 0.05 * seconds:
            raise ParseError(self.name, f"{rate} ops/s beside {operations} operations in {seconds} s", output)
        name = f"stress-ng.{self.stressor}.rate"
        found = metric(name, rate, "ops/s", "higher", "stress-ng", primary=True, samples=int(operations))
        return (structs.replace(found, clock=PLACE_WALL_CLOCK),)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the tool's start, some 20 ms."""
        del opening_seconds
        return job_seconds + 0.02
