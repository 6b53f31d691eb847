"""Reach the hosts of a campaign by Dask: its scheduler knows the workers, carries orders there and chunks of runs back.

Dask is an extra, and only what uses it imports it. Its configuration says how connections are made, with TLS or without.
"""

from __future__ import annotations

import logging
import queue
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tare.bench.errors import EnvironmentMissing
from tare.bench.fleet import host
from tare.bench.fleet.cluster import SchedulerLost
from tare.bench.fleet.messages import Assignment, Chunk, Ended, HostFacts
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from distributed import Client, Future, Worker

RESOURCE: Final = "tare"
"""Resource that each run takes; a worker that may measure has one of it, so that one run is made at a time."""

TO_INSTALL: Final = say(
    "fleet.needs_dask", "tare fleet needs Dask: pip install 'tarebench[fleet]', here and on every host."
)

_LOGGERS: Final = ("distributed", "distributed.client", "distributed.scheduler", "distributed.core")
"""Loggers that would print a traceback for a lost scheduler, and a line for each worker that goes: the director says both."""

_CONNECT_SECONDS = 15.0
_FORGET_SECONDS = 15.0

_unwanted: set[str] = set()
"""Tokens of the orders that this worker was told to end."""


@contextmanager
def connected(address: str, campaign: str) -> Iterator[DaskCluster]:
    """Connect to the scheduler of a cluster.

    Raises:
        EnvironmentMissing: Dask is not installed, or nothing answers there.
        UsageError: the address cannot be one.
    """
    client_class = _client_class()
    try:
        _check_security(address)
        client = client_class(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise EnvironmentMissing(say(
            "fleet.no_scheduler",
            "no scheduler answers at {address}: {error}. Start one by `dask scheduler`, or look at the address and at Dask's TLS settings.",
            address=address, error=error,
        )) from error  # fmt: skip
    except (
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:  # the latter: Dask is told to refuse what is not encrypted
        raise UsageError(say(
            "fleet.bad_address", "--scheduler {address!r}: {error}. Give an address such as tcp://127.0.0.1:8786.",
            address=address, error=error,
        )) from error  # fmt: skip
    cluster = DaskCluster(client, campaign)
    try:
        yield cluster
    finally:
        cluster.close()


@contextmanager
def local_scheduler() -> Iterator[str]:
    """Run a scheduler in this process, on the loopback address alone, and yield its address.

    Raises:
        EnvironmentMissing: Dask is not installed.
    """
    _client_class()
    from distributed import LocalCluster  # noqa: PLC0415 - an extra

    with LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", processes=False, protocol="tcp"
    ) as cluster:
        yield cluster.scheduler_address


def _client_class() -> type[Client]:
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise EnvironmentMissing(TO_INSTALL) from error
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)

    class ClosedByHand(Client):
        """A client that :meth:`DaskCluster.close` closes."""

        def __del__(self) -> None:
            """Do nothing: Dask's would wait 30 s for a client that could not be made, and print a traceback."""

    return ClosedByHand


def _check_security(address: str) -> None:
    """Refuse an address with TLS where Dask has no certificates: its own sentence speaks of Python objects."""
    from distributed import Security  # noqa: PLC0415 - an extra

    if address.startswith("tls://") and Security().get_connection_args("client").get("ssl_context") is None:
        raise UsageError(say(
            "fleet.no_certificates",
            "--scheduler {address}: Dask has no certificates. Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, and …__TLS__CLIENT__CERT "
            "and …__KEY, as docs/fleet.md says.",
            address=address,
        ))  # fmt: skip


