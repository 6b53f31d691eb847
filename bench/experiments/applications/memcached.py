"""``app-memcached``: measure ``get`` of one value of 100 bytes, by ``tare-load`` at the maximum and at a fixed load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare.bench.experiments.applications import load
from tare.bench.experiments.applications.base import LOAD_SECONDS, TOOL_SECONDS, Application, Session
from tare.bench.experiments.applications.load import Load
from tare.bench.experiments.serving import Address, Readiness, Server
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.results.record import Metric

CONNECTIONS = 32
_VALUE = "v" * 100


@dataclass(frozen=True, slots=True)
class Memcached(Application):
    """Measure memcached with one worker thread."""

    name: str = "app-memcached"
    summary: str = (
        "memcached, get of 100 bytes: the most that 32 connections get, and latencies at a fixed load"
    )
    packed: tuple[str, ...] = ("memcached",)
    rate: int = 5000

    def server(self) -> Server:
        """Describe the server program of this application."""
        return Server(_job, Readiness("port"))

    def measure(self, session: Session) -> Iterable[Metric]:
        """Set the value that is read, then measure."""
        put = f"set key 0 0 {len(_VALUE)}\r\n{_VALUE}\r\n"
        session.offer(Load("memcached", put, 0, 1, session.seconds(0.05), warmup_seconds=0))
        get = Load("memcached", "get key\r\n", self.rate, CONNECTIONS, LOAD_SECONDS)
        most = replace(
            get, rate=0, seconds=session.seconds(TOOL_SECONDS), warmup_seconds=session.seconds(0.2)
        )
        yield from load.closed_metrics(session.offer(most))
        yield from self.at_fixed_load(session, get)


def _job(at: Address) -> Job:
    site = at.site
    # It refuses to be root unless it is told to be.
    argv = site.image.argv(
        site.root, "memcached", *("-u", "root", "-l", at.listen, "-p", str(at.port), "-U", "0"),
        *("-t", "1", "-m", "64"),
    )  # fmt: skip
    return Job(argv, site.image.environ(site.root, "memcached"), directory=site.scratch)
