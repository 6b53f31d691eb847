from collections import Counter

import pytest

from support.campaigns import make_campaign
from support.experiments import KEYS, Pair, plan_experiments
from tare.bench.campaign import steady_state
from tare.bench.campaign.failures import GIVE_UP_AFTER
from tare.bench.measurable import Unsuitable
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeClock, FakeRunner


def campaign(made, *, before=(), store=None):
    clock = FakeClock()
    runners = {key: FakeRunner(key, clock=clock) for key in KEYS}
    kept = []
    return make_campaign(made, runners, store or kept.append, before=before), kept, runners


@pytest.fixture(autouse=True)
def no_collectors(monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())


def of(kept, name):
    return [trial for trial in kept if trial.workload == name]


def test_each_block_has_one_trial_under_each_runner_in_shuffled_order():
    run, kept, runners = campaign(plan_experiments([Pair()], blocks=8))
    run.run()
    trials = of(kept, "pair")
    assert Counter((t.runner, t.outcome) for t in trials) == {
        ("bare", "ok"): 8, ("bare-again", "ok"): 8, ("box", "ok"): 8,
    }  # fmt: skip
    assert len({tuple(t.runner for t in trials if t.block == block) for block in range(8)}) > 1
    assert [t.number for t in kept] == list(range(len(kept)))
    assert all(t.context == {"fake": True} and t.details.threads for t in trials)
    assert not any(runner.open_places for runner in runners.values())


def test_facts_that_do_not_vary_are_taken_once_whatever_is_asked():
    for asked in (9, None):
        run, kept, _ = campaign(plan_experiments([Pair(most_blocks=1)], blocks=asked, keyword="pair"))
        run.run()
        assert {t.block for t in kept} == {0}


def test_experiments_keep_to_their_share_of_the_budget_and_are_performed_once_anyway():
    for seconds, blocks in ((4.0, 1), (0.85, 3)):
        run, kept, _ = campaign(plan_experiments([Pair(takes=seconds)]))
        run.run()
        assert len({t.block for t in of(kept, "pair")}) == blocks
        assert len({t.block for t in of(kept, "null")}) > 9


def test_blocks_of_several_experiments_take_turns():
    run, kept, _ = campaign(plan_experiments([Pair("a"), Pair("b")], blocks=3, keyword="a or b"))
    run.run()
    assert [t.block for t in kept if t.workload in "ab"] == sorted(
        t.block for t in kept if t.workload in "ab"
    )


@pytest.mark.parametrize(
    ("wrong", "outcome", "reason", "remedy"),
    [
        (PlaceFailure("lost", remedy="look"), "failed", "lost", "look"),
        (OSError(28, "No space left on device"), "failed", "No space left", ""),
        (Unsuitable("not today", "come back"), "skipped", "not today", "come back"),
        ("half", "failed", "half-way", "begin again"),
    ],
)
def test_what_goes_wrong_is_recorded_and_the_others_go_on(wrong, outcome, reason, remedy):
    run, kept, runners = campaign(plan_experiments([Pair(script={2: wrong})], blocks=3, keyword="pair"))
    run.run()
    (bad,) = [t for t in kept if t.outcome != "ok"]
    assert (bad.outcome, bad.remedy, bad.metrics) == (outcome, remedy, ())
    assert reason in bad.reason
    assert len([t for t in kept if t.outcome == "ok"]) == 8
    assert not any(runner.open_places for runner in runners.values())


def test_what_speaks_against_a_runner_lastingly_is_asked_once_and_recorded_for_each_block():
    run, kept, runners = campaign(
        plan_experiments(
            [Pair(script={0: Unsuitable("never", "go away", lasting=True)})], blocks=3, keyword="pair"
        )
    )
    run.run()
    skipped = [t for t in kept if t.outcome == "skipped"]
    assert [(t.reason, t.block) for t in skipped] == [("never", 0), ("never", 1), ("never", 2)]
    assert runners["box"].openings == 2


def test_what_was_found_before_a_failure_is_kept():
    run, kept, _ = campaign(plan_experiments([Pair(script={0: "half"})], blocks=3, keyword="pair"))
    run.run()
    (bad,) = [t for t in kept if t.outcome == "failed"]
    assert bad.details.threads


def test_an_experiment_that_keeps_failing_is_given_up_on_that_runner_alone():
    script: dict[int, Exception | str] = dict.fromkeys(range(99), PlaceFailure("no luck"))
    run, kept, _ = campaign(plan_experiments([Pair(script=script), Pair("other")], blocks=5))
    run.run()
    outcomes = [t.outcome for t in of(kept, "pair") if t.runner == "box"]
    assert outcomes == ["failed"] * GIVE_UP_AFTER + ["skipped"] * (5 - GIVE_UP_AFTER)
    assert {t.outcome for t in kept if t.workload != "pair" or t.runner != "box"} == {"ok"}


def test_an_interrupted_run_measures_only_the_rest():
    made = plan_experiments([Pair()], blocks=4)
    whole, expected, _ = campaign(made)
    whole.run()
    kept = []

    def stop(trial):
        kept.append(trial)
        if len(kept) == 15:
            raise KeyboardInterrupt

    run, _, runners = campaign(made, store=stop)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert not any(runner.open_places for runner in runners.values())
    again, rest, _ = campaign(made, before=kept)
    again.run()
    key = lambda t: (t.workload, t.runner, t.block)  # noqa: E731
    assert sorted(map(key, kept + rest)) == sorted(map(key, expected))


def test_what_a_trial_took_is_remembered_for_the_next_plan():
    made = plan_experiments([Pair()], blocks=3, keyword="pair")
    run, _, _ = campaign(made)
    run.run()
    assert f"pair@box/{made.job_seconds:g}" in run.recorder.costs.seconds
