"""``syscall``: measure cheap system calls.

It is ``dd`` copying single bytes from ``/dev/zero`` to ``/dev/null``: one ``read`` and one ``write``
per byte and nothing else (seen with strace), the same in every place. stress-ng's ``get`` and ``syscall``
stressors were tried and are not used: what they do depends on the place (one call per mount; system calls
that a container refuses are left out). Busybox prints no time, so the agent's clock around the job is taken;
the program's start, under a millisecond, is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.workloads.base import (
    ParseError,
    Workload,
    amount,
    job_timeout,
    metric,
    number,
)
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Duet, Site
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

    duet: ClassVar[Duet] = "one"

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
            raise ParseError(self.name, say("parse.records", "no two equal counts of records"), result.stderr)
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
