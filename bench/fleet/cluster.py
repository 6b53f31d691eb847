"""Define what the director asks of the cluster that its hosts are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.bench.fleet.messages import Assignment, Chunk, Ended, HostFacts


class SchedulerLost(TareError):
    """The connection to the scheduler is lost, so nothing can be given or received any more."""


class Cluster(Protocol):
    """Workers on hosts, by their addresses. Every method may raise :class:`SchedulerLost`."""

    def workers(self) -> frozenset[str]:
        """Return the addresses of the workers that are there."""

    def describe(self, workers: Iterable[str]) -> Mapping[str, HostFacts | str]:
        """Ask new workers who they are; a text is the reason why one cannot take part."""

    def start(self, worker: str, assignment: Assignment) -> None:
        """Give a worker an assignment to carry out."""

    def receive(self, seconds: float) -> list[Chunk | Ended]:
        """Return what came in, in its order; if there is nothing, wait up to ``seconds``."""

    def stop(self, orders: Mapping[str, str]) -> None:
        """Let runs be ended as by Ctrl-C; worker → token of the order."""

    def rest(self, worker: str, assignment: Assignment, offset: int) -> Chunk | None:
        """Read what of a run follows a position; ``None`` if the worker does not answer."""

    def forget(self, worker: str, assignment: Assignment) -> None:
        """Let a host remove its copy of a run; if it does not answer, nothing happens."""
