import itertools
from collections import Counter

import pytest

from support.campaigns import Steady, make_campaign, make_plan
from tare.bench.campaign import steady_state
from tare.bench.campaign.failures import GIVE_UP_AFTER
from tare.bench.campaign.remaining import done_slots
from tare.bench.campaign.stopping import Precision
from tare.bench.campaign.trial_builder import TrialBuilder
from tare.bench.planning.plan import Case, Skip
from tare.bench.workloads.null import Null
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.model import JobResult


@pytest.fixture(autouse=True)
def no_collectors(monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())


BOTH = (Null(), Steady())


def make(
    workloads=BOTH,
    rounds=2,
    blocks=4,
    box=None,
    skips=(),
    done=frozenset(),
    reopened=(),
    warmups=True,
    **fields,
):
    clock = FakeClock()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock, **(box or {}))}
    plan = make_plan(
        workloads,
        blocks=blocks,
        rounds=rounds,
        warmups=warmups,
        skips=tuple(skips),
        reopened=frozenset(reopened),
    )
    kept = []
    return make_campaign(plan, runners, kept.append, done=done, **fields), kept, runners


def good(trials, workload, runner):
    return [
        t for t in trials if (t.workload, t.runner, t.outcome, t.warmup) == (workload, runner, "ok", False)
    ]


def test_every_case_is_measured_once_in_every_block():
    campaign, kept, _ = make()
    campaign.run()
    for workload in ("null", "work"):
        for runner in ("bare", "bare-again", "box"):
            assert sorted(t.block for t in good(kept, workload, runner)) == [0, 1, 2, 3]


def test_trials_are_numbered_in_the_order_in_which_they_were_taken():
    campaign, kept, _ = make()
    campaign.run()
    assert [t.number for t in kept] == list(range(len(kept)))


def test_a_block_of_a_workload_is_not_interrupted_by_another_one():
    campaign, kept, _ = make(workloads=(Steady("a"), Steady("b")))
    campaign.run()
    passes = [(t.workload, t.block, t.warmup) for t in kept]
    changes = sum(before != after for before, after in itertools.pairwise(passes))
    assert changes == len(set(passes)) - 1


def test_the_order_within_blocks_varies_and_comes_from_the_seed():
    first, kept, _ = make(blocks=12)
    first.run()
    second, again, _ = make(blocks=12)
    second.run()
    orders = {}
    for trial in good(kept, "work", "bare") + good(kept, "work", "box"):
        orders.setdefault(trial.block, {})[trial.runner] = trial.position
    assert {order["bare"] < order["box"] for order in orders.values()} == {True, False}
    assert [(t.workload, t.runner, t.position) for t in kept] == [
        (t.workload, t.runner, t.position) for t in again
    ]


def test_cold_trials_have_a_place_of_their_own_and_steady_ones_share_it_within_a_round():
    campaign, kept, _ = make(rounds=2, blocks=4)
    campaign.run()
    assert len({t.invocation for t in good(kept, "null", "box")}) == 4
    assert len({t.invocation for t in good(kept, "work", "box")}) == 2


def test_places_that_are_cheap_to_open_are_made_anew_for_every_block():
    campaign, kept, runners = make(rounds=2, blocks=4, reopened={"box"})
    campaign.run()
    assert len({t.invocation for t in good(kept, "work", "box")}) == 4
    assert len({t.invocation for t in good(kept, "work", "bare")}) == 2
    assert runners["box"].open_places == 0


def test_cold_starts_are_timed_while_no_other_place_is_open():
    open_before = []
    campaign, _, runners = make()
    original = FakeRunner.open

    def watched(self, first=None):
        if first is not None:
            open_before.append(sum(runner.open_places for runner in runners.values()))
        return original(self, first)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeRunner, "open", watched)
        campaign.run()
    assert set(open_before) == {0}


def test_the_control_is_the_base_under_a_second_name():
    campaign, kept, _ = make()
    campaign.run()
    assert {(t.runner, t.control) for t in kept} == {("bare", False), ("bare-again", True), ("box", False)}


def test_each_round_warms_every_case_up_once_and_marks_it():
    campaign, kept, _ = make(rounds=2)
    campaign.run()
    assert Counter(t.runner for t in kept if t.warmup) == {"bare": 2, "bare-again": 2, "box": 2}


def test_quick_runs_spare_the_warm_ups():
    campaign, kept, _ = make(warmups=False)
    campaign.run()
    assert not any(t.warmup for t in kept)
    assert len(good(kept, "work", "box")) == 4


def test_guests_under_emulation_carry_it_in_their_label():
    campaign, kept, _ = make(box={"accelerator": "tcg", "guest": True})
    campaign.run()
    assert "box(tcg)" in {t.runner for t in kept}
    assert {t.accelerator for t in kept if t.runner.startswith("box")} == {"tcg"}


