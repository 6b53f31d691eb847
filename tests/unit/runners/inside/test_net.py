"""The network experiments: what the place's end says, and what becomes of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.changing import replace
from support.paths import GOLDEN
from support.stub import Duck, Stub
from tare.bench.experiments.base import Lab
from tare.bench.experiments.network import Latency, Stream
from tare.bench.measurable import CrowdSettings, Unsuitable
from tare.runners.errors import TareError
from tare.runners.fake import FakeRunner
from tare.runners.inside import net
from tare.runners.model import Job, JobResult, Limits

FOLDER = GOLDEN / "inside"


def result(stdout, exit_code=0, stderr=b"", error=""):
    return JobResult(
        exit_code=exit_code, signal=None, timed_out=False, started_ns=0, finished_ns=1, inside_seconds=1e-9, usage=None,
        stdout=stdout, stderr=stderr, stdout_bytes=len(stdout), stderr_bytes=len(stderr), error=error,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["latency", "out", "in"])
def test_golden_answers_are_understood(kind):
    found = net.answer(kind, result((FOLDER / f"net-{kind}.txt").read_bytes()))
    assert found["elapsed_ns"] > 0


@pytest.mark.parametrize("kind", ["latency", "out", "in"])
def test_no_part_of_an_answer_is_taken_for_the_whole(kind):
    whole = (FOLDER / f"net-{kind}.txt").read_bytes()
    for end in range(len(whole) - 1):
        cut = whole[:end]
        if cut.splitlines() and len(cut.splitlines()) == len(whole.splitlines()) and cut[-1:].isdigit():
            continue  # a number that lost digits is a number
        with pytest.raises(TareError):
            net.answer(kind, result(cut))


@given(st.binary(max_size=200))
def test_whatever_comes_is_understood_or_refused(noise):
    for kind in ("latency", "out", "in"):
        try:
            found = net.answer(kind, result(noise))
        except TareError:
            continue
        assert min(found.values()) > 0


def test_an_end_that_hangs_is_told_as_such():
    hanging = replace(result(b""), exit_code=None, signal=15, timed_out=True)
    with pytest.raises(TareError, match="did not end in time"):
        net.answer("out", hanging)


def test_a_failed_end_and_lost_bytes_are_told():
    with pytest.raises(TareError, match="connecting: ECONNREFUSED"):
        net.answer("in", result(b"", 1, b"connecting: ECONNREFUSED\n"))
    with pytest.raises(TareError, match="10 bytes were sent and 9 arrived"):
        net.answer("out", result(b"sent_bytes 10\narrived_bytes 9\nelapsed_ns 5\n"))
    with pytest.raises(TareError, match="lacks"):
        net.answer("in", result(b"arrived_bytes 0\nelapsed_ns 5\n"))


class FakeNetwork(Duck):
    """A place that answers as the program would."""

    root, host_address, host_network = "/", "10.0.0.1", ""

    def __init__(self):
        self.jobs = []

    def run(self, job: Job) -> JobResult:
        self.jobs.append(job.argv)
        return result((FOLDER / f"net-{job.argv[1]}.txt").read_bytes())


def client(place, kind, work):
    return net.job(place, kind, (place.host_address, 7777), work)


def test_latency_is_a_rate_and_its_percentiles():
    place = FakeNetwork()
    found = {one.name: one for one in Latency().measure(place, client, 0.5)}
    assert place.jobs == [("/tare-inside", "latency", "10.0.0.1", "7777", "15000", "2000")]
    assert found["net.round_trips.rate"].value == pytest.approx(5000 / 0.175184423)
    assert found["net.round_trips.rate"].primary
    assert found["net.round_trip.p99"].value == pytest.approx(74.571e-6)
    assert found["net.round_trip.p999"].value == pytest.approx(312.044e-6)
    assert found["net.round_trip.p50"].direction == "lower"


def test_few_round_trips_have_no_thousandths():
    few = (FOLDER / "net-latency.txt").read_bytes().replace(b"round_trips 5000", b"round_trips 999")
    place = Stub(root="/", host_address="10.0.0.1", run=lambda _job: result(few))
    assert "net.round_trip.p999" not in {one.name for one in Latency().measure(place, client, 0.5)}


def test_both_ends_within_a_place_are_one_job():
    place = FakeNetwork()
    assert net.loopback_job(place, "out", net.Amount(10, 1.5, 60)).argv == (
        "/tare-inside", "net-loopback", "out", "10", "1500"
    )  # fmt: skip


def test_streams_go_both_ways_and_one_is_judged():
    place = FakeNetwork()
    found = Stream().measure(place, client, 0.1)
    assert [argv[1] for argv in place.jobs] == ["out", "in"]
    assert [(one.name, one.primary, one.unit) for one in found] == [
        ("net.stream.out", True, "bytes/s"),
        ("net.stream.in", False, "bytes/s"),
    ]


def test_a_place_without_a_way_to_the_host_is_unsuitable_with_the_reason():
    runner = FakeRunner("fake")
    lab = Lab(runner, None, Limits(1, 1 << 30), None, None, CrowdSettings(), 0.1, print)
    with pytest.raises(
        Unsuitable, match=re.escape("fake has no network here, so net-latency cannot run: a server in fake")
    ):
        Latency().perform(lab)
    assert runner.open_places == 0
