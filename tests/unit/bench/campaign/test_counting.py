"""Counting of instructions after a campaign: by the PMU, by callgrind, or not, with the reason."""

import contextlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.campaigns import Telling, make_plan, make_provisioned
from support.stub import Stub
from tare.bench.campaign import counting
from tare.bench.campaign.counting import TIMEOUT_SECONDS, count
from tare.bench.campaign.run import Measured
from tare.bench.request.request import Request
from tare.bench.workloads.command import Command
from tare.results.storage.counts import read_counts
from tare.runners.errors import Missing
from tare.runners.fake import FakeRunner
from tare.runners.images.image import Program
from tare.runners.model import INSTRUCTIONS

WORK = Command(("/work", "1"), name="head", program="head")
RESULT = {"exit_code": 0, "signal": None, "timed_out": False, "error": "", "stderr": b""}


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Count a command in a fake place, whose jobs are handled by a function."""

    def start(handle, *, pmu=True, valgrind=None, asked=True):
        jobs = []

        def run(job):
            jobs.append(job)
            return Stub(**RESULT | handle(job, len(jobs)))

        place = Stub(root="/", scratch=str(tmp_path), run=run)
        monkeypatch.setattr(FakeRunner, "open", lambda _runner: contextlib.nullcontext(place))
        monkeypatch.setattr(counting, "why_no_instructions", lambda: "" if pmu else "no PMU (ENOENT)")
        monkeypatch.setattr(counting, "_valgrind", valgrind or (lambda _provision: Stub(
            argv=lambda *words: ("valgrind", *words), environ={"VALGRIND_LIB": "/lib"})))  # fmt: skip
        provisioned = make_provisioned({"bare": FakeRunner("bare"), "box": FakeRunner("box")})
        image = replace(provisioned.image, programs={"head": Program("/work", "", (), "")})
        provisioned = replace(provisioned, image=image)
        provisioned.bench.supplies.provision.chosen = {}
        told = Telling()
        settings = Request().settings
        commands = replace(settings.commands, count=asked)
        request = replace(Request(), settings=replace(settings, commands=commands))
        count(request, provisioned, make_plan([WORK]), Measured(tmp_path, interrupted=False), told)
        return read_counts(tmp_path), jobs, told.lines

    return start


def scratch_of(job):
    (word,) = (word for word in job.argv if word.startswith("--callgrind-out-file="))
    return Path(word.partition("=")[2]).parent


def test_nothing_is_counted_unasked(attempt):
    assert attempt(lambda _job, _number: {}, asked=False) == ((), [], [])


def test_the_pmu_counts_where_there_is_one(attempt):
    (one,), jobs, told = attempt(lambda _job, number: {"counted": 1000 + number, "not_counted": ""})
    assert (one.metric, one.counts, one.version) == ("instructions.user", (1001, 1002), "head")
    assert [(job.count, job.timeout_seconds) for job in jobs] == [(INSTRUCTIONS, TIMEOUT_SECONDS)] * 2
    assert told == ["instructions of head in user mode: 1001 and 1002"]


def test_callgrind_counts_all_processes_of_a_job(attempt):
    def handle(job, _number):
        assert job.argv[0] == "valgrind"
        assert "--trace-children=yes" in job.argv
        assert job.environ["VALGRIND_LIB"] == "/lib"
        for pid, number in (("1", 100), ("2", 23)):
            (scratch_of(job) / pid).write_text(f"events: Ir\nsummary: 1\n\ntotals: {number}\n")
        return {}

    (one,), jobs, _ = attempt(handle, pmu=False)
    assert (one.metric, one.counts) == ("instructions.callgrind", (123, 123))
    assert len({scratch_of(job) for job in jobs}) == 2


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        ({"exit_code": None, "signal": 9}, "signal 9"),
        ({"exit_code": 3, "stderr": b"one\ntwo\n"}, "exit status 3: two"),
        ({"timed_out": True}, "still running"),
        ({"error": "cannot execute /x: ENOENT"}, "ENOENT"),
        ({}, "left no count"),
    ],
)
def test_a_command_that_fails_has_a_reason_and_no_count(attempt, ended, why):
    (one,), _, told = attempt(lambda _job, _number: ended, pmu=False)
    assert one.counts == ()
    assert why in one.failure
    assert why in told[-1]


def test_a_shared_counter_is_no_count(attempt):
    (one,), _, _ = attempt(lambda _job, _number: {"counted": None, "not_counted": "shared"})
    assert (one.counts, one.failure) == ((), "shared")


def test_without_valgrind_the_reason_has_the_remedy_and_nothing_is_run(attempt):
    def missing(_provision):
        raise Missing("valgrind is not on this host.", "apt-get install valgrind")

    (one,), jobs, _ = attempt(lambda _job, _number: {}, pmu=False, valgrind=missing)
    assert "apt-get install valgrind" in one.failure
    assert not jobs
