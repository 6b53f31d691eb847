"""Applications in real places, and the client's load against servers that stall, hang and die."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from support.launched_places import EMPTY, run_context, settled_state, touched_folders
from tare.bench.experiments.applications import load, web
from tare.bench.experiments.applications.load import Load
from tare.bench.experiments.applications.web import PythonWeb
from tare.bench.experiments.base import Lab
from tare.bench.measurable import CrowdSettings
from tare.bench.planning.siblings import Siblings
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.context import Supplies
from tare.runners.errors import PlaceFailure
from tare.runners.model import Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.settings import RunnerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.bench.experiments.applications.base import Session
    from tare.bench.experiments.serving import Address, Server
    from tare.results.record import Metric
    from tare.runners.model import Job

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=256 << 20)
STALL_SECONDS = 0.3
RATE = 500
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Stalling(threading.Thread):
    """An HTTP server with one thread, which stops for a while in the middle, once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        """Serve one connection to its end."""
        peer, _ = self.listener.accept()
        stalls = time.monotonic() + 0.3
        # The client resets the connection if answers are on their way when it has had enough.
        with peer, suppress(ConnectionResetError):
            while peer.recv(4096):
                if stalls and time.monotonic() > stalls:
                    time.sleep(STALL_SECONDS)
                    stalls = 0.0
                peer.sendall(PAGE)


def offered(rate: int) -> dict[str, int]:
    server = Stalling()
    server.start()
    with server.listener:
        program = load.files(default_cache())[load.PROGRAM]
        words = (
            "http",
            "127.0.0.1",
            str(server.port),
            "GET / HTTP/1.1\r\n\r\n",
            str(rate),
            "1",
            "100",
            "700",
            "1000",
        )
        done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    return {name: int(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def test_a_stalled_server_is_charged_for_all_requests_that_were_due_meanwhile():
    # By a closed client one request of thousands was slow; by the open one a seventh of all waited for 0.2 s and more.
    closed, opened = offered(0), offered(RATE)
    assert closed["p90_ns"] < 0.1e9
    assert closed["max_ns"] >= STALL_SECONDS * 1e9
    assert opened["p90_ns"] > 0.1e9
    assert opened["answered"] == RATE * 0.7
    assert opened["unanswered"] == 0


CUT_SHORT = """
import threading
class Once(Answer):
    asked = 0
    def do_GET(self):
        Once.asked += 1
        eval(sys.argv[3]) if sys.argv[3] and Once.asked > 30 else super().do_GET()
Answer = Once
"""


@dataclass(frozen=True, slots=True)
class Cut(PythonWeb):
    """The Python application without its tool, and with something that happens after 30 requests."""

    after: str = ""

    def configuration(self) -> Mapping[str, bytes]:
        """Return the program, which evaluates its third argument then."""
        (text,) = PythonWeb.configuration(self).values()
        before, mark, rest = text.decode().partition("http.server.ThreadingHTTPServer")
        return {web.APPLICATION: (before + CUT_SHORT + mark + rest).encode()}

    def server(self) -> Server:
        """Add the third argument."""
        plain = PythonWeb.server(self)

        def job(at: Address) -> Job:
            one = plain.job(at)
            return msgspec.structs.replace(one, argv=(*one.argv, self.after))

        return replace(plain, job=job)

    def measure(self, session: Session) -> Iterable[Metric]:
        """Offer the fixed load alone."""
        request = f"GET / HTTP/1.1\r\nHost: {session.at.address}\r\n\r\n"
        one = Load("http", request, self.rate, 2, 0.3, warmup_seconds=0.05, drain_seconds=0.1)
        return self.at_fixed_load(session, one)


def cut(after: str = "") -> Cut:
    return Cut(name="app-test", summary="cut short", packed=("python3",), rate=200, after=after)


@pytest.mark.parametrize("name", ["bare", "namespaces"])
def test_an_application_is_measured_and_whatever_becomes_of_it_nothing_stays(name):
    with (
        run_context() as (context, image),
        closing(Bare(context) if name == "bare" else Namespaces(context, name)) as runner,
    ):
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(image, LIMITS)
        provision = Provision(context.cache)
        siblings = Siblings(Supplies(context, provision, RunnerSettings()))
        with closing(siblings):
            lab = Lab(runner, image, LIMITS, context, provision, CrowdSettings(), 0.1, print, siblings)
            fine = cut().perform(lab)
            found = {one.name: one.value for one in fine.metrics}
            assert 0 < found["app.load.p50"] <= found["app.load.p99"] <= found["app.load.max"]
            assert (found["app.load.unanswered"], found["app.ready"] > 0) == (0, True)
            hung = cut("threading.Event().wait()").perform(lab)
            assert {one.name: one.value for one in hung.metrics}["app.load.unanswered"] > 0.1
            with pytest.raises(
                PlaceFailure, match="the server ended while its client ran: ended with status 7"
            ):
                cut("__import__('os')._exit(7)").perform(lab)
        assert touched_folders(context.workdir) == []
    assert settled_state(context.run) == EMPTY
