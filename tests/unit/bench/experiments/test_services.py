"""The application in three shapes: who asks whom, what is counted, and that nothing stays whatever goes wrong."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from support.campaigns import LIMITS
from support.stub import Stub
from tare.bench.experiments import crowd, services, shop
from tare.bench.experiments.base import Findings, Lab
from tare.bench.experiments.services import SERVICES, Services
from tare.bench.measurable import CrowdSettings, Terms, Unsuitable
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.fake import FakeRunner

if TYPE_CHECKING:
    from tare.runners.model import Job

ONE, PLACE, PLACES = SERVICES
IMAGE = Stub(key="k", argv=lambda root, program, *words: (f"{root}{program}", *words), environ=lambda *_: {})


def answered(counted: int = 1000, unanswered: int = 0, failed: int = 0, p50: int = 100_000) -> bytes:
    found = {
        "answered": counted, "unanswered": unanswered, "failed": failed, "elapsed_ns": 10**9, "bytes": 5000,
        "p50_ns": p50, "p90_ns": p50, "p99_ns": 3 * p50, "p999_ns": 4 * p50, "max_ns": 5 * p50, "lag_p50_ns": 5,
        "lag_p99_ns": 50,
    }  # fmt: skip
    return "".join(f"{name} {value}\n" for name, value in found.items()).encode()


class World:
    """Services that count what they serve; a load is shared out among the workers that are in use."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.served: dict[str, int] = {}
        self.load = answered()

    def answer(self, job: Job, _chance: Any) -> bytes:
        program, *words = job.argv
        if program.endswith("tare-load"):
            return answered(p50=140_000 if "/hop/2" in job.argv[4] else 100_000)
        if words[0] != "ask":
            return b""
        _, _address, port, path, _cap = words
        self.told.append(path)
        if path == "/served":
            # Whoever is asked has served one order more since.
            self.served[port] = self.served.get(port, 0) + 1
            return b"%d\n" % self.served[port]
        return b"fine\n"


class Running:
    """The load's client while a worker is replaced: it ends after so many looks."""

    def __init__(self, output: bytes, looks: int, how: str = "ended with status 0: lag_p99_ns 50") -> None:
        self.output, self.looks, self.how, self.stopped = output, looks, how, False

    def look(self) -> str:
        self.looks -= 1
        return self.how if self.looks < 0 else ""

    def wait_for(self, _condition: Any, _seconds: float) -> bool:
        return False

    def stop(self) -> None:
        self.stopped = True


class Bench:
    """A lab on fakes, and what came of it."""

    def __init__(self, monkeypatch: Any, path: Any = "bridge", **options: Any) -> None:
        self.world = World()
        self.runner = FakeRunner("box", answer=self.world.answer, path=path, **options)
        self.clients = FakeRunner("client", answer=self.world.answer)
        self.running = Running(answered(3), looks=1)
        monkeypatch.setattr(shop, "open_outside", self.open_outside)
        monkeypatch.setattr(shop, "keep_apart", lambda *_words: "as told")
        monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3})

    def open_outside(self, *_words: Any) -> Any:
        place = self.clients.open()
        place.start = lambda _job: self.running  # type: ignore[method-assign,assignment,return-value]
        return place

    def perform(self, one: Services) -> Findings:
        stand_in: Any = None
        return one.perform(Lab(self.runner, IMAGE, LIMITS, stand_in, stand_in, CrowdSettings(), 0.1, print))

    @property
    def started(self) -> list[str]:
        """Roles in the order in which they were started."""
        return re.findall(r"tare-shop (\w+)", "\n".join(self.runner.log))

    @property
    def left(self) -> tuple[int, int, int, int]:
        return self.runner.open_places, self.runner.services, self.clients.open_places, self.clients.services


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


def by_name(found: Findings) -> dict[str, float]:
    return {one.name: one.value for one in found.metrics}


def test_one_process_has_no_hop_and_nothing_to_replace(bench):
    found = bench.perform(ONE)
    assert bench.started == ["whole", "whole"]
    assert {"app.max.rate", "app.load.p99", "services.replica"} <= by_name(found).keys()
    assert not {"services.hop", "services.replace.failed"} & by_name(found).keys()
    assert [one.name for one in found.metrics if one.primary] == ["app.max.rate"]
    assert bench.left == (0, 0, 0, 0)


@pytest.mark.parametrize(("one", "places"), [(PLACE, 1), (PLACES, 5)], ids=["place", "places"])
def test_three_services_are_measured_and_one_is_replaced_under_load(bench, one, places):
    found = by_name(bench.perform(one))
    assert bench.started == ["store", "worker", "front", "worker", "worker"]
    assert bench.runner.openings == places
    assert found["services.hop"] == pytest.approx(20e-6)
    assert found["services.replace.failed"] == 0
    assert found["services.replace.max"] == pytest.approx(500e-6)
    told = [path.rpartition("/")[0] or path for path in bench.world.told]
    # A worker is added and taken away; then one is added, and only then is the old one dropped.
    assert [path for path in told if path in {"/use", "/drop"}] == ["/use", "/drop", "/use", "/drop"]
    used, dropped = ([p for p in bench.world.told if p.startswith(word)] for word in ("/use", "/drop"))
    assert dropped[0].removeprefix("/drop") == used[0].removeprefix("/use")
    assert dropped[1].removeprefix("/drop") != used[1].removeprefix("/use")
    assert bench.running.stopped
    assert bench.left == (0, 0, 0, 0)


