import pytest

from support.campaigns import Steady, Telling, Watched, make_plan, make_provisioned, make_recorder
from tare.bench.campaign import steady_state
from tare.bench.campaign.failures import GIVE_UP_AFTER, Failures
from tare.bench.campaign.remaining import Remaining
from tare.bench.campaign.steady_state import SteadyState
from tare.bench.planning.plan import Blocks
from tare.results.record import Metric
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.model import Job


class Collecting:
    """A collector that reads nothing and says when."""

    name = "fake"

    def __init__(self, log):
        self.log = log
        self.unavailable = {"fake.lost": "no file"}

    def begin(self, vantage):
        self.log.append("begin")
        return vantage

    def end(self, state):
        self.log.append("end")
        return (Metric(name="fake.read", value=1, unit="count", direction="none"),)


@pytest.fixture(autouse=True)
def log(monkeypatch):
    entries = []
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: (Collecting(entries),))
    return entries


WORK = (Steady(),)


def make(workloads=WORK, *, box=None, deadline=None, done=frozenset(), **plan):
    clock, kept, progress = FakeClock(), [], Telling()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock, **(box or {}))}
    steady = SteadyState(
        Remaining(make_plan(workloads, **plan), done),
        make_provisioned(runners),
        make_recorder(kept.append, progress=progress),
        Failures("failed openings", progress.say),
        deadline or Watched(),
    )
    return steady, kept, runners, progress


def test_a_round_measures_its_own_blocks_in_places_that_it_opens_and_closes():
    steady, kept, runners, _ = make(blocks=5, rounds=2, warmups=False)
    steady.measure(1)
    assert sorted({t.block for t in kept}) == [2, 3, 4]
    assert {t.invocation for t in kept if t.runner == "box"} == {
        t.invocation for t in kept[:3] if t.runner == "box"
    }
    assert (runners["bare"].openings, runners["box"].openings) == (2, 1)
    assert not any(runner.open_places for runner in runners.values())


def test_warm_ups_come_first_are_shorter_and_are_not_remembered_as_costs():
    lengths = []

    class Timed(Steady):
        def job(self, site, seconds):
            lengths.append(seconds)
            return Job(argv=("/work",))

    steady, kept, _, _ = make((Timed(),), rounds=1, blocks=2)
    steady.measure(0)
    assert [t.warmup for t in kept] == [True] * 3 + [False] * 6
    assert max(lengths[:3]) < min(lengths[3:])
    costs = steady.recorder.costs.seconds
    assert {key: len(times) for key, times in costs.items() if key.startswith("work@box")} == {
        "work@box/0.05": 2
    }


def test_collectors_read_around_each_job_and_what_they_cannot_read_is_noted(log):
    steady, kept, _, _ = make(rounds=1, blocks=1, warmups=False)
    steady.measure(0)
    assert log == ["begin", "end"] * 3
    for trial in kept:
        assert {metric.name for metric in trial.metrics} > {"work.seconds", "fake.read"}
        assert trial.notes["unavailable"] == "fake.lost: no file"
        assert set(trial.timeline) == {"started", "finished"}


def test_a_job_that_failed_has_no_metrics_of_collectors():
    steady, kept, _, _ = make(rounds=1, blocks=1, warmups=False, box={"faults": {0: "exit"}})
    steady.measure(0)
    (bad,) = [t for t in kept if t.outcome != "ok"]
    assert (bad.runner, bad.metrics) == ("box", ())


def test_a_runner_that_is_given_up_is_skipped_until_the_end():
    failures = dict.fromkeys(range(99), "no luck")
    steady, kept, _, progress = make(rounds=1, blocks=4, warmups=False, box={"open_failures": failures})
    steady.measure(0)
    # One failed opening came before the first block, without a trial.
    assert [t.outcome for t in kept if t.runner == "box"] == ["failed"] * (GIVE_UP_AFTER - 1) + [
        "skipped"
    ] * (4 - GIVE_UP_AFTER + 1)
    assert "box: given up after 2 failed openings in a row: no luck" in progress.lines


def test_places_that_no_later_block_wants_are_closed():
    opened = []
    steady, _, runners, _ = make(
        rounds=1,
        blocks=4,
        warmups=False,
        steady=Blocks(4, full=1),
        reopened=frozenset({"bare", "bare-again"}),
    )
    store = steady.recorder.append
    steady.recorder.append = lambda trial: (
        store(trial),
        opened.append((trial.block, runners["box"].open_places)),
    )
    steady.measure(0)
    assert {places for block, places in opened if block == 0} == {1}
    assert {places for block, places in opened if block > 0} == {0}


def test_nothing_is_opened_for_a_round_that_is_done():
    done = frozenset(("work", key, block, False) for key in ("bare", "bare-again", "box") for block in (0, 1))
    steady, kept, runners, _ = make(blocks=4, rounds=2, done=done)
    steady.measure(0)
    assert kept == []
    assert runners["box"].openings == 0
    steady.measure(1)
    assert {t.block for t in kept} == {2, 3}


def test_no_block_begins_after_the_deadline():
    deadline = Watched(after=1)
    steady, kept, runners, _ = make(rounds=1, warmups=False, deadline=deadline)
    steady.measure(0)
    assert {t.block for t in kept} == {0}
    assert deadline.asked[-1] == "steady-state block 1"
    assert not any(runner.open_places for runner in runners.values())
