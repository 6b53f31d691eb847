"""Read fio's JSON, for the workloads that it runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.bench.workloads.base import ParseError, number
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_jobs(workload: str, output: bytes) -> dict[str, Any]:
    """Read the document: name of a job → what fio says of it.

    Raises:
        ParseError: there is no such document, or a job of it failed.
    """
    # fio may write remarks before the document, and to stdout.
    start = output.find(b"{")
    try:
        document = json.loads(output[max(start, 0) :])
        jobs = {job["jobname"]: job for job in document["jobs"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParseError(
            workload, say("parse.no_fio", "no JSON of fio ({name})", name=type(error).__name__), output
        ) from None
    for name, job in jobs.items():
        if job.get("error") != 0:
            raise ParseError(
                workload,
                say(
                    "parse.fio_error", "error {get!r} of fio's job {name!r}", get=job.get("error"), name=name
                ),
                output,
            )
    return jobs


@dataclass(frozen=True, slots=True)
class Section:
    """One job's reads, writes or syncs in fio's document."""

    workload: str
    output: bytes
    jobs: Mapping[str, Any]
    job: str
    section: str

    def value(self, *path: str) -> float:
        """Return a number of the section.

        Raises:
            ParseError: it is not there, no number, or 0.
        """
        found: Any = self.jobs.get(self.job)
        for key in (self.section, *path):
            found = found.get(key) if isinstance(found, dict) else None
        what = ".".join((self.job, self.section, *path))
        return number(self.workload, what, None if isinstance(found, bool) else found, self.output)

    def count(self) -> int:
        """Return the number of requests."""
        return int(self.value("lat_ns", "N"))

    def percentile(self, percent: str, field: str = "lat_ns") -> float:
        """Return a percentile of the requests' times in seconds."""
        return self.value(field, "percentile", f"{percent}.000000") / 1e9
