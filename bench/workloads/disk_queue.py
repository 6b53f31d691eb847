"""``disk-randread-4k-q32`` and its likes: measure reads and writes in the scratch folder by size, order and queue depth (fio).

``O_DIRECT`` and Linux's asynchronous I/O, so that as many requests are under way as the depth says. They overwrite, or
read, the file that all disk workloads share. Where the file system refuses ``O_DIRECT``, fio fails and so does the trial. A
host's page cache may lie below a guest's disk, and no write is followed by a flush: the place's context tells the device's
cache mode, and ``disk-fsync`` measures flushes.

Rates rest on fio's own clock of whole milliseconds, hence jobs of 0.3 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tare.bench.workloads.base import Workload, amount, cap_seconds, job_timeout, metric
from tare.bench.workloads.disk import FILE_MIB, FILE_NAME, layout_job
from tare.bench.workloads.fio import Section, read_jobs
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

Order = Literal["read", "write", "randread", "randwrite"]

ORDERS: tuple[Order, ...] = ("read", "write", "randread", "randwrite")
SIZES = (4, 128)
DEPTHS = (1, 4, 32)

_REQUESTS_PER_SECOND = {1: 8000, 4: 20_000, 32: 40_000}
"""Depth → requests of 4 KiB per second of an ordinary disk."""
_MIB_PER_SECOND = 1000


@dataclass(frozen=True, slots=True)
class Queue(Workload):
    """Keep a number of requests of one kind under way."""

    shortest_seconds: ClassVar[float] = (
        0.3  # fio waits for 0.1 s before it starts its threads (run_threads in its backend.c), whatever it is told
    )
    order: Order
    block_kib: int
    depth: int
    from_mode: FromMode = "named"
    family: str = "disk"
    programs: tuple[str, ...] = ("fio",)

    @property
    def name(self) -> str:  # type: ignore[override]  # made of the fields
        """Return what is done, the size and the depth."""
        return f"disk-{self.order}-{self.block_kib}k-q{self.depth}"

    @property
    def summary(self) -> str:  # type: ignore[override]  # made of the fields
        """Return one line that says what is measured."""
        kind = {
            "read": say("workload.reads", "sequential reads"),
            "write": say("workload.writes", "sequential writes"),
            "randread": say("workload.random_reads", "random reads"),
            "randwrite": say("workload.random_writes", "random writes"),
        }
        return say(
            "workload.queue", "{kind} of {size} KiB, {depth} at a time, O_DIRECT (fio, libaio)",
            kind=kind[self.order], size=self.block_kib, depth=self.depth,
        )  # fmt: skip

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return what tells it from its likes, and the file's size in bytes."""
        return {
            "order": self.order,
            "block_bytes": self.block_kib << 10,
            "depth": self.depth,
            "file_bytes": FILE_MIB << 20,
        }

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of requests everywhere, up to the cap."""
        rate = min(_REQUESTS_PER_SECOND[self.depth], (_MIB_PER_SECOND << 10) // self.block_kib)
        argv = site.image.argv(
            site.root,
            "fio",
            "--output-format=json",
            "--thread",
            "--ioengine=libaio",
            # Otherwise fio spends 100 ms on comparing the CPUs' clocks, and more under emulation.
            "--clocksource=clock_gettime",
            f"--filename={PurePosixPath(site.scratch) / FILE_NAME}",
            f"--size={FILE_MIB}M",
            "--direct=1",
            f"--runtime={cap_seconds(seconds)}s",
            f"--name={self.order}",
            f"--rw={self.order}",
            f"--bs={self.block_kib}k",
            f"--iodepth={self.depth}",
            "--overwrite=1",
            f"--io_size={self.block_kib * amount(rate, seconds)}k",
        )
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "fio"),
            directory=site.scratch,
            timeout_seconds=job_timeout(seconds),
        )

    def preparation(self, site: Site) -> Job:
        """Lay out the file that all disk workloads share."""
        return layout_job(site)

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the requests and bytes per second, and percentiles of the time from submission to completion."""
        jobs = read_jobs(self.name, result.stdout)
        way: Literal["read", "write"] = "read" if self.order in {"read", "randread"} else "write"
        found = Section(self.name, result.stdout, jobs, self.order, way)
        count, name = found.count(), f"fio.{self.order}"
        small = self.block_kib < 64
        rate = metric(
            f"{name}.iops", found.value("iops"), "ops/s", "higher", "fio", primary=small, samples=count
        )
        bandwidth = metric(
            f"{name}.bandwidth",
            found.value("bw_bytes"),
            "bytes/s",
            "higher",
            "fio",
            primary=not small,
            samples=count,
        )
        return (
            *((rate, bandwidth) if small else (bandwidth, rate)),
            metric(f"{name}.p50", found.percentile("50", "clat_ns"), "s", "lower", "fio", samples=count),
            metric(f"{name}.p99", found.percentile("99", "clat_ns"), "s", "lower", "fio", samples=count),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the tool's start and its wait."""
        del opening_seconds
        return job_seconds + 0.2


def mode_of(order: Order, size: int, depth: int) -> FromMode:
    """Choose what a rigorous run measures of all: random access to 4 KiB, sequential to 128 KiB, at both ends of the depth."""
    usual = (size == 4) == order.startswith("rand")
    return "rigorous" if usual and depth in {DEPTHS[0], DEPTHS[-1]} else "named"


QUEUES = tuple(
    Queue(order, size, depth, mode_of(order, size, depth))
    for order in ORDERS
    for size in SIZES
    for depth in DEPTHS
)
