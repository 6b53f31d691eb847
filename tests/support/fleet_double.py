"""A cluster of made-up hosts, each of which stores a trial whenever the director waits; and its clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from support.results_making import manifest, trial
from tare.bench.errors import Exit
from tare.bench.fleet.cluster import SchedulerLost
from tare.bench.fleet.messages import Assignment, Chunk, Ended, HostFacts
from tare.results.plan import RequestRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tare.results.record import Manifest

REQUEST = RequestRecord(settings={"run.seed": 7}, mode="quick")


@dataclass
class MadeRun:
    """A run on its way: what the host stored, and how far the director was told."""

    worker: str
    order: Assignment
    run: str
    stored: bytes = b""
    sent: int = 0
    number: int = 0


@dataclass
class FakeCluster:
    """See :class:`tare.bench.fleet.cluster.Cluster`; the tests say when a worker goes, comes or loses messages."""

    trials: int = 4
    """Trials of each new run."""
    skips: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host → runners that its plan leaves out."""
    clock: float = 0.0
    there: dict[str, HostFacts | str] = field(default_factory=dict)
    made: list[MadeRun] = field(default_factory=list)
    active: list[MadeRun] = field(default_factory=list)
    orders: list[Assignment] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    deaf: bool = False
    """Chunks with trials get lost, so the director has to fetch them."""
    gone: bool = False
    fails: Mapping[str, Ended] = field(default_factory=dict)
    """Host → how its process ends at once."""
    last: list[Chunk | Ended] | None = None
    """What comes in after the runs were stopped."""
    at_wait: Callable[[FakeCluster], None] = lambda _cluster: None

    def add(self, host: str, of_class: str = "A", version: str = "1") -> None:
        self.there[f"tcp://{host}"] = HostFacts(host=host, host_class=of_class, version=version)

    def kill(self, host: str) -> None:
        self.there.pop(f"tcp://{host}")
        self.active = [one for one in self.active if one.order.host != host]

    def workers(self) -> frozenset[str]:
        if self.gone:
            raise SchedulerLost("it is gone")
        return frozenset(self.there)

    def describe(self, workers: Iterable[str]) -> dict[str, HostFacts | str]:
        return {worker: self.there[worker] for worker in workers}

    def start(self, worker: str, order: Assignment) -> None:
        # A worker that was told to end an order ends every other one of that name, too.
        assert order.token not in {one.token for one in self.orders}, f"{order.token} is given a second time"
        made = MadeRun(worker, order, order.run or f"run-{len(self.made)}", order.trials, len(order.trials))
        made.number = order.trials.count(b"\n")
        if not order.run:
            for at, runner in enumerate(self.skips.get(order.host, ())):
                made.stored += self._line(made, runner=runner, block=-1, outcome="skipped", at=at)
                made.number += 1
        self.orders.append(order)
        self.made.append(made)
        self.active.append(made)

    def _line(self, made: MadeRun, at: int, **changes: object) -> bytes:
        one = trial(made.number, 1.0, run=made.run, spent_seconds=2.0, **changes)
        return msgspec.json.encode(one) + b"\n"

    def receive(self, seconds: float) -> list[Chunk | Ended]:
        if self.last is not None:
            return self.last
        self.at_wait(self)
        self.clock += seconds
        if self.gone:
            raise SchedulerLost("it is gone")
        found: list[Chunk | Ended] = []
        for made in list(self.active):
            if ending := self.fails.get(made.order.host):
                self.active.remove(made)
                found.append(msgspec.structs.replace(ending, token=made.order.token))
                continue
            done = made.number >= self.trials
            if not done:
                made.stored += self._line(made, at=made.number, block=made.number)
                made.number += 1
            found.append(self._chunk(made, "complete" if done else "running"))
            if done:
                self.active.remove(made)
                found.append(self._ended(made, Exit.OK))
        return found

    def _chunk(self, made: MadeRun, status: str) -> Chunk:
        about = self._manifest(made, status)
        lines = made.stored[made.sent :]
        offset, made.sent = made.sent, len(made.stored)
        return Chunk(
            token=made.order.token,
            run=made.run,
            manifest=msgspec.json.encode(about),
            offset=offset,
            lines=b"" if self.deaf else lines,
        )

    def _manifest(self, made: MadeRun, status: str) -> Manifest:
        plan = {
            "mode": "quick", "seed": 7, "precision": 0.01, "cases": [], "budget_seconds": 40.0, "estimate_seconds": 40.0,
            "job_seconds": 1.0, "warmups": False, "cheap": ["bare"], "request": msgspec.to_builtins(made.order.request),
        }  # fmt: skip
        return manifest(run=made.run, status=status, mode="quick", plan=plan)

    def _ended(self, made: MadeRun, code: int) -> Ended:
        return Ended(token=made.order.token, code=code, said="", run=made.run, size=len(made.stored))

    def stop(self, orders: Mapping[str, str]) -> None:
        stopped = [one for one in self.active if one.order.token in orders.values()]
        self.active = [one for one in self.active if one not in stopped]
        if not stopped:  # of a worker that knows nothing of it
            return
        self.fails = {}
        came = [
            message
            for one in stopped
            for message in (self._chunk(one, "interrupted"), self._ended(one, Exit.INTERRUPTED))
        ]
        self.last = came

    def rest(self, worker: str, order: Assignment, offset: int) -> Chunk | None:
        made = next(one for one in self.made if one.order.token == order.token)
        return Chunk(
            token=order.token, run=made.run, manifest=b"", offset=offset, lines=made.stored[offset:]
        ) if worker in self.there else None  # fmt: skip

    def forget(self, worker: str, order: Assignment) -> None:
        del worker
        self.forgotten.append(order.host)
