"""Measure a TCP connection of a place's job: to the host, to a job of another place, or within the place.

Server and client are the same program. For connections to the host the launcher starts the server in the net namespace
that has the place's ``host_address``; it runs on the host's CPUs without limits, under every runner alike.
"""

from __future__ import annotations

import os
import select
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.inside import PATH, program
from tare.runners.launcher.processes import SpawnError, SpawnRequest
from tare.runners.launcher.steps.namespaces import into_network
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

    from tare.runners.context import RunContext
    from tare.runners.images.image import Image
    from tare.runners.model import JobResult, Place

    Kind = Literal["latency", "out", "in"]

_READY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Amount:
    """Amount of work of one connection."""

    count: int
    """Round trips, or bytes."""
    cap_seconds: float
    """Time after which the client stops in any case."""
    timeout_seconds: float
    """Time after which the job is killed."""

    @property
    def words(self) -> tuple[str, str]:
        """Count, and cap in ms, as the program takes them."""
        return str(self.count), str(round(self.cap_seconds * 1000))


_FIELDS: Mapping[str, tuple[str, ...]] = {
    "latency": ("round_trips", "elapsed_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns"),
    "out": ("sent_bytes", "arrived_bytes", "elapsed_ns"),
    "in": ("arrived_bytes", "elapsed_ns"),
}


@contextmanager
def server(context: RunContext, image: Image, address: str, network: str) -> Iterator[int]:
    """Run a server for a place's jobs and yield its port; the server is killed afterwards.

    Args:
        context: The run's.
        image: Image that has the program.
        address: The place's ``host_address``; if no interface has it, the server listens on 127.0.0.1 instead.
        network: The place's ``host_network``.

    Raises:
        PlaceFailure: The server does not listen.
    """
    read, write = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(read, "rb", buffering=0) as answers:
        try:
            request = SpawnRequest(
                ("tare-inside", "net-server", address),
                {"TARE_RUN": context.run},
                program=image.tree / PATH.lstrip("/"),
                fds={1: write, 2: write},
                steps=into_network(network),
            )
            spawned = context.launcher.spawn(request)
        except SpawnError as error:
            raise PlaceFailure(
                say(
                    "place.no_net_server",
                    "no server for the network's other end: {error}",
                    error=error,
                )
            ) from error
        finally:
            os.close(write)
        try:
            ready, _, _ = select.select([answers], [], [], _READY_SECONDS)
            said = answers.read(200).decode("ascii", "replace").split() if ready else []
            if len(said) != 2 or not said[1].isdigit():
                raise PlaceFailure(
                    say(
                        "place.net_server_silent",
                        "the server on {address} does not listen: {told}",
                        address=address,
                        told=" ".join(said) or "it is silent",
                    )
                )
            yield int(said[1])
        finally:
            context.launcher.kill(spawned.id)
            with suppress(SpawnError):  # it never ran, which was reported above
                context.launcher.wait(spawned.id, _READY_SECONDS)


def job(place: Place, kind: Kind, address: tuple[str, int], amount: Amount) -> Job:
    """Make the client's job, which connects to the server at ``address``."""
    host, port = address
    return Job((program(place), kind, host, str(port), *amount.words), timeout_seconds=amount.timeout_seconds)


def loopback_job(place: Place, kind: Kind, amount: Amount) -> Job:
    """Make a job that is both ends, on the place's own loopback interface."""
    return Job((program(place), "net-loopback", kind, *amount.words), timeout_seconds=amount.timeout_seconds)


def serving_job(root: str, address: str, port: int) -> Job:
    """Make a job that serves connections until it is stopped, in a place with this root."""
    return Job((f"{root.rstrip('/')}{PATH}", "net-server", address, str(port), "0"))


def answer(kind: Kind, result: JobResult) -> dict[str, int]:
    """Parse the client's measurements, taken with the place's clock: all fields of the kind, each above 0.

    Raises:
        TareError: The client failed, or its output is malformed.
    """
    said = result.stderr.decode("ascii", "replace").strip()
    if result.timed_out:
        raise TareError(say("net.not_ended", "the place's end of the connection did not end in time"))
    if result.error or result.exit_code != 0:
        raise TareError(
            say(
                "net.failed",
                "the place's end of the connection failed: {error}",
                error=result.error or said or result.exit_code,
            )
        )
    found: dict[str, int] = {}
    for line in result.stdout.decode("ascii", "replace").splitlines():
        name, _, value = line.partition(" ")
        if name not in _FIELDS[kind] or name in found or not value.isdigit():
            raise TareError(
                say("net.odd_line", "not a line of the network's answer: {line!r}", line=line[:100])
            )
        found[name] = int(value)
    if found.keys() != set(_FIELDS[kind]) or min(found.values()) == 0:
        raise TareError(say("net.lacks", "the network's answer lacks something: {found}", found=found))
    if kind == "out" and found["sent_bytes"] != found["arrived_bytes"]:
        raise TareError(
            say(
                "net.lost",
                "{sent_bytes} bytes were sent and {arrived_bytes} arrived",
                sent_bytes=found["sent_bytes"],
                arrived_bytes=found["arrived_bytes"],
            )
        )
    return found
