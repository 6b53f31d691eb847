"""Run a server in a place and its client elsewhere: the one way in which experiments do so.

    SERVER = Server(
        job=lambda at: Job(at.site.image.argv(at.site.root, "redis-server", "--port", str(at.port), "--bind", at.listen)),
        ready=Readiness("port"),
    )

    def perform(self, lab):
        with serving(lab, SERVER, "host") as served:          # opened, started, ready
            argv = lab.image.argv(served.client.root, "redis-benchmark", "-h", served.at.address, "-p", str(served.at.port))
            result = served.run(Job(argv, environ=lab.image.environ(served.client.root), timeout_seconds=60))
            return Findings(metrics=…, context=dict(served.place.context))
                                                              # stopped, closed, nothing left, on every way out

The server is a *service* of its place (:meth:`tare.runners.model.Place.start`): a job that the place's agent runs beside
others. It has to stay in the foreground. The client is an ordinary job, with a time-out and everything that a job's
result has, in one of three places:

``same``   the server's own place; works wherever there is a place.
``host``   a place on bare metal that is opened for it, in the net namespace that leads to the server.
``other``  a second place of the same runner.

Between places the way is :meth:`tare.runners.model.Place.endpoint` (TCP), which a new network mode implements in its kind
of place and nowhere else; or a UNIX socket in the scratch folder of the server's place (``Server.socket``), which needs no
network at all, where the host sees that folder. A runner without a way is :class:`Unsuitable`, with the remedy.

Readiness is found out from where the client is (``listens``: where the server is), by the static program that every image with
:func:`tare.runners.inside.image_files` carries: list those files in :meth:`Measurable.files`.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import Site
from tare.bench.workloads.command import run_aside
from tare.results.said import say
from tare.runners.bare import open_outside
from tare.runners.errors import PlaceFailure
from tare.runners.inside import program
from tare.runners.model import SERVICE_OUTPUT_BYTES, Job
from tare.runners.places.endpoint import LOCALHOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tare.bench.experiments.base import Lab
    from tare.runners.model import Endpoint, JobResult, Limits, Place, Service

Where = Literal["same", "host", "other"]
"""Place of the client, seen from the server."""

_SLICE_SECONDS = 0.5
"""Longest wait inside the client's place before the server is looked at again."""
_ENDING_SECONDS = 0.3
"""Time for a server to end whose client has failed."""
_ANSWER_SECONDS = 5.0
"""Time for the waiting program to end after its own limit, in a slow place."""
_SOCKET_PATH_BYTES = 107
"""Longest path of a UNIX socket (unix(7))."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The sign by which a server is known to be ready."""

    by: Literal["port", "http", "line", "listens"]
    """``port``: it takes a connection, by TCP or on its UNIX socket. ``http``: it answers a request for :attr:`path` with
    a status of 2xx or 3xx. ``line``: its output matches :attr:`pattern`. ``listens``: its place's kernel says that somebody
    listens at its port, without a connection that a server might take for its only one."""
    path: str = "/"
    pattern: str = ""
    """Regular expression that is searched in the first :data:`SERVICE_OUTPUT_BYTES` of each output stream."""
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """Address at which a server listens or is reached, as one place sees it."""

    site: Site
    """The place that sees it so."""
    listen: str = LOCALHOST
    """IPv4 address to listen on: all of the place's own, but loopback alone where the place shares the host's network."""
    address: str = LOCALHOST
    """IPv4 address to connect to."""
    port: int = 0
    """0 for a server with a UNIX socket."""
    socket: str = ""
    """Path of the UNIX socket; empty for a server with a port."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server as a workload describes it."""

    job: Callable[[Address], Job]
    """Function that makes the server's job. Its time-out and its output limit are replaced."""
    ready: Readiness
    port: int = 0
    """Port it insists on; 0: it takes any, so that two of them fit into the host's network."""
    socket: str = ""
    """Name of its UNIX socket in the scratch folder; empty: it listens on a port."""
    before: Callable[[Address], Job | None] | None = None
    """Function that makes a job that precedes the server in its place, such as one that lays out data. ``None``: none."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is ready, and the place of its client."""

    place: Place
    """Place of the server."""
    client: Place
    """Place of the client; the same as :attr:`place` for ``same``."""
    at: Address
    """Address of the server as the client sees it."""
    service: Service
    ready: Readiness
    """Sign by which it was known to be ready."""
    ready_seconds: float
    """Time from the server's start until it was seen to be ready."""

    def run(self, job: Job) -> JobResult:
        """Run a job of the client.

        Raises:
            PlaceFailure: a place is lost, or the server has ended meanwhile.
        """
        result = self.client.run(job)
        if result.exit_code != 0:  # the client may know of the server's end before its agent has told of it
            self.service.wait_for(lambda _one: False, _ENDING_SECONDS)
        if ended := self.service.look():
            raise PlaceFailure(
                say(
                    "serving.ended",
                    "the server ended while its client ran: {ended}",
                    ended=ended,
                ),
                remedy=_REMEDY if self.ready.by in {"line", "listens"} else _REMEDY_ASKED,
                log=_log(self.service),
            )
        return result