@pytest.mark.parametrize(
    ("fault", "outcome", "reason"),
    [
        ("exit", "failed", "exit status 1"),
        ("signal", "failed", "signal 9 (SIGKILL)"),
        ("timeout", "timeout", "time-out"),
        ("error", "failed", "ENOENT"),
        ("lost", "failed", "the place died"),
        ("backwards", "invalid", "contradicts itself"),
    ],
)
def test_what_goes_wrong_is_recorded_as_what_it_was_and_the_run_goes_on(fault, outcome, reason):
    campaign, kept, _ = make(workloads=(Steady(),), rounds=1, blocks=5, box={"faults": {2: fault}})
    campaign.run()
    (bad,) = [t for t in kept if t.outcome != "ok"]
    assert bad.outcome == outcome
    assert reason in bad.reason
    assert bad.metrics == ()
    assert len(good(kept, "work", "box")) == 4


def test_a_lost_place_is_opened_anew_under_another_invocation():
    campaign, kept, _ = make(workloads=(Steady(),), rounds=1, blocks=5, box={"faults": {2: "lost"}})
    campaign.run()
    assert len({t.invocation for t in good(kept, "work", "box")}) == 2


def test_output_that_is_not_understood_is_a_failed_trial_without_numbers():
    campaign, kept, _ = make(workloads=(Steady(mangled=True),))
    campaign.run()
    assert {t.outcome for t in kept} == {"failed"}
    assert not any(t.metrics for t in kept)


def test_a_runner_whose_openings_keep_failing_is_given_up_and_its_cases_recorded_as_skipped():
    campaign, kept, _ = make(
        workloads=(Null(),), blocks=6, box={"open_failures": dict.fromkeys(range(99), "no luck")}
    )
    campaign.run()
    outcomes = [t.outcome for t in kept if t.runner == "box"]
    assert outcomes == ["failed"] * GIVE_UP_AFTER + ["skipped"] * (6 - GIVE_UP_AFTER)
    assert all("no luck" in t.reason for t in kept if t.runner == "box")
    assert len(good(kept, "null", "bare")) == 6


def test_one_failed_opening_is_not_the_end():
    campaign, kept, _ = make(workloads=(Null(),), blocks=6, box={"open_failures": {1: "bad luck"}})
    campaign.run()
    assert Counter(t.outcome for t in kept if t.runner == "box") == {"ok": 5, "failed": 1}


def test_skips_are_stored_with_reason_and_remedy():
    campaign, kept, _ = make(skips=[Skip("work", "fake", "docker", "none", "no daemon", "start it")])
    campaign.run()
    (skip,) = [t for t in kept if t.outcome == "skipped"]
    assert (skip.runner, skip.reason, skip.remedy, skip.block) == ("docker", "no daemon", "start it", -1)


def test_progress_counts_what_is_measured_and_no_skips():
    told = []
    campaign, kept, _ = make(skips=[Skip("work", "fake", "docker", "none", "no daemon", "start it")])
    campaign.recorder.progress.trial = lambda done, _what: told.append(done)
    campaign.run()
    assert told == list(range(1, len(kept)))


def test_places_are_closed_when_the_run_is_interrupted_and_a_resumed_one_measures_only_the_rest():
    campaign, kept, runners = make()
    whole, expected, _ = make()
    whole.run()

    def stop_after_nine(trial):
        kept.append(trial)
        if len(kept) == 9:
            raise KeyboardInterrupt

    campaign.recorder.append = stop_after_nine
    with pytest.raises(KeyboardInterrupt):
        campaign.run()
    assert sum(runner.open_places for runner in runners.values()) == 0
    done = done_slots(kept, {"bare": "bare", "bare-again": "bare-again", "box": "box"})
    again, rest, _ = make(done=done, number=9, invocation=100)
    again.run()
    key = lambda t: (t.workload, t.runner, t.block, t.warmup)  # noqa: E731
    assert sorted(map(key, kept + rest)) == sorted(map(key, expected))
    assert [t.number for t in kept + rest] == list(range(len(expected)))


def test_workloads_that_are_precise_enough_are_measured_no_more():
    noisy = {"noise": 0.5}
    for box, blocks in ((None, 10), (noisy, 40)):
        precision = Precision(0.01, "bare")
        anew = ("bare", "bare-again", "box")
        campaign, kept, _ = make(blocks=40, rounds=4, box=box, reopened=anew, stopping=precision)
        campaign.run()
        assert len(good(kept, "work", "box")) == blocks
        assert len(good(kept, "null", "box")) == blocks


@pytest.mark.parametrize(
    ("stderr", "last"),
    [
        (b"", ""),
        (b"one\ntwo \n\n", "two"),
        (b"a\xff\n", "a\\xff"),
        (b"x" * 5000, "x" * 300),
    ],
)
def test_the_last_line_of_a_job_that_failed_is_kept(stderr, last):
    builder = TrialBuilder(
        Case(Steady(), "box"), "box", "none", block=0, position=0, warmup=False, invocation=0
    )
    builder.finish(Steady(), JobResult(3, None, False, 0, 1, 1e-9, None, b"", stderr, 0, len(stderr)))
    assert builder.last_line == last
