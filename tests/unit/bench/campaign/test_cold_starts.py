import pytest

from support.campaigns import Telling, Watched, make_plan, make_provisioned, make_recorder
from tare.bench.campaign.cold_starts import ColdStarts
from tare.bench.campaign.failures import GIVE_UP_AFTER, Failures
from tare.bench.campaign.remaining import Remaining
from tare.bench.workloads.null import Null
from tare.runners.fake import FakeClock, FakeRunner


def make(*, box=None, deadline=None, done=frozenset()):
    clock, kept, progress = FakeClock(), [], Telling()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock, **(box or {}))}
    cold = ColdStarts(
        Remaining(make_plan([Null()]), done),
        make_provisioned(runners),
        make_recorder(kept.append, progress=progress),
        Failures("failed openings", progress.say),
        deadline or Watched(),
    )
    return cold, kept, runners, progress


def test_each_trial_opens_a_place_of_its_own_and_closes_it():
    cold, kept, runners, _ = make()
    cold.measure(range(1, 4))
    assert sorted((t.block, t.runner) for t in kept) == sorted(
        (block, runner) for block in (1, 2, 3) for runner in ("bare", "bare-again", "box")
    )
    assert [t.invocation for t in kept] == list(range(9))
    assert runners["box"].openings == 3
    assert not any(runner.open_places for runner in runners.values())


def test_phases_of_the_launch_are_the_metrics():
    cold, kept, _, _ = make()
    cold.measure(range(1))
    for trial in kept:
        primary = [metric.name for metric in trial.metrics if metric.primary]
        assert primary == ["launch.total"]
        assert trial.timeline["requested"] < trial.timeline["ready"] < trial.timeline["gone"]


def test_what_an_opening_took_is_remembered_unless_it_failed():
    cold, _, _, _ = make(box={"open_failures": {0: "no luck"}})
    cold.measure(range(1))
    assert set(cold.recorder.costs.seconds) == {"open@bare", "open@bare-again"}


@pytest.mark.parametrize("blocks", [GIVE_UP_AFTER, GIVE_UP_AFTER + 3])
def test_a_runner_that_is_given_up_is_opened_no_more(blocks):
    cold, kept, runners, progress = make(box={"open_failures": dict.fromkeys(range(99), "no luck")})
    cold.measure(range(blocks))
    assert runners["box"].openings == GIVE_UP_AFTER
    assert [t.outcome for t in kept if t.runner == "box"] == ["failed"] * GIVE_UP_AFTER + ["skipped"] * (
        blocks - GIVE_UP_AFTER
    )
    assert progress.lines[-1] == "null on box: failed: no luck"


def test_no_block_of_a_workload_begins_after_the_deadline():
    deadline = Watched(after=2)
    cold, kept, _, _ = make(deadline=deadline)
    cold.measure(range(10))
    assert {t.block for t in kept} == {0, 1}
    assert deadline.asked[-1] == "cold block 2 of null"


def test_what_a_resumed_run_has_is_not_measured_again():
    cold, kept, runners, _ = make(done=frozenset({("null", "box", 0, False)}))
    cold.measure(range(1))
    assert sorted(t.runner for t in kept) == ["bare", "bare-again"]
    assert runners["box"].openings == 0
