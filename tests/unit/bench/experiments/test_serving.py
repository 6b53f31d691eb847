"""A server and its client in fake places: the way between them, readiness, and every way out."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.campaigns import LIMITS
from tare.bench.experiments import serving as module
from tare.bench.experiments.base import Lab
from tare.bench.experiments.serving import Address, Readiness, Server, serving
from tare.bench.measurable import CrowdSettings, Unsuitable
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakePlace, FakeRunner
from tare.runners.model import SERVICE_OUTPUT_BYTES, Endpoint, Job

if TYPE_CHECKING:
    from tare.bench.experiments.serving import Where

CLIENT = Job(("/bin/client",))


def lab(runner: FakeRunner) -> Lab:
    stand_in: Any = None
    return Lab(runner, stand_in, LIMITS, stand_in, stand_in, CrowdSettings(), 0.1, print)


def server(**changes: Any) -> Server:
    def job(at: Address) -> Job:
        return Job(("/bin/server", at.listen, str(at.port), at.socket), output_limit_bytes=1 << 30)

    return replace(Server(job, Readiness("port"), port=6379), **changes)


def fails(kind: type[Any], match: str, runner: FakeRunner, one: Server, where: Where) -> Any:
    with pytest.raises(kind, match=match) as caught, serving(lab(runner), one, where):
        pass
    return caught.value


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def outside(monkeypatch) -> list[tuple[Any, ...]]:
    """Open clients on the host as places of a fake of their own; list what they were opened with."""
    opened: list[tuple[Any, ...]] = []

    def open_outside(*terms: Any) -> Any:
        opened.append(terms)
        return FakeRunner("outside").open()

    monkeypatch.setattr(module, "open_outside", open_outside)
    return opened


def test_the_same_place_needs_no_way_in():
    runner = FakeRunner("box")
    with serving(lab(runner), server(), "same") as served:
        assert served.client is served.place
        assert (served.at.address, served.at.port) == ("127.0.0.1", 6379)
        assert served.run(CLIENT).exit_code == 0
        assert runner.services == 1
    assert (runner.services, runner.open_places) == (0, 0)
    assert "start /bin/server 0.0.0.0 6379 " in runner.log


def test_the_host_is_in_the_network_that_leads_to_the_server(outside):
    runner = FakeRunner("box", path="bridge")
    with serving(lab(runner), server(), "host", client_limits=LIMITS) as served:
        assert (served.at.address, served.at.port) == ("127.0.0.1", 6379)
    assert outside[0][2:] == (LIMITS, FakeRunner("box", path="bridge").open().endpoint(6379))
    assert (runner.services, runner.open_places) == (0, 0)


def test_another_place_of_the_same_runner_goes_the_same_way():
    runner = FakeRunner("box", path="bridge")
    with serving(lab(runner), server(), "other") as served:
        assert served.client is not served.place
        assert runner.open_places == 2
        assert served.at.port == 6379
    assert runner.open_places == 0


def test_another_place_goes_its_own_way_where_the_host_forwards_the_port(monkeypatch):
    way = Endpoint("127.0.0.1", 40000, "forwarded", from_places=("10.0.2.2", 40000))
    monkeypatch.setattr(FakePlace, "endpoint", lambda _place, _port: way)
    with serving(lab(FakeRunner("box")), server(), "other") as served:
        assert (served.at.address, served.at.port) == ("10.0.2.2", 40000)


def test_behind_a_forwarded_port_which_takes_all_connections_readiness_is_asked_for_inside(
    monkeypatch, outside
):
    monkeypatch.setattr(
        FakePlace, "endpoint", lambda _place, _port: Endpoint("127.0.0.1", 40000, "forwarded")
    )
    runner = FakeRunner("box")
    with serving(lab(runner), server(), "host"):
        assert (runner.jobs, len(outside)) == (1, 1)


def test_a_place_that_only_the_host_can_enter_has_no_way_from_others(outside):
    runner = FakeRunner("box", path="loopback")
    fails(Unsuitable, "cannot be reached at its port from another place", runner, server(), "other")
    with serving(lab(runner), server(), "host"):
        assert len(outside) == 1


@pytest.mark.parametrize("where", ["host", "other"])
def test_without_a_way_it_is_a_skip_with_a_remedy(where: Where):
    runner = FakeRunner("box")
    error = fails(Unsuitable, r"box cannot be reached at its port .* same place", runner, server(), where)
    assert error.lasting
    assert "namespaces:bridge" in error.remedy
    assert runner.open_places == 0


def test_a_socket_needs_no_network_but_a_folder_that_the_host_sees(monkeypatch, outside):
    runner = FakeRunner("box")
    fails(Unsuitable, "at its UNIX socket from the host", runner, server(socket="s"), "host")
    opening = runner.open
    folder = Path("/var/tmp/scratch")

    def open_with_a_folder(_runner: FakeRunner, first: Job | None = None) -> Any:
        place = opening(first)
        place.host_scratch = folder
        return place

    monkeypatch.setattr(FakeRunner, "open", open_with_a_folder)
    with serving(lab(runner), server(socket="s"), "host") as served:
        assert (served.at.socket, served.at.port) == ("/var/tmp/scratch/s", 0)
    assert "start /bin/server 0.0.0.0 0 /scratch/s" in runner.log
    folder /= "x" * 108
    fails(Unsuitable, "longer than 107 bytes", runner, server(socket="s"), "host")
    assert len(outside) == 2


def test_a_line_of_the_output_says_that_it_is_ready():
    runner = FakeRunner("box", service_output=b"booting\nlistening on 1\n")
    with serving(lab(runner), server(ready=Readiness("line", pattern="^listening")), "same"):
        assert runner.jobs == 0
    error = fails(
        PlaceFailure,
        "not ready within 0 s: its output does not match '\\^no'",
        runner,
        server(ready=Readiness("line", pattern="^no", timeout_seconds=0)),
        "same",
    )
    assert "booting" in error.log
    assert (runner.services, runner.open_places) == (0, 0)


@pytest.mark.parametrize(
    ("server_changes", "words"),
    [
        ({}, "tcp 127.0.0.1 6379 500"),
        ({"ready": Readiness("http", path="/up")}, "http 127.0.0.1 6379 /up 500"),
        ({"socket": "s"}, "unix /scratch/s 500"),
        ({"ready": Readiness("listens")}, "listens 6379 500"),
    ],
)
def test_readiness_is_asked_for_inside_until_it_is_there(server_changes, words):
    asked: list[str] = []

    def answer(job: Job, _chance: Any) -> bytes:
        asked.append(" ".join(job.argv))
        return b""

    runner = FakeRunner("box", faults={0: "exit", 1: "timeout"}, answer=answer)
    with serving(lab(runner), server(**server_changes), "same"):
        assert runner.jobs == 3
    assert asked[-1] == f"/tare-inside await {words}"


@pytest.mark.parametrize("path", ["bridge", "forwarded"])
def test_who_bears_no_connection_is_looked_for_in_its_own_place_alone(path, monkeypatch, outside):
    way = Endpoint("127.0.0.1", 40000, path, from_places=("10.0.2.2", 40000))
    monkeypatch.setattr(FakePlace, "endpoint", lambda _place, _port: way)
    for where in ("host", "other"):
        asked: list[str] = []

        def answer(job: Job, _chance: Any, asked: list[str] = asked) -> bytes:
            asked.append(" ".join(job.argv))
            return b""

        runner = FakeRunner("box", answer=answer)
        with serving(lab(runner), server(ready=Readiness("listens")), where):
            assert asked == ["/tare-inside await listens 6379 500"]
    assert len(outside) == 1


def test_a_server_that_dies_before_it_is_ready_or_under_load_is_a_failure_and_nothing_stays():
    runner = FakeRunner("box", service_jobs=0)
    error = fails(PlaceFailure, "the server was not ready: ended with status 1", runner, server(), "same")
    assert "by hand" in error.remedy
    runner = FakeRunner("box", service_jobs=2, service_output=b"last words")
    with (
        pytest.raises(PlaceFailure, match="ended while its client ran: ended with status 1") as caught,
        serving(lab(runner), server(), "same") as served,
    ):
        served.run(CLIENT)
    assert caught.value.log == "last words"
    assert (
        "closed without a word" in caught.value.remedy
    )  # the check for readiness may have been too much for it
    assert (runner.services, runner.open_places) == (0, 0)


def test_a_line_that_the_limit_of_the_output_has_cut_is_no_last_word():
    flood = b"a line\n" * (SERVICE_OUTPUT_BYTES // 7 + 1)
    runner = FakeRunner("box", service_jobs=0, service_output=flood[:SERVICE_OUTPUT_BYTES])
    error = fails(PlaceFailure, "the server was not ready", runner, server(), "same")
    assert SERVICE_OUTPUT_BYTES % 7
    assert error.log.endswith("a line\na line\n")


def test_a_server_that_is_never_ready_is_given_up_in_time(monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    runner = FakeRunner("box", faults=dict.fromkeys(range(100), "exit"))
    fails(
        PlaceFailure,
        "not ready within 5 s: no answer",
        runner,
        server(ready=Readiness("port", timeout_seconds=5)),
        "same",
    )
    assert (runner.services, runner.open_places) == (0, 0)


def test_an_interrupt_leaves_nothing():
    runner = FakeRunner("box")
    with pytest.raises(KeyboardInterrupt), serving(lab(runner), server(), "same"):
        interrupt()
    assert (runner.services, runner.open_places) == (0, 0)


def test_any_free_port_will_do_unless_the_server_insists():
    with serving(lab(FakeRunner("box")), server(port=0), "same") as served:
        assert served.at.port > 0