_REMEDY = say("remedy.server_by_hand", "run the server's command by hand with the same arguments")
_REMEDY_ASKED = say(
    "remedy.server_asked",
    "run the server's command by hand with the same arguments; it has to tolerate a connection that is closed without a word, "
    "which the check for readiness makes, unless a line of its output tells that, or `listens = true` asks the kernel",
)


@contextmanager
def serving(
    lab: Lab, server: Server, where: Where, *, client_limits: Limits | None = None
) -> Iterator[Served]:
    """Open the places, start the server and wait until it is ready; stop it and close everything at the end.

    Args:
        lab: the experiment's.
        server: the server.
        where: place of the client.
        client_limits: limits of a client on the host, such as other CPUs; ``None``: the lab's.

    Raises:
        Unsuitable: there is no way from the client to the server with this runner.
        PlaceFailure: a place cannot be opened, or the server is not ready in time.
    """
    with ExitStack() as stack:
        place = stack.enter_context(lab.runner.open())
        port = 0 if server.socket else server.port or free_port()
        endpoint = None if where == "same" or server.socket else place.endpoint(port)
        _require_way(lab, server, where, place, endpoint)
        if where == "same":
            client = place
        elif where == "other":
            client = stack.enter_context(lab.runner.open())
        else:
            limits = client_limits or lab.limits
            client = stack.enter_context(open_outside(lab.context, lab.image, limits, endpoint))
        listens = _inside(lab, place, server, port)
        at = (
            listens
            if client is place
            else _outside(lab, server, place, client, endpoint if where == "host" else _between(endpoint))
        )
        if server.before:
            run_aside(
                place, server.before(listens), say("serving.not_prepared", "the server could not be prepared")
            )
        began = time.monotonic()
        service = place.start(as_service(server.job(listens)))
        stack.callback(service.stop)
        if server.ready.by == "listens" or (endpoint and endpoint.path == "forwarded"):
            # A forwarded port takes connections whether or not anybody listens behind it.
            wait_until_ready(service, server.ready, place, listens)
        if server.ready.by != "listens":
            wait_until_ready(service, server.ready, client, at)
        yield Served(place, client, at, service, server.ready, time.monotonic() - began)


def site_of(lab: Lab, place: Place) -> Site:
    """Describe a place for the jobs of an experiment."""
    return Site(lab.image, place.root, place.scratch, lab.limits.cpus)


def _inside(lab: Lab, place: Place, server: Server, port: int) -> Address:
    path = f"{place.scratch.rstrip('/')}/{server.socket}" if server.socket else ""
    return Address(site_of(lab, place), listening_address(place), port=port, socket=path)


def listening_address(place: Place) -> str:
    """Give the IPv4 address for servers in a place: all of its own, but loopback alone in the host's network."""
    return LOCALHOST if place.host_address == LOCALHOST else "0.0.0.0"  # noqa: S104 - a network of its own


def _outside(lab: Lab, server: Server, place: Place, client: Place, endpoint: Endpoint | None) -> Address:
    site = site_of(lab, client)
    if endpoint is None:
        path = str(Path(str(place.host_scratch), server.socket))
        if len(path.encode()) > _SOCKET_PATH_BYTES:
            raise Unsuitable(
                say(
                    "serving.socket_path", "the path of the socket, {path}, is longer than {most} bytes.",
                    path=path, most=_SOCKET_PATH_BYTES,
                ),
                say("remedy.shorter_tmpdir", "Set TMPDIR or --workdir to a shorter path."), lasting=True,
            )  # fmt: skip
        return Address(site, socket=path)
    return Address(site, address=endpoint.address, port=endpoint.port)


