"""``disk-seq``, ``disk-rand`` and ``disk-fsync``: measure the scratch folder's file system and device, by ``elementary.c``.

One thread, one request at a time, ``pread``/``pwrite``, each timed by itself. fio does the same, and ``bench.tools.agreement``
compares with it; but each fio process starts with 75 ms of CPU (its libraries, and the calibration of a clock that it is told
not to use) and sleeps for 0.1 s before each stage, which would be three quarters of the CPU time of jobs this short: the
ratio of two places would be that of fio's start.

The file has 64 MiB and stays in the scratch folder. It is laid out, and flushed to the disk, before anything is timed: once
for all places whose scratch folders are the host's, and once in each opening of any other place.

``disk-seq`` and ``disk-rand`` ask for ``O_DIRECT``, else they would measure the page cache. Places whose file system
refuses it are skipped: nothing falls back in silence. ``replace(workload, direct=False)`` is the buffered variant, which says
so in its parameters. A host's page cache may still lie below a guest's disk; the place's context tells its cache mode.

``disk-fsync`` is what a database's log does: 4 KiB through the page cache, then ``fdatasync``, which alone is timed. In a
guest each of them has to become a flush of its disk: the collector ``guest_disk`` counts those, and
:mod:`tare.results.judgement.fairness` compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tare.bench.workloads.base import amount, metric
from tare.bench.workloads.elementary import Elementary
from tare.results.said import say
from tare.runners.inside import PATH
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Site
    from tare.bench.workloads.elementary import Timed
    from tare.results.record import Metric
    from tare.runners.model import JobResult

FILE_MIB = 64
FILE_NAME = "tare-disk"
LAYOUT_TIMEOUT_SECONDS = 120.0
"""Time for laying out the file, which at a limit of 1 MiB/s takes 64 s."""

Pattern = Literal["seq", "randread", "fsync"]

_BLOCK_BYTES: dict[Pattern, int] = {"seq": 1 << 20, "randread": 4096, "fsync": 4096}
_PER_SECOND: dict[Pattern, int] = {"seq": 250, "randread": 8000, "fsync": 4000}
"""Requests per second of an ordinary disk; of ``seq`` pairs of them, since it reads as much as it writes."""


@dataclass(frozen=True, slots=True)
class Disk(Elementary):
    """Make requests of one pattern to a file, one at a time."""

    # The cheapest request takes a few microseconds of CPU: shorter jobs would mostly be the start of a process.
    shortest_seconds: ClassVar[float] = 0.2
    name: str
    summary: str
    pattern: Pattern
    direct: bool
    family: str = "disk"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the pattern, the block size, the file's size and whether the page cache is bypassed."""
        return {
            "pattern": self.pattern,
            "direct": self.direct,
            "block_bytes": _BLOCK_BYTES[self.pattern],
            "file_bytes": FILE_MIB << 20,
        }

    def remedy(self) -> str:
        """Say where such a place can be measured."""
        return say("remedy.workdir_on_disk", "put the run's work folder on a disk's file system")

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of requests everywhere, up to the cap."""
        file = PurePosixPath(site.scratch) / FILE_NAME
        requests = amount(_PER_SECOND[self.pattern], seconds)
        return self.call(site, seconds, self.pattern, file, requests, "direct" if self.direct else "cached")

    def preparation(self, site: Site) -> Job:
        """Lay out the file that all patterns share."""
        return layout_job(site)

    @property
    def prepared_file(self) -> str:
        """Return the name of the file that all patterns share."""
        return FILE_NAME

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return bandwidths, or reads per second, or the latency of ``fdatasync``."""
        kinds = ("write", "read") if self.pattern == "seq" else (self.pattern,)
        lines = [line for kind in kinds for line in (kind, f"{kind}-50", f"{kind}-99")]
        found = self.timed(result.stdout, *lines)
        if self.pattern == "seq":
            return tuple(self._bandwidth(kind, found[kind], primary=kind == "write") for kind in kinds)
        kind, took = self.pattern, found[self.pattern]
        name = f"elementary.{kind}"
        p50, p99 = (
            metric(
                f"{name}.p{percent}", found[f"{kind}-{percent}"].seconds, "s", "lower", "elementary",
                primary=kind == "fsync" and percent == 50, samples=took.count,
            )
            for percent in (50, 99)
        )  # fmt: skip
        if kind == "randread":
            rate = metric(
                f"{name}.rate", took.rate, "ops/s", "higher", "elementary", primary=True, samples=took.count
            )
            return rate, p50, p99
        return (
            p50,
            p99,
            metric(f"{name}.mean", took.seconds / took.count, "s", "lower", "elementary", samples=took.count),
            metric(f"{name}.count", took.count, "count", "none", "elementary"),
        )

    def _bandwidth(self, kind: str, took: Timed, *, primary: bool) -> Metric:
        bandwidth = took.rate * _BLOCK_BYTES[self.pattern]
        return metric(
            f"elementary.{kind}.bandwidth", bandwidth, "bytes/s", "higher", "elementary",
            primary=primary, samples=took.count,
        )  # fmt: skip


def layout_job(site: Site) -> Job:
    """Make the job that lays out the file in the scratch folder, once for all disk workloads of an opening."""
    program = str(PurePosixPath(site.root) / PATH.lstrip("/"))
    argv = (program, "layout", str(PurePosixPath(site.scratch) / FILE_NAME), str(FILE_MIB << 20))
    return Job(argv=argv, directory=site.scratch, timeout_seconds=LAYOUT_TIMEOUT_SECONDS)