def test_an_emulated_guest_gets_no_fixed_load_and_nothing_is_replaced(monkeypatch):
    bench = Bench(monkeypatch, accelerator="tcg")
    found = by_name(bench.perform(PLACE))
    assert {"app.max.rate", "services.hop", "services.replica"} <= found.keys()
    assert not any(name.startswith(("app.load", "services.replace")) for name in found)


@pytest.mark.parametrize("number", range(5))
def test_a_place_that_does_not_open_leaves_nothing(monkeypatch, number):
    bench = Bench(monkeypatch, open_failures={number: "no more room"})
    with pytest.raises(PlaceFailure, match="no more room"):
        bench.perform(PLACES)
    assert bench.left == (0, 0, 0, 0)


@pytest.mark.parametrize("number", range(22))
def test_whatever_a_job_runs_into_nothing_stays(monkeypatch, number):
    for fault in ("exit", "timeout", "lost", "signal"):
        bench = Bench(monkeypatch, faults={number: fault})
        with suppress(TareError, PlaceFailure):
            bench.perform(PLACE)
        assert bench.left == (0, 0, 0, 0)


def test_a_service_that_ends_is_told_and_leaves_nothing(monkeypatch):
    bench = Bench(monkeypatch, service_jobs=0)
    with pytest.raises(PlaceFailure, match="the server was not ready: ended"):
        bench.perform(PLACE)
    assert bench.left == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("running", "why"),
    [
        (Running(b"", 0), "of 1.0 s ended with status 0.*before the worker was replaced"),
        (
            Running(b"", 1, "ended with status 1: connecting: ECONNREFUSED"),
            "client ended with status 1: conn",
        ),
        (Running(b"", 1), "lacks something"),
        (Running(answered(), 99), "did not end in time"),
        (Running(answered(7), 1), "the client counts 7 answers, and the workers 2 and 1"),
    ],
)
def test_a_load_that_tells_nothing_is_a_failure(bench, running, why):
    bench.running = running
    with pytest.raises(TareError, match=why):
        bench.perform(PLACE)
    assert running.stopped
    assert bench.left == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("good", "failed", "unanswered", "by_old", "by_new", "fine"),
    [
        (1000, 0, 0, 400, 600, True),
        (990, 10, 0, 400, 590, True),
        (990, 10, 0, 400, 595, True),  # a worker answered, and the front was cut off from it
        (990, 0, 10, 400, 600, True),
        (1000, 0, 0, 400, 599, False),
        (1000, 0, 0, 400, 601, False),
        (1000, 0, 0, 1000, 0, False),
        (1000, 0, 0, 0, 1000, False),
    ],
)
def test_the_clients_count_has_to_be_that_of_the_workers(good, failed, unanswered, by_old, by_new, fine):
    found = {"answered": good + failed, "failed": failed, "unanswered": unanswered}
    if fine:
        services.check_counts(found, by_old, by_new)
    else:
        with pytest.raises(TareError):
            services.check_counts(found, by_old, by_new)


def test_requests_that_fail_while_a_worker_is_replaced_are_counted(bench):
    bench.running = Running(answered(3, unanswered=2, failed=1), looks=1)
    found = by_name(bench.perform(PLACE))
    assert found["services.replace.failed"] == 3


@pytest.mark.parametrize(("path", "why"), [(None, "from another place"), ("loopback", "from another place")])
def test_places_without_a_way_between_them_are_unsuitable(monkeypatch, path, why):
    bench = Bench(monkeypatch, path=path)
    with pytest.raises(Unsuitable, match=why):
        bench.perform(PLACES)
    assert bench.left == (0, 0, 0, 0)
    if path:
        bench.running = Running(answered(3), looks=1)
        assert bench.perform(PLACE).metrics
    else:
        with pytest.raises(Unsuitable, match="from the host"):
            bench.perform(PLACE)


def test_more_places_than_the_budget_holds_are_refused(monkeypatch):
    monkeypatch.setattr(crowd, "available_bytes", lambda: 4 << 30)
    guests = FakeRunner("guests", accelerator="kvm")
    terms = Terms(replace(LIMITS, memory_bytes=256 << 20))
    PLACE.admit(guests, terms)
    with pytest.raises(Unsuitable, match="4 places at once need 1280M, and the budget is 1024M"):
        PLACES.admit(guests, terms)
    PLACES.admit(FakeRunner("box"), terms)


def test_each_shape_allows_for_its_places():
    assert ONE.nominal_seconds(0, 0.1) < PLACE.nominal_seconds(0, 0.1)
    assert PLACES.nominal_seconds(1, 0.1) - PLACES.nominal_seconds(0, 0.1) == 5
