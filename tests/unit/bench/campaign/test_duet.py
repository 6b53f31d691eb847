"""Duets: the same job in all places of a block at once, on one CPU, for its CPU time alone."""

import os
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from support.campaigns import LIMITS, Steady, Telling, make_plan, make_provisioned, make_recorder
from support.stub import Duck
from tare.bench.campaign import duet
from tare.bench.campaign.duet import Duets, together
from tare.bench.campaign.failures import Failures
from tare.bench.campaign.pinning import block_cpus
from tare.bench.campaign.slots import slots
from tare.bench.campaign.steady_state import SteadyState
from tare.results.record import DUET_CPU_TIME
from tare.runners import fake
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.model import HostCpu


@dataclass(frozen=True)
class Sharing(Steady):
    duet: ClassVar = "one"


@dataclass(frozen=True)
class Spreading(Steady):
    duet: ClassVar = "all"


@pytest.fixture
def pinned(monkeypatch):
    seen = []
    monkeypatch.setattr(duet, "pin", lambda _place, cpus: seen.append(cpus))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {2, 5})
    return seen


class Counted(fake.FakePlace):
    """Its CPU time is seen from outside."""

    def run(self, job):
        return replace(super().run(job), host_cpu=HostCpu(0.04, 1e-6, "cgroup", of_job=True))


def measure(monkeypatch, workload, *, blocks=1, faults=None, place=Counted):
    monkeypatch.setattr(fake, "FakePlace", place)
    clock, kept, progress = FakeClock(), [], Telling()
    runners = {
        "bare": FakeRunner("bare", clock=clock),
        "box": FakeRunner("box", clock=clock, faults=faults or {}),
    }
    steady = SteadyState(
        make_plan([workload], blocks=None),
        make_provisioned(runners),
        make_recorder(kept.append, progress=progress),
        Failures("failed openings", progress.say),
    )
    _, unit = steady.plan.units()
    for block in range(blocks):
        Duets(steady).block(slots(steady.plan, unit, block))
    return kept, runners


def test_a_trial_of_a_duet_has_cpu_time_alone(monkeypatch, pinned):
    kept, runners = measure(monkeypatch, Sharing())
    assert sorted((t.runner, t.duet, t.outcome) for t in kept) == [
        ("bare", True, "ok"),
        ("bare-again", True, "ok"),
        ("box", True, "ok"),
    ]
    assert {(m.name, m.value, m.source, m.primary) for t in kept for m in t.metrics} == {
        (DUET_CPU_TIME, 0.04, "cgroup", False)
    }
    assert not any(runner.open_places for runner in runners.values())


def test_a_block_has_one_cpu_and_after_four_blocks_the_next(monkeypatch, pinned):
    measure(monkeypatch, Sharing(), blocks=9)
    four = [3, 3, 2, 2]  # the control is in half of them
    assert pinned == [*[{2}] * sum(four), *[{5}] * sum(four), *[{2}] * 3]


@pytest.mark.parametrize("numbers", [range(16), range(0, 32, 2), range(1, 32, 2)])
def test_each_cpu_has_as_many_blocks_with_and_without_the_control(monkeypatch, pinned, numbers):
    plan = make_plan([Sharing()], blocks=None)
    _, unit = plan.units()
    seen = Counter()
    for number in numbers:
        wanted = slots(plan, unit, number)
        (cpu,) = block_cpus(wanted[0], LIMITS)
        seen[cpu, any(slot.case.control for slot in wanted)] += 1
    assert seen == {(cpu, control): 4 for cpu in (2, 5) for control in (False, True)}


def test_jobs_that_use_all_cpus_share_all(monkeypatch, pinned):
    measure(monkeypatch, Spreading())
    assert set(pinned) == {frozenset({2, 5})}


def test_a_place_that_is_lost_fails_its_own_trial_alone(monkeypatch, pinned):
    kept, runners = measure(monkeypatch, Sharing(), faults={0: "lost"})
    assert {t.runner: t.outcome for t in kept} == {"bare": "ok", "bare-again": "ok", "box": "failed"}
    assert not any(runner.open_places for runner in runners.values())


def test_a_job_that_would_be_alone_is_skipped_with_the_reason(monkeypatch, pinned):
    def refuse(place, _cpus):
        if place.box:
            raise PlaceFailure("no such process")

    monkeypatch.setattr(duet, "pin", refuse)

    class Known(Counted):
        def __init__(self, runner, *rest):
            super().__init__(runner, *rest)
            self.box = runner.name != "box"

    kept, _ = measure(monkeypatch, Sharing(), place=Known)
    assert {t.runner: (t.outcome, t.reason) for t in kept} == {
        "bare": ("failed", "no such process"),
        "bare-again": ("failed", "no such process"),
        "box": ("skipped", "no other place of its block could share the CPU with it"),
    }


def test_where_nothing_outside_counts_the_trial_says_so(monkeypatch, pinned):
    kept, _ = measure(monkeypatch, Sharing(), place=fake.FakePlace)
    why = f"{DUET_CPU_TIME}: nothing outside the place counts its CPU time"
    assert {t.notes["unavailable"] for t in kept} == {why}
    assert not any(t.metrics for t in kept)


JOBS: Any = ("a", "b", "c")


class Meeting(Duck):
    """A place whose job ends when as many others run."""

    def __init__(self, gate, error=None):
        self.gate, self.error, self.closed = gate, error, False

    def run(self, job):
        self.gate.wait(timeout=10)
        if self.error:
            raise self.error
        return job

    def close(self):
        self.closed = True
        self.gate.abort()


def test_all_jobs_run_at_the_same_time():
    gate = threading.Barrier(3)
    assert together([Meeting(gate) for _ in range(3)], JOBS) == list(JOBS)


def test_a_failure_is_the_answer_of_its_place():
    gate = threading.Barrier(2)
    lost = PlaceFailure("gone")
    assert together([Meeting(gate), Meeting(gate, lost)], JOBS[:2]) == [JOBS[0], lost]


def test_a_bug_is_not_swallowed():
    gate = threading.Barrier(1)
    with pytest.raises(ZeroDivisionError):
        together([Meeting(gate, ZeroDivisionError())], JOBS[:1])


def test_an_interruption_closes_all_places(monkeypatch):
    places = [Meeting(threading.Barrier(2)), Meeting(threading.Barrier(2))]  # neither would end by itself

    def interrupted(_thread):
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        together(places, JOBS[:2])
    assert all(place.closed for place in places)


def test_where_there_are_duets_the_other_jobs_follow_one_another_before_any_is_recorded(monkeypatch):
    log: list[str] = []

    class Noting(fake.FakePlace):
        def run(self, job):
            log.append("job")
            return super().run(job)

    monkeypatch.setattr(fake, "FakePlace", Noting)
    clock, progress = FakeClock(), Telling()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock)}
    steady = SteadyState(
        make_plan([Sharing()], blocks=None),
        make_provisioned(runners),
        make_recorder(lambda _trial: log.append("record"), progress=progress),
        Failures("failed openings", progress.say),
    )
    unit, _ = steady.plan.units()
    steady.block(unit, slots(steady.plan, unit, 0))
    assert log == ["job"] * 3 + ["record"] * 3
    assert not any(runner.open_places for runner in runners.values())
