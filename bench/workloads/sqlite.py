"""``app-sqlite``: measure transactions in a SQLite database on the scratch folder, :mod:`tare.bench.workloads.sqlite_program`.

The database is in WAL mode with ``synchronous=NORMAL``, as applications run it: a commit is a write to the page cache, and
only checkpoints wait for the disk. So the database and the file system are measured more than the device; for that there
is ``disk-fsync``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.workloads.base import ParseError, Workload, amount, job_timeout, metric, number
from tare.bench.workloads.json_output import from_json
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

PROGRAM = Path(__file__).with_name("sqlite_program.py")
PROGRAM_IN_IMAGE = "/usr/share/tare/sqlite_workload.py"
LINES = 5
"""Lines of a transaction. Repeated here because importing the program would load SQLite."""
_TRANSACTIONS_PER_SECOND = 5000
_POINTS = (("p50", 0.5), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class Sqlite(Workload):
    """Run the program with the image's python3; the interpreter's start is not part of its numbers."""

    shortest_seconds: ClassVar[float] = 0.5  # 40 ms of CPU time for the start and the tables
    from_mode: FromMode = "default"
    name: str = "app-sqlite"
    family: str = "apps"
    summary: str = "SQLite: transactions of five look-ups, inserts and updates, in WAL mode"
    programs: tuple[str, ...] = ("python3",)

    duet: ClassVar[Duet] = "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the size of a transaction and the database's mode."""
        return {"lines": LINES, "journal": "wal", "synchronous": "normal"}

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the program that the job runs."""
        del cache
        return {PROGRAM_IN_IMAGE: PROGRAM}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of transactions everywhere."""
        program = str(PurePosixPath(site.root) / PROGRAM_IN_IMAGE.lstrip("/"))
        transactions = str(amount(_TRANSACTIONS_PER_SECOND, seconds))
        argv = site.image.argv(site.root, "python3", "-B", program, site.scratch, transactions)
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "python3"),
            directory=site.scratch,
            timeout_seconds=job_timeout(seconds),
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the rate of transactions, and the median and the tail of their times."""
        times, elapsed = from_json(
            self.name, result.stdout, lambda one: (sorted(one["times_ns"]), one["elapsed_ns"])
        )
        if not times:
            raise ParseError(self.name, say("parse.no_transactions", "no transactions"), result.stdout)
        n = len(times)
        rate = n / number(self.name, "elapsed time", elapsed, result.stdout) * 1e9
        return (
            metric("sqlite.transactions.rate", rate, "ops/s", "higher", "sqlite3", primary=True, samples=n),
            *(
                metric(
                    f"sqlite.transaction.{name}",
                    number(self.name, name, times[math.ceil(share * n) - 1], result.stdout) / 1e9,
                    "s", "lower", "sqlite3", samples=n,
                )
                for name, share in _POINTS
            ),
        )  # fmt: skip

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the interpreter's start and the making of the tables."""
        del opening_seconds
        return job_seconds + 0.08
