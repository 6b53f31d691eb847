"""Offer a fixed load to a server, or as much as it takes, by ``tare-load`` (``load.c`` beside the workloads).

At a fixed rate the load is open: latencies count from when a request was due, so that a server which stalls is charged
for every request that was due meanwhile. Closed clients such as wrk, redis-benchmark and memtier leave these out
(coordinated omission; Tene 2013), as ``tests/integration/test_applications_live.py`` shows with a server that stalls.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tare.bench.workloads
from tare.bench.workloads.base import metric
from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.model import Job
from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.experiments.serving import Address
    from tare.results.record import Metric
    from tare.runners.model import JobResult, Place

    Protocol = Literal["http", "resp", "memcached"]

SOURCE = Path(tare.bench.workloads.__file__).with_name("load.c")
PROGRAM = "usr/bin/tare-load"
"""Path of the program in the image."""
SOURCE_NAME = "tare-load"
"""Source of its metrics."""
TIMEOUT_SECONDS = 20.0
"""Time beyond a load's length after which its job is killed."""
LEAST_FOR_THOUSANDTHS = 1000
"""Requests below which the 99.9th percentile is the largest value, and not told."""
_FIELDS = (
    *("answered", "unanswered", "failed", "elapsed_ns", "bytes"),
    *("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns", "lag_p50_ns", "lag_p99_ns"),
)


@dataclass(frozen=True, slots=True)
class Load:
    """Describe a load to offer to a server."""

    protocol: Protocol
    request: str
    """Bytes of every request."""
    rate: int
    """Requests per second; 0: each connection sends the next request when the last one is answered."""
    connections: int
    seconds: float
    warmup_seconds: float = 0.2
    """Time before, in which the same load is offered and nothing is counted."""
    drain_seconds: float = 1.0
    """Time to wait for the last answers."""

    def job(self, client: Place, at: Address) -> Job:
        """Make the job of the client that offers it."""
        times = (self.warmup_seconds, self.seconds, self.drain_seconds)
        argv = (
            f"{client.root.rstrip('/')}/{PROGRAM}",
            *(self.protocol, at.address, str(at.port), self.request, str(self.rate), str(self.connections)),
            *(str(round(seconds * 1000)) for seconds in times),
        )
        return Job(argv, timeout_seconds=sum(times) + TIMEOUT_SECONDS)


def files(cache: Path) -> Mapping[str, Path]:
    """Compile the program: path in the image → file."""
    return {PROGRAM: build(SOURCE, cache)}


def answer(result: JobResult) -> dict[str, int]:
    """Read what the program found; a request that failed is no number.

    Raises:
        TareError: it failed, a request did, or its output is malformed.
    """
    if result.timed_out:
        raise TareError(say("load.slow", "the load's client did not end in time"))
    if result.error or result.exit_code != 0:
        said = result.stderr.decode("utf-8", "replace").strip()
        raise TareError(
            say(
                "load.failed",
                "the load's client failed: {error}",
                error=result.error or said or result.exit_code,
            )
        )
    found = parse(result.stdout)
    if found["failed"]:
        raise TareError(
            say(
                "load.server_failed",
                "the server failed at {failed} requests (status 5xx)",
                failed=found["failed"],
            )
        )
    return found


def parse(output: bytes) -> dict[str, int]:
    """Parse the program's output, in which requests may have failed.

    Raises:
        TareError: it is malformed.
    """
    found: dict[str, int] = {}
    for line in output.decode("ascii", "replace").splitlines():
        name, _, value = line.partition(" ")
        if name not in _FIELDS or name in found or not value.isdigit():
            raise TareError(
                say("load.odd_line", "not a line of the load's answer: {line!r}", line=line[:100])
            )
        found[name] = int(value)
    if found.keys() != set(_FIELDS) or found["elapsed_ns"] == 0:
        raise TareError(say("load.lacks", "the load's answer lacks something: {found}", found=found))
    return found


def open_metrics(found: Mapping[str, int]) -> tuple[Metric, ...]:
    """Return the metrics of a load at a fixed rate."""
    n = found["answered"] + found["unanswered"]
    points = ("p50", "p99", *(("p999",) if n >= LEAST_FOR_THOUSANDTHS else ()), "max")
    return (
        *(
            metric(f"app.load.{point}", found[f"{point}_ns"] / 1e9, "s", "lower", SOURCE_NAME, samples=n)
            for point in points
        ),
        metric("app.load.unanswered", found["unanswered"] / n, "ratio", "lower", SOURCE_NAME, samples=n),
        # The client's own delay in sending is part of every latency; it says how far to trust the rest.
        metric("app.load.client_delay.p99", found["lag_p99_ns"] / 1e9, "s", "lower", SOURCE_NAME, samples=n),
    )


def closed_metrics(found: Mapping[str, int]) -> tuple[Metric, ...]:
    """Return the metrics of a load as large as the server takes; the rate is judged."""
    n = found["answered"]
    if not n:
        raise TareError(say("load.unanswered", "no request was answered"))
    return (
        metric(
            "app.max.rate", n / found["elapsed_ns"] * 1e9, "ops/s", "higher", SOURCE_NAME, primary=True, samples=n
        ),
        *(
            metric(f"app.max.{point}", found[f"{point}_ns"] / 1e9, "s", "lower", SOURCE_NAME, samples=n)
            for point in ("p50", "p99")
        ),
    )  # fmt: skip
