"""The trial before a comparison: duets for commands that compute all the time and run beside their like, for no others."""

import contextlib
import threading

import pytest
from msgspec.structs import replace

from support.campaigns import Telling, make_plan, make_provisioned
from support.stub import Stub
from tare.bench.campaign.duet_probe import RUNS, choose_duets
from tare.bench.own.definition import Definition
from tare.bench.planning.case import Case
from tare.bench.request.request import Request
from tare.bench.workloads.command import Command
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeRunner
from tare.runners.images.image import Program

VERSIONS = [Command((f"/{name}",), name=name, program=name) for name in ("base", "head")]
GOOD = {"inside_seconds": 0.05, "cpu": 0.049, "waited": 0.0, "exit_code": 0}


@pytest.fixture
def attempt(monkeypatch):
    """Try commands in fake places; ``answers`` gives what is special about a command's jobs."""

    def start(answers=None, *, asked=True, around=None, blocks=None, versions=VERSIONS):
        jobs, at_once, lock = [], set(), threading.Lock()

        def run(job):
            name = job.argv[0].strip("/")
            with lock:
                jobs.append(name)
                at_once.add(threading.current_thread() is not threading.main_thread())
            own = (answers or {}).get(name, {})
            beside = threading.current_thread() is not threading.main_thread()
            result = GOOD | (own(beside) if callable(own) else own)
            if "lost" in result:
                raise PlaceFailure("the place died")
            cpu, waited = result.pop("cpu"), result.pop("waited")
            return Stub(
                error="", timed_out=False, signal=None, **result,
                host_cpu=None if cpu is None else Stub(seconds=cpu), first_thread=Stub(wait_seconds=waited),
            )  # fmt: skip

        place = Stub(root="/", scratch="/scratch", run=run)
        monkeypatch.setattr(FakeRunner, "open", lambda _runner: contextlib.nullcontext(place))
        provisioned = make_provisioned({"bare": FakeRunner("bare")})
        programs = {one.name: Program(f"/{one.name}", "", (), "") for one in versions}
        provisioned = replace(provisioned, image=replace(provisioned.image, programs=programs))
        cases = tuple(Case(one, key) for one in versions for key in ("bare", "bare-again"))
        plan = make_plan(versions, blocks=blocks, cases=cases)
        told = Telling()
        request = replace(Request(), try_duets=asked, around=around)
        return choose_duets(request, provisioned, plan, told), jobs, told.lines

    return start


def test_commands_that_compute_get_duets_after_running_alone_and_at_once(attempt):
    chosen, jobs, told = attempt()
    assert chosen.around.duet == "one"
    assert jobs[: 2 * (1 + RUNS)] == ["base", "head"] * (1 + RUNS)
    assert sorted(jobs[2 * (1 + RUNS) :]) == ["base", "head"]
    assert told == [
        "the commands spend 98% of their time or more on a CPU: their CPU time is compared in duets (--no-duet: in turn)"
    ]


def test_what_else_is_said_of_the_commands_stays(attempt):
    chosen, _, _ = attempt(around=Definition(command=("true",), timeout=7.0))
    assert (chosen.around.duet, chosen.around.timeout) == ("one", 7.0)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"cpu": 0.04}, "head spends 80% of its time on CPUs"),
        ({"cpu": 0.09}, "head spends 180% of its time on CPUs"),
        (
            {"inside_seconds": 0.004, "cpu": 0.004},
            "head is over in 4 ms, which is too short to take turns on a CPU",
        ),
        ({"inside_seconds": 9.0, "cpu": 9.0}, "head takes 9 s, more than 1% of the budget"),
        ({"cpu": None}, "nothing outside the place counts its CPU time"),
        (lambda beside: {"exit_code": int(beside)}, "head fails beside its like"),
        (lambda beside: {"lost": True} if beside else {}, "head fails beside its like"),
    ],
)
def test_others_get_none_and_the_reason_is_told(attempt, answer, why):
    for versions in (VERSIONS, VERSIONS[::-1]):  # as the base or as the head
        chosen, _, told = attempt({"head": answer}, versions=versions)
        assert chosen.around is None
        assert told == [f"no duets, because {why}"]


def test_waiting_for_a_cpu_that_others_had_is_no_waiting_of_the_command(attempt):
    chosen, _, _ = attempt({"head": {"cpu": 0.025, "waited": 0.024}})
    assert chosen.around.duet == "one"


def test_a_difference_between_the_commands_has_no_say(attempt):
    slow, _, _ = attempt({"head": {"inside_seconds": 0.15, "cpu": 0.147}})
    assert slow.around.duet == "one"


@pytest.mark.parametrize("answer", [{"exit_code": 3}, {"lost": True}])
def test_a_command_that_fails_is_left_to_the_run(attempt, answer):
    chosen, _, told = attempt({"base": answer})
    assert (chosen.around, told) == (None, [])


@pytest.mark.parametrize("options", [{"asked": False}, {"blocks": 5}, {"versions": VERSIONS[:1]}])
def test_nothing_is_tried_unasked_or_where_there_would_be_no_duets(attempt, options):
    chosen, jobs, told = attempt(**options)
    assert (chosen.around, jobs, told) == (None, [], [])
