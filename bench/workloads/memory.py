"""``memory-write`` and ``memory-read``: measure one thread's sequential memory bandwidth with sysbench.

sysbench's defaults (blocks of 1 KiB) measure its event loop, and blocks of 1 MiB measure the cache. Blocks of
64 MiB leave the caches of ordinary machines and amortise the loop to nothing; on hosts with a larger
last-level cache the number is that cache's, in all places alike. stress-ng's ``stream`` was tried
first and is not used: it takes its array size from the cache size that the place's sysfs shows, which is
different work in a guest, and needs over a second to report a rate.

Each word is read or written by one plain 8-byte instruction, so one thread may not saturate the memory
controller: compare it with itself, not with STREAM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tare.bench.workloads.base import Workload, amount, cap_seconds, job_timeout, metric, number
from tare.bench.workloads.sysbench import check_printed, find, read_report
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

BLOCK_MIB = 64
BLOCKS_PER_SECOND = 150

_BANDWIDTH = re.compile(rb"^\d+\.\d\d MiB transferred \( *(\S+) MiB/sec\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory(Workload):
    """Run sysbench's memory test: one thread, one buffer that is written before the timed part."""

    shortest_seconds: ClassVar[float] = 0.2  # 50 ms of CPU time for the start and the first touch
    name: str
    summary: str
    operation: Literal["read", "write"]
    family: str = "memory"
    programs: tuple[str, ...] = ("sysbench",)

    duet: ClassVar[Duet] = "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the operation and the size of the buffer."""
        return {"operation": self.operation, "block_bytes": BLOCK_MIB << 20, "threads": 1}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of passes over the buffer everywhere."""
        argv = site.image.argv(
            site.root,
            "sysbench",
            "memory",
            "--threads=1",
            f"--memory-block-size={BLOCK_MIB}M",
            f"--memory-total-size={BLOCK_MIB * amount(BLOCKS_PER_SECOND, seconds)}M",
            f"--memory-oper={self.operation}",
            f"--time={cap_seconds(seconds)}",
            "run",
        )
        return Job(
            argv=argv, environ=site.image.environ(site.root, "sysbench"), timeout_seconds=job_timeout(seconds)
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the bandwidth. sysbench's MiB are 2**20 bytes."""
        report = read_report(self.name, result)
        mib = number(self.name, "bandwidth", find(self.name, _BANDWIDTH, result.stdout)[0], result.stdout)
        name = f"sysbench.memory.{self.operation}"
        rate = report.rate * (BLOCK_MIB << 20)
        check_printed(self.name, mib * (1 << 20), rate, result.stdout)
        return (
            metric(name, rate, "bytes/s", "higher", "sysbench", primary=True, samples=report.events),
            metric(
                f"{name}.printed", mib * (1 << 20), "bytes/s", "higher", "sysbench", samples=report.events
            ),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the tool's start and its first touch of the block."""
        del opening_seconds
        return job_seconds + 0.08
