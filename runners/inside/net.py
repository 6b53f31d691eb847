"""A TCP connection between a place's job and the host: the host's end, and what the place's end says.

The server is the same program as the client, started by the launcher in the net namespace where the place's
``host_address`` is. It uses the host's CPUs and no limits, under every runner alike.
"""

from __future__ import annotations

import os
import select
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tare.runners.errors import PlaceFailure, TareError
from tare.runners.inside import PATH, program
from tare.runners.launcher.processes import SpawnError, SpawnRequest
from tare.runners.launcher.steps.namespaces import EnterNamespace
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

    from tare.runners.context import RunContext
    from tare.runners.images.image import Image
    from tare.runners.model import JobResult, Place

    Kind = Literal["latency", "out", "in"]

_READY_SECONDS = 5.0
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "latency": ("round_trips", "elapsed_ns", "p50_ns", "p99_ns", "max_ns"),
    "out": ("sent_bytes", "arrived_bytes", "elapsed_ns"),
    "in": ("arrived_bytes", "elapsed_ns"),
}


@contextmanager
def server(context: RunContext, image: Image, address: str, network: str) -> Iterator[int]:
    """A server for a place's jobs; yields its port. Gone afterwards.

    Args:
        context: of the run.
        image: has the program.
        address: the place's ``host_address``; where nobody has it, the server listens on 127.0.0.1 instead.
        network: the place's ``host_network``.

    Raises:
        PlaceFailure: it does not listen.
    """
    steps = (EnterNamespace("net", network),) if network else ()
    read, write = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(read, "rb", buffering=0) as answers:
        try:
            request = SpawnRequest(
                ("tare-inside", "net-server", address),
                {"TARE_RUN": context.run},
                program=image.tree / PATH.lstrip("/"),
                fds={1: write, 2: write},
                steps=steps,
            )
            spawned = context.launcher.spawn(request)
        except SpawnError as error:
            raise PlaceFailure(f"no server for the network's other end: {error}") from error
        finally:
            os.close(write)
        try:
            ready, _, _ = select.select([answers], [], [], _READY_SECONDS)
            said = answers.read(200).decode("ascii", "replace").split() if ready else []
            if len(said) != 2 or not said[1].isdigit():
                raise PlaceFailure(
                    f"the server on {address} does not listen: {' '.join(said) or 'it is silent'}"
                )
            yield int(said[1])
        finally:
            context.launcher.kill(spawned.id)
            with suppress(SpawnError):  # it never ran, which has been told
                context.launcher.wait(spawned.id, _READY_SECONDS)


def job(place: Place, kind: Kind, port: int, count: int, cap_seconds: float, timeout_seconds: float) -> Job:
    """The place's end: so many round trips or bytes, or what is done of them after ``cap_seconds``."""
    argv = (
        program(place),
        kind,
        str(place.host_address),
        str(port),
        str(count),
        str(round(cap_seconds * 1000)),
    )
    return Job(argv, timeout_seconds=timeout_seconds)


def answer(kind: Kind, result: JobResult) -> dict[str, int]:
    """What the place's end measured, by its clock: all of the kind's fields, each above 0.

    Raises:
        TareError: it failed, or says something else.
    """
    said = result.stderr.decode("ascii", "replace").strip()
    if result.error or result.exit_code != 0:
        raise TareError(
            f"the place's end of the connection failed: {result.error or said or result.exit_code}"
        )
    found: dict[str, int] = {}
    for line in result.stdout.decode("ascii", "replace").splitlines():
        name, _, value = line.partition(" ")
        if name not in _FIELDS[kind] or name in found or not value.isdigit():
            raise TareError(f"not a line of the network's answer: {line[:100]!r}")
        found[name] = int(value)
    if found.keys() != set(_FIELDS[kind]) or min(found.values()) == 0:
        raise TareError(f"the network's answer lacks something: {found}")
    if kind == "out" and found["sent_bytes"] != found["arrived_bytes"]:
        raise TareError(f"{found['sent_bytes']} bytes were sent and {found['arrived_bytes']} arrived")
    return found
