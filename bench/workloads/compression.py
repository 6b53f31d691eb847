"""``cpu-zstd``, ``cpu-7z`` and ``cpu-7z-all``: measure compression with the benchmarks of zstd and 7-Zip.

Both make their own data in memory. zstd compresses and decompresses 10 MB once, at level 10: at usual levels that would not
take much longer than making the data. 7-Zip's benchmark is well known and heavy: before it begins, it measures the CPU's
frequency, and its smallest amount of work takes some seconds; so it has to be named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.workloads.base import ParseError, Workload, job_timeout, metric, number
from tare.bench.workloads.sysbench import find
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

LEVEL = 10
DICTIONARY_BITS = 18

_ZSTD = re.compile(rb": +(\d+) -> +(\d+) \(x?\d+\.\d+\), +(\d+(?:\.\d+)?) MB/s,? +(\d+(?:\.\d+)?) MB/s")
_SEVEN = re.compile(rb"^Avr: +(\d+) +\d+ +\d+ +(\d+) +\| +(\d+) +\d+ +\d+ +(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Zstd(Workload):
    """Compress and decompress 10 MB once, on one CPU."""

    heavy: ClassVar[bool] = True
    shortest_seconds: ClassVar[float] = 0.6  # its own length; 50 ms of it make the data
    name: str = "cpu-zstd"
    family: str = "cpu"
    summary: str = "compression and decompression of 10 MB at level 10 on one CPU (zstd)"
    programs: tuple[str, ...] = ("zstd",)
    from_mode: FromMode = "rigorous"

    duet: ClassVar[Duet] = "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the level of compression."""
        return {"level": LEVEL}

    def job(self, site: Site, seconds: float) -> Job:
        """Make the job, which is the same whatever length is wanted."""
        argv = site.image.argv(site.root, "zstd", f"-b{LEVEL}", "-i0")
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "zstd"),
            timeout_seconds=job_timeout(max(seconds, self.shortest_seconds)),
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return both rates, in bytes of what is not compressed. zstd's MB are 10**6 bytes; it rewrites its line."""
        found = _ZSTD.findall(result.stdout)
        if len(found) != 1:
            raise ParseError(
                self.name,
                say("parse.two_rates", "{found} lines with both rates instead of one", found=len(found)),
                result.stdout,
            )
        compress, decompress = (number(self.name, "rate", each, result.stdout) * 1e6 for each in found[0][2:])
        return (
            metric("zstd.compress", compress, "bytes/s", "higher", "zstd", primary=True),
            metric("zstd.decompress", decompress, "bytes/s", "higher", "zstd"),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Take what the job takes on an ordinary core."""
        del opening_seconds, job_seconds
        return self.shortest_seconds


@dataclass(frozen=True, slots=True)
class SevenZip(Workload):
    """Run one pass of 7-Zip's benchmark with a dictionary of 256 KiB."""

    heavy: ClassVar[bool] = True
    shortest_seconds: ClassVar[float] = 10.0  # its own length
    name: str
    summary: str
    all_cpus: bool
    family: str = "7z"
    """One of its own, lest `-k cpu` take minutes."""
    programs: tuple[str, ...] = ("7zz",)
    from_mode: FromMode = "named"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the size of the dictionary and the rule for threads."""
        return {
            "dictionary_bytes": 1 << DICTIONARY_BITS,
            "threads": "one per CPU" if self.all_cpus else 1,
        }

    def job(self, site: Site, seconds: float) -> Job:
        """Make the job, which is the same whatever length is wanted."""
        threads = site.cpus if self.all_cpus else 1
        argv = site.image.argv(site.root, "7zz", "b", "1", f"-mmt{threads}", f"-md{DICTIONARY_BITS}")
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "7zz"),
            timeout_seconds=job_timeout(max(seconds, self.shortest_seconds)),
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the ratings (7-Zip's "MIPS": millions of its elementary steps per second) and the speeds."""
        text = result.stdout
        columns = find(self.name, _SEVEN, text)
        speed, rating, back_speed, back_rating = (
            number(self.name, "average", each, text) for each in columns
        )
        total = (rating + back_rating) / 2
        return (
            metric("7z.rating", total * 1e6, "ops/s", "higher", "7z", primary=True),
            metric("7z.compress", speed * 1024, "bytes/s", "higher", "7z"),
            metric("7z.decompress", back_speed * 1024, "bytes/s", "higher", "7z"),
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Take what the job takes on an ordinary core."""
        del opening_seconds, job_seconds
        return self.shortest_seconds
