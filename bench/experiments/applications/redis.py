"""``app-redis``: measure GET of one key from Redis, by ``redis-benchmark`` and at a fixed load."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.experiments.applications.base import LOAD_SECONDS, Application, Session, maximum
from tare.bench.experiments.applications.load import Load
from tare.bench.experiments.serving import Address, Readiness, Server
from tare.bench.workloads.base import ParseError, number
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.results.record import Metric

REQUESTS = 60_000
"""Requests at the maximum: about a second for one client thread."""
REQUESTS_ON_TCG = 3_000
CONNECTIONS = 50
KEY = "key:__rand_int__"
"""Key that redis-benchmark uses where it is not told to vary it."""


@dataclass(frozen=True, slots=True)
class Redis(Application):
    """Measure Redis without persistence."""

    name: str = "app-redis"
    summary: str = "Redis, GET of one key: the most that redis-benchmark gets, and latencies at a fixed load"
    packed: tuple[str, ...] = ("redis-server", "redis-benchmark")
    rate: int = 5000

    def server(self) -> Server:
        """Describe the server: in memory alone, so that no disk is measured."""
        return Server(_job, Readiness("port"))

    def measure(self, session: Session) -> Iterable[Metric]:
        """Set the key that is read, then measure."""
        benchmark(session, "set", 1000)
        requests = REQUESTS_ON_TCG if session.emulated else REQUESTS
        benchmark(session, "get", requests // 10)
        yield from parse(self.name, benchmark(session, "get", requests), requests)
        get = f"*2\r\n$3\r\nGET\r\n${len(KEY)}\r\n{KEY}\r\n"
        yield from self.at_fixed_load(session, Load("resp", get, self.rate, CONNECTIONS, LOAD_SECONDS))


def _job(at: Address) -> Job:
    site = at.site
    argv = site.image.argv(
        site.root, "redis-server", *("--bind", at.listen, "--port", str(at.port), "--protected-mode", "no"),
        *("--save", "", "--appendonly", "no", "--dir", site.scratch),
    )  # fmt: skip
    return Job(argv, site.image.environ(site.root, "redis-server"), directory=site.scratch)


def benchmark(session: Session, test: str, requests: int) -> bytes:
    """Run redis-benchmark for a number of requests; return its table."""
    at = session.at
    return session.tool(
        "redis-benchmark", *("-h", at.address, "-p", str(at.port), "-c", str(CONNECTIONS)),
        *("-n", str(requests), "-t", test, "--csv"),
    ).stdout  # fmt: skip


def parse(name: str, output: bytes, requests: int) -> tuple[Metric, ...]:
    """Read ``redis-benchmark --csv`` of one test; latencies are in ms.

    Raises:
        ParseError: it is not that.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(output.decode("utf-8", "replace"))))
    except csv.Error as error:
        raise ParseError(name, say("parse.no_csv", "no CSV ({error})", error=error), output) from error
    if len(rows) != 1:
        raise ParseError(name, say("parse.no_row", "not one row"), output)
    found = {
        column: number(name, column, rows[0].get(column), output)
        for column in ("rps", "p50_latency_ms", "p99_latency_ms")
    }
    return maximum(
        found["rps"],
        found["p50_latency_ms"] / 1e3,
        found["p99_latency_ms"] / 1e3,
        "redis-benchmark",
        requests,
    )