def _between(endpoint: Endpoint | None) -> Endpoint | None:
    """Give the way from another place of the same runner instead of that from outside."""
    if endpoint is None or endpoint.from_places is None:
        return endpoint
    address, port = endpoint.from_places
    return replace(endpoint, address=address, port=port)


def _require_way(lab: Lab, server: Server, where: Where, place: Place, endpoint: Endpoint | None) -> None:
    if server.socket:
        reached = where == "host" and place.host_scratch is not None
    else:
        reached = endpoint is not None and (where == "host" or endpoint.from_places is not None)
    if where == "same" or reached:
        return
    how = (
        say("serving.its_socket", "its UNIX socket") if server.socket else say("serving.its_port", "its port")
    )
    whence = (
        say("serving.host", "the host") if where == "host" else say("serving.another_place", "another place")
    )
    raise Unsuitable(
        say(
            "serving.unreachable",
            "a server in {label} cannot be reached at {how} from {whence}.",
            label=lab.runner.label,
            how=how,
            whence=whence,
        ),
        _way_out(by_socket=where == "host" and place.host_scratch is not None),
        lasting=True,
    )


def _way_out(*, by_socket: bool) -> str:
    """Say what leads to a server."""
    if by_socket:
        return say(
            "remedy.same_place_or_socket",
            "Run the client in the same place, let the server listen on a UNIX socket, or measure a runner with a network, "
            "such as namespaces:bridge.",
        )
    return say(
        "remedy.same_place",
        "Run the client in the same place, or measure a runner with a network, such as namespaces:bridge.",
    )


def as_service(job: Job) -> Job:
    """Give a job the output limit of a service."""
    return Job(job.argv, job.environ, job.directory, job.stdin, output_limit_bytes=SERVICE_OUTPUT_BYTES)


def wait_until_ready(service: Service, ready: Readiness, client: Place, at: Address) -> None:
    """Wait until a server is ready, as its client's place sees it.

    Raises:
        PlaceFailure: it has ended, or is not ready in time.
    """
    deadline = time.monotonic() + ready.timeout_seconds
    last = ""
    if ready.by == "line":
        pattern = re.compile(ready.pattern.encode(), re.MULTILINE)
        if service.wait_for(lambda one: bool(pattern.search(one.output)), ready.timeout_seconds):
            return
        last = say("serving.no_match", "its output does not match {pattern}", pattern=repr(ready.pattern))
    while not service.look() and (left := deadline - time.monotonic()) > 0:
        result = client.run(_await_job(client, ready, at, min(left, _SLICE_SECONDS)))
        if result.exit_code == 0:
            return
        told = result.error or result.stderr.decode("utf-8", "replace").strip()
        last = told or say("serving.no_answer", "no answer")
    if ended := service.ended:
        raise PlaceFailure(
            say("serving.never_ready", "the server was not ready: {ended}", ended=ended),
            remedy=_REMEDY,
            log=_log(service),
        )
    raise PlaceFailure(
        say(
            "serving.not_ready",
            "the server was not ready within {seconds} s: {last}",
            seconds=f"{ready.timeout_seconds:g}",
            last=last,
        ),
        remedy=_REMEDY,
        log=_log(service),
    )


def _await_job(client: Place, ready: Readiness, at: Address, seconds: float) -> Job:
    cap = str(max(1, round(seconds * 1000)))
    words: tuple[str, ...]
    if at.socket:
        words = ("unix", at.socket, cap)
    elif ready.by == "listens":
        words = ("listens", str(at.port), cap)
    elif ready.by == "http":
        words = ("http", at.address, str(at.port), ready.path, cap)
    else:
        words = ("tcp", at.address, str(at.port), cap)
    return Job((program(client), "await", *words), timeout_seconds=seconds + _ANSWER_SECONDS)


def _log(service: Service) -> str:
    """Give what the server has written; a line that its output's limit has cut is no last line."""
    output = service.output
    whole = output[: output.rfind(b"\n") + 1] if len(output) >= SERVICE_OUTPUT_BYTES else output
    return (whole or output).decode("utf-8", "replace")
