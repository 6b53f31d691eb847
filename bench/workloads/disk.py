"""``disk-seq``, ``disk-rand`` and ``disk-fsync``: measure the scratch folder's file system and device with fio.

One thread, one request at a time, ``pread``/``pwrite``: then the sum of fio's request times (ns) is the busy time, and
rates are formed from it, because fio's own rates rest on whole milliseconds, too coarse for jobs this short.
The file has 64 MiB and stays in the scratch folder. It is laid out, and flushed to the disk, before anything is timed: once
for all places whose scratch folders are the host's, and once in each opening of any other place.

fio waits for 100 ms before it starts its threads, and again before a second stage, whatever it is told (``run_threads`` in
its ``backend.c``). Shorter jobs than :attr:`Disk.shortest_seconds` would consist of that.

``disk-seq`` and ``disk-rand`` ask for ``O_DIRECT``, else they would measure the page cache. Where the file
system refuses it, fio fails and so does the trial, with fio's message: nothing falls back in silence.
``replace(workload, direct=False)`` is the buffered variant, which says so in its parameters.
A host's page cache may still lie below a guest's disk; the place's context tells its cache mode.

``disk-fsync`` is what a database's log does: 4 KiB through the page cache, then ``fdatasync``. In a guest each of them
has to become a flush of its disk: the collector ``guest_disk`` counts those, and
:mod:`tare.results.judgement.fairness` compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tare.bench.workloads.base import Workload, amount, cap_seconds, job_timeout, metric
from tare.bench.workloads.fio import Section, read_jobs
from tare.runners.inside import PATH
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

FILE_MIB = 64
FILE_NAME = "tare-fio"
LAYOUT_TIMEOUT_SECONDS = 120.0
"""Time for laying out the file, which at a limit of 1 MiB/s takes 64 s."""

_MIB_PER_SECOND = 500
_READS_PER_SECOND = 8000
_SYNCS_PER_SECOND = 2000
_SYNC_EVERY = 16


@dataclass(frozen=True, slots=True)
class Disk(Workload):
    """Run fio with one access pattern."""

    name: str
    summary: str
    pattern: Literal["seq", "rand", "fsync"]
    direct: bool
    family: str = "disk"
    programs: tuple[str, ...] = ("fio",)

    duet: ClassVar[Duet] = "one"

    @property
    def shortest_seconds(self) -> float:  # type: ignore[override]  # by the pattern
        """Return the length at which a job takes at most twice as long as what is measured of it."""
        return 0.4 if self.pattern == "seq" else 0.2

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the pattern, the block size, the file's size and whether the page cache is bypassed."""
        block = {"seq": 1 << 20, "rand": 4096, "fsync": 4096}[self.pattern]
        return {
            "pattern": self.pattern,
            "direct": self.direct,
            "block_bytes": block,
            "file_bytes": FILE_MIB << 20,
        }

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of requests everywhere, up to the cap."""
        argv = site.image.argv(
            site.root,
            "fio",
            "--output-format=json",
            "--thread",
            "--ioengine=psync",
            # Otherwise fio spends 100 ms on calibrating the TSC, and more under emulation.
            "--clocksource=clock_gettime",
            f"--filename={PurePosixPath(site.scratch) / FILE_NAME}",
            f"--size={FILE_MIB}M",
            f"--direct={int(self.direct)}",
            f"--runtime={cap_seconds(seconds)}s",
            *self._pattern(seconds),
        )
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "fio"),
            directory=site.scratch,
            timeout_seconds=job_timeout(seconds),
        )

    @property
    def prepared_file(self) -> str:
        """Return the name of the file that all patterns share."""
        return FILE_NAME

    def preparation(self, site: Site) -> Job:
        """Lay out the file that all patterns share."""
        return layout_job(site)

    def _pattern(self, seconds: float) -> tuple[str, ...]:
        if self.pattern == "rand":
            return (
                "--name=randread",
                "--rw=randread",
                "--bs=4k",
                f"--io_size={4 * amount(_READS_PER_SECOND, seconds)}k",
            )
        if self.pattern == "fsync":
            size = f"--io_size={4 * amount(_SYNCS_PER_SECOND, seconds)}k"
            return ("--name=fsync", "--rw=write", "--bs=4k", "--overwrite=1", "--fdatasync=1", size)
        # Half of the time each. Overwriting, so that allocating blocks is in no job or in all.
        size = f"--io_size={max(2 * _SYNC_EVERY, amount(_MIB_PER_SECOND, seconds / 2))}M"
        write = ("--name=write", "--rw=write", "--bs=1M", "--overwrite=1", f"--fdatasync={_SYNC_EVERY}", size)
        return (*write, "--name=read", "--stonewall", "--rw=read", "--bs=1M", size)

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return bandwidths, or reads per second, or the latency of ``fdatasync``."""
        jobs = read_jobs(self.name, result.stdout)
        if self.pattern == "rand":
            return self._random(Section(self.name, result.stdout, jobs, "randread", "read"))
        if self.pattern == "fsync":
            return self._fsync(Section(self.name, result.stdout, jobs, "fsync", "sync"))
        write = Section(self.name, result.stdout, jobs, "write", "write")
        flush = Section(self.name, result.stdout, jobs, "write", "sync")
        read = Section(self.name, result.stdout, jobs, "read", "read")
        written = write.value("io_bytes") / (write.busy_seconds() + flush.busy_seconds())
        return (
            metric("fio.write.bandwidth", written, "bytes/s", "higher", "fio", primary=True, samples=write.count()),
            metric(
                "fio.read.bandwidth", read.value("io_bytes") / read.busy_seconds(), "bytes/s", "higher", "fio",
                samples=read.count(),
            ),
        )  # fmt: skip

    def _random(self, read: Section) -> tuple[Metric, ...]:
        count = read.count()
        return (
            metric(
                "fio.randread.iops",
                count / read.busy_seconds(),
                "ops/s",
                "higher",
                "fio",
                primary=True,
                samples=count,
            ),
            metric("fio.randread.p50", read.percentile("50", "clat_ns"), "s", "lower", "fio", samples=count),
            metric("fio.randread.p99", read.percentile("99", "clat_ns"), "s", "lower", "fio", samples=count),
        )

    def _fsync(self, sync: Section) -> tuple[Metric, ...]:
        count = sync.count()
        return (
            metric("fio.fsync.p50", sync.percentile("50"), "s", "lower", "fio", primary=True, samples=count),
            metric("fio.fsync.p99", sync.percentile("99"), "s", "lower", "fio", samples=count),
            metric("fio.fsync.mean", sync.busy_seconds() / count, "s", "lower", "fio", samples=count),
            metric("fio.fsync.count", count, "count", "none", "fio"),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the tool's start, 80 ms for its libraries, and its waits: 100 ms, three of them where it has two stages."""
        del opening_seconds
        return job_seconds + (0.4 if self.pattern == "seq" else 0.2)


def layout_job(site: Site) -> Job:
    """Make the job that lays out the file in the scratch folder, once for all disk workloads of an opening."""
    program = str(PurePosixPath(site.root) / PATH.lstrip("/"))
    argv = (program, "layout", str(PurePosixPath(site.scratch) / FILE_NAME), str(FILE_MIB << 20))
    return Job(argv=argv, directory=site.scratch, timeout_seconds=LAYOUT_TIMEOUT_SECONDS)