class DaskCluster:
    """A cluster by way of its Dask client; see :class:`tare.bench.fleet.cluster.Cluster`."""

    def __init__(self, client: Client, campaign: str) -> None:
        self.client = client
        self.topic = f"tare-{campaign}"
        self._came: queue.Queue[Chunk | Ended] = queue.Queue()
        self._forgetting: list[Future[None]] = []
        self._futures: dict[str, Future[bytes]] = {}
        client.subscribe_topic(self.topic, self._take_event)

    def _take_event(self, event: tuple[float, bytes]) -> None:
        self._came.put(msgspec.msgpack.decode(event[1], type=Chunk))

    def _check(self) -> None:
        if self.client.status != "running":
            raise SchedulerLost(say("fleet.scheduler_lost", "the connection to the scheduler was lost"))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn what goes wrong when the scheduler is asked into the loss of it."""
        self._check()
        try:
            yield
        except (OSError, TimeoutError, RuntimeError) as error:
            raise SchedulerLost(
                say("fleet.scheduler_silent", "the scheduler does not answer any more ({error})", error=error)
            ) from error

    def workers(self) -> frozenset[str]:
        """Ask the scheduler; see :meth:`Cluster.workers`."""
        with self._asking():
            return frozenset(self.client.nthreads())

    def describe(self, workers: Iterable[str]) -> Mapping[str, HostFacts | str]:
        """Ask the workers themselves; see :meth:`Cluster.describe`."""
        with self._asking():
            said = self.client.run(_introduce, workers=list(workers), on_error="return")
        return {worker: _introduced(one) for worker, one in said.items()}

    def start(self, worker: str, assignment: Assignment) -> None:
        """Submit a task for one worker; see :meth:`Cluster.start`."""
        self._check()
        future = self.client.submit(
            _measure,
            msgspec.msgpack.encode(assignment),
            self.topic,
            key=assignment.token,
            workers=[worker],
            resources={RESOURCE: 1},
            pure=False,
        )
        self._futures[assignment.token] = future
        future.add_done_callback(lambda one: self._take_end(assignment.token, one))

    def _take_end(self, token: str, future: Future[bytes]) -> None:
        """Take the end of an order; called by a thread of the client's, after the chunks that were sent before."""
        self._futures.pop(token, None)
        if future.status == "finished":
            self._came.put(msgspec.msgpack.decode(future.result(), type=Ended))
        elif future.status == "error":
            error = future.exception()
            text = say(
                "fleet.worker_failed",
                "the worker failed: {name}: {error}",
                name=type(error).__name__,
                error=error,
            )
            self._came.put(Ended(token=token, code=1, said=text, run="", size=0))

    def receive(self, seconds: float) -> list[Chunk | Ended]:
        """Empty the queue that the client fills; see :meth:`Cluster.receive`."""
        found: list[Chunk | Ended] = []
        with suppress(queue.Empty):
            found.append(self._came.get(timeout=seconds))
            while True:
                found.append(self._came.get_nowait())
        if not found:
            self._check()
        return found

    def stop(self, orders: Mapping[str, str]) -> None:
        """Tell the workers; see :meth:`Cluster.stop`."""
        with self._asking():
            self.client.run(_refuse, list(orders.values()), workers=list(orders), on_error="ignore")

    def rest(self, worker: str, assignment: Assignment, offset: int) -> Chunk | None:
        """Read it on the worker; see :meth:`Cluster.rest`."""
        order = msgspec.msgpack.encode(assignment)
        with self._asking():
            said = self.client.run(_read_rest, order, offset, workers=[worker], on_error="ignore")
        found = said.get(worker)
        return None if found is None else msgspec.msgpack.decode(found, type=Chunk)

    def forget(self, worker: str, assignment: Assignment) -> None:
        """Remove it on the worker; see :meth:`Cluster.forget`."""
        self._check()
        order = msgspec.msgpack.encode(assignment)
        key = f"{assignment.token}-forget"
        # A task of its own: with many hosts, waiting for each in turn would take longer than all of them do.
        self._forgetting.append(self.client.submit(_forget, order, key=key, workers=[worker], pure=False))

    def close(self) -> None:
        """Wait a little until all hosts have removed what they were told to, and close the connection."""
        from distributed import wait  # noqa: PLC0415 - an extra

        # The connection may be lost already, which has been told.
        if self._forgetting and self.client.status == "running":
            # Its client is nobody's default one, which `wait` would take.
            with suppress(OSError, TimeoutError, RuntimeError, CancelledError), self.client.as_current():
                wait(self._forgetting, timeout=_FORGET_SECONDS)
        with suppress(Exception):
            self.client.close(timeout=5)


def _introduced(said: object) -> HostFacts | str:
    """Understand what a worker said of itself, or why it could not."""
    if isinstance(said, bytes):
        return msgspec.msgpack.decode(said, type=HostFacts)
    if isinstance(said, ImportError):
        return say(
            "fleet.no_tare",
            "the Python of its worker has no tare ({error}): pip install 'tarebench[fleet]' there",
            error=said,
        )
    return say(
        "fleet.no_facts", "it cannot say what it is: {name}: {error}", name=type(said).__name__, error=said
    )


async def _introduce(dask_worker: Worker) -> bytes:
    """Say on a worker who its host is, and let it make one run at a time."""
    found = host.facts()
    await dask_worker.set_resources(**{RESOURCE: 1})
    return msgspec.msgpack.encode(found)


def _measure(order: bytes, topic: str) -> bytes:
    """Carry out an order on a worker, in one of its threads."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    worker = get_worker()
    assignment = msgspec.msgpack.decode(order, type=Assignment)

    def send(chunk: Chunk) -> None:
        worker.log_event(topic, msgspec.msgpack.encode(chunk))

    def unwanted() -> bool:
        return assignment.token in _unwanted or _given_up(worker, assignment.token)

    return msgspec.msgpack.encode(host.measure(assignment, send, unwanted))


def _given_up(worker: Any, token: str) -> bool:
    """Tell whether nobody awaits an order any more: its client is gone, or the worker closes."""
    task = worker.state.tasks.get(token)
    return worker.status.name != "running" or task is None or task.state != "executing"


def _refuse(tokens: list[str]) -> None:
    _unwanted.update(tokens)


def _read_rest(order: bytes, offset: int) -> bytes:
    return msgspec.msgpack.encode(host.read_rest(msgspec.msgpack.decode(order, type=Assignment), offset))


def _forget(order: bytes) -> None:
    host.forget(msgspec.msgpack.decode(order, type=Assignment))
