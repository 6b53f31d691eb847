import pytest

from support.campaigns import Telling, make_plan, make_provisioned, make_recorder
from tare.bench.campaign.cold_starts import ColdStarts
from tare.bench.campaign.failures import GIVE_UP_AFTER, Failures
from tare.bench.campaign.slots import slots
from tare.bench.workloads.null import Null
from tare.runners.fake import FakeClock, FakeRunner

PLAN = make_plan([Null()])
(UNIT,) = PLAN.units()


def make(*, box=None):
    clock, kept, progress = FakeClock(), [], Telling()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock, **(box or {}))}
    recorder = make_recorder(kept.append, progress=progress)
    openings = Failures("failed openings", progress.say)
    return ColdStarts(PLAN, make_provisioned(runners), recorder, openings), kept, runners, progress


def measure(cold, blocks):
    for block in blocks:
        cold.block(slots(PLAN, UNIT, block))


def test_each_trial_opens_a_place_of_its_own_and_closes_it():
    cold, kept, runners, _ = make()
    measure(cold, range(1, 4))
    assert sorted((t.block, t.runner) for t in kept) == sorted(
        (block, runner) for block in (1, 2, 3) for runner in ("bare", "bare-again", "box")
    )
    assert [t.invocation for t in kept] == list(range(9))
    assert runners["box"].openings == 3
    assert not any(runner.open_places for runner in runners.values())


def test_phases_of_the_launch_are_the_metrics():
    cold, kept, _, _ = make()
    measure(cold, range(1))
    for trial in kept:
        primary = [metric.name for metric in trial.metrics if metric.primary]
        assert primary == ["launch.total"]
        assert trial.timeline["requested"] < trial.timeline["ready"] < trial.timeline["gone"]


def test_what_an_opening_took_is_remembered_unless_it_failed():
    cold, _, _, _ = make(box={"open_failures": {0: "no luck"}})
    measure(cold, range(1))
    assert set(cold.recorder.costs.seconds) == {"open@bare", "open@bare-again"}


@pytest.mark.parametrize("blocks", [GIVE_UP_AFTER, GIVE_UP_AFTER + 3])
def test_a_runner_that_is_given_up_is_opened_no_more(blocks):
    cold, kept, runners, progress = make(box={"open_failures": dict.fromkeys(range(99), "no luck")})
    measure(cold, range(blocks))
    assert runners["box"].openings == GIVE_UP_AFTER
    assert [t.outcome for t in kept if t.runner == "box"] == ["failed"] * GIVE_UP_AFTER + ["skipped"] * (
        blocks - GIVE_UP_AFTER
    )
    assert progress.lines[-1] == "box: given up after 2 failed openings in a row: no luck"
    assert progress.lines.count("null on box: failed: no luck") == GIVE_UP_AFTER
