import itertools
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

import msgspec
import pytest

from support.campaigns import KEYS, Steady, make_campaign, make_plan
from support.changing import replace
from support.results_making import trial
from tare.bench.campaign import duet, precision, steady_state
from tare.bench.campaign.failures import GIVE_UP_AFTER
from tare.bench.campaign.ledger import BARREN_BLOCKS
from tare.bench.campaign.trial_builder import TrialBuilder
from tare.bench.measurable import Unsuitable
from tare.bench.planning.case import Case, Skip
from tare.bench.planning.modes import EMULATED_BLOCKS, FEWEST_BLOCKS, LEAST_OPENINGS, emulated_share
from tare.bench.workloads.null import Null
from tare.results.statistics.width import CHECKPOINTS, Width, width
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.model import HostCpu, JobResult


@pytest.fixture(autouse=True)
def no_collectors(monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())


@dataclass(frozen=True)
class Sharing(Steady):
    duet: ClassVar = "one"


BOTH = (Null(), Steady())


def make(workloads=BOTH, blocks=4, box=None, skips=(), before=(), costly=False, seconds=0.01, **plan):
    """Make a campaign; where the box is costly, a cheap ``pod`` is there as well."""
    clock, noise = FakeClock(), (box or {}).get("noise", 0.0)
    usual = {"clock": clock, "job_seconds": seconds, "launch_seconds": seconds / 10}
    runners = {
        "bare": FakeRunner("bare", **usual),
        "box": FakeRunner("box", **usual | (box or {})),
        "pod": FakeRunner("pod", **usual, noise=noise),
    }
    keys = (*KEYS, "pod") if costly else KEYS
    made = make_plan(
        workloads,
        blocks=blocks,
        skips=tuple(skips),
        cases=tuple(Case(workload, key) for workload in workloads for key in keys),
        cheap=frozenset(keys) - ({"box"} if costly else set()),
        **plan,
    )
    kept = []
    return make_campaign(made, runners, kept.append, before=before), kept, runners


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


def blocks_of(kept):
    """List workload, stream and block in the order in which they were measured."""
    return [
        key for key, _ in itertools.groupby((t.workload, t.stream, t.block) for t in kept if t.block >= 0)
    ]


def test_a_block_of_a_workload_is_not_interrupted_by_another_one():
    campaign, kept, _ = make(workloads=(Steady("a"), Steady("b")), costly=True, blocks=None, budget_seconds=5)
    campaign.run()
    assert len(blocks_of(kept)) == len(set(blocks_of(kept)))
    numbers = [(workload, block) for workload, _, block in blocks_of(kept)]
    assert len(numbers) == len(set(numbers))


def test_the_order_within_blocks_varies_and_comes_from_the_seed():
    first, kept, _ = make(blocks=12)
    first.run()
    second, again, _ = make(blocks=12)
    second.run()
    orders = {}
    for one in good(kept, "work", "bare") + good(kept, "work", "box"):
        orders.setdefault(one.block, {})[one.runner] = one.position
    assert {order["bare"] < order["box"] for order in orders.values()} == {True, False}
    assert [(t.workload, t.runner, t.position) for t in kept] == [
        (t.workload, t.runner, t.position) for t in again
    ]


def test_cold_trials_have_a_place_of_their_own():
    campaign, kept, _ = make()
    campaign.run()
    assert len({t.invocation for t in good(kept, "null", "box")}) == 4


def test_costly_places_are_opened_as_often_as_an_interval_needs():
    campaign, kept, runners = make(costly=True, blocks=12)
    campaign.run()
    openings = Counter(t.invocation for t in good(kept, "work", "box"))
    assert list(openings.values()) == [2] * LEAST_OPENINGS
    assert runners["box"].open_places == 0


@pytest.mark.parametrize("blocks", [None, 4])
def test_cold_starts_are_timed_while_no_other_place_is_open(blocks):
    open_before = []
    campaign, _, runners = make(costly=True, blocks=blocks, budget_seconds=2)
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
    campaign, kept, _ = make(workloads=(Steady(),), blocks=5, box={"faults": {2: fault}})
    campaign.run()
    (bad,) = [t for t in kept if t.outcome != "ok"]
    assert bad.outcome == outcome
    assert reason in bad.reason
    assert bad.metrics == ()
    assert len(good(kept, "work", "box")) == 4


def test_a_lost_place_is_opened_anew_under_another_invocation():
    campaign, kept, _ = make((Steady(),), blocks=24, costly=True, box={"faults": {2: "lost"}})
    campaign.run()
    lost = next(t.invocation for t in kept if t.outcome != "ok")
    openings = Counter(t.invocation for t in good(kept, "work", "box"))
    assert openings[lost] == 2
    assert sorted(openings.values()) == [1, 2, 4, 4, 4, 4, 4]


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
    again, rest, _ = make(before=kept)
    again.run()
    key = lambda t: (t.workload, t.runner, t.block, t.warmup)  # noqa: E731
    assert sorted(map(key, kept + rest)) == sorted(map(key, expected))
    assert [t.number for t in kept + rest] == list(range(len(expected)))


# -- with a scheduler


def scheduled(box=None, budget=20.0, workloads=BOTH, **more):
    box = {"noise": 0.05, **(box or {})}
    return make(workloads, None, box, budget_seconds=budget, seconds=0.05, **more)


def test_workloads_that_are_precise_enough_are_measured_no_more():
    campaign, kept, _ = scheduled({"noise": 0.0}, budget=500)
    campaign.run()
    assert {name: len(good(kept, name, "box")) for name in ("work", "null")} == {"work": 10, "null": 10}
    assert campaign.agenda.ended == "decided"
    assert campaign.agenda.used_seconds < 25
    noisy, kept, _ = scheduled(budget=500)
    noisy.run()
    assert len(good(kept, "work", "box")) in CHECKPOINTS[3:]
    assert noisy.agenda.ended == "decided"


@pytest.mark.parametrize(("mode", "blocks"), [("quick", 0), ("default", 20)])
def test_duets_are_not_enough_before_they_are_some(mode, blocks):
    campaign, _, _ = scheduled(workloads=(Sharing(),), mode=mode)
    units = campaign.agenda.ledger.accounts
    assert {unit.name: account.fewest >= blocks for unit, account in units.items()} == {
        "work": not blocks,
        "work (duet)": True,
    }


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_the_budget_is_used_unless_all_is_decided(costly, noise):
    box = {"noise": noise, "launch_seconds": 0.3 if costly else 0.001}
    campaign, _, _ = scheduled(box, costly=costly)
    campaign.run()
    assert campaign.agenda.ended == "budget"
    assert 0.9 * 20 <= campaign.agenda.used_seconds <= 1.1 * 20


def test_every_unit_is_measured_before_any_is_measured_often():
    campaign, kept, _ = scheduled(workloads=tuple(Steady(f"w{i}") for i in range(5)))
    campaign.run()
    assert {block for _, _, block in blocks_of(kept)[:15]} == {0, 1, 2}
    assert len(set(blocks_of(kept)[:15])) == 15


def test_units_take_turns_all_over_the_run():
    campaign, kept, _ = scheduled({"noise": 0.5}, workloads=(Steady("a"), Steady("b")), costly=True)
    campaign.run()
    order = [(workload, stream) for workload, stream, _ in blocks_of(kept)]
    quarter = len(order) // 4
    for start in range(0, 4 * quarter, quarter):
        assert len(set(order[start : start + quarter])) == 4


def test_a_guest_holds_back_nobody_and_is_opened_often_enough():
    box = {"launch_seconds": 1.0, "job_seconds": 0.2, "noise": 0.3}
    campaign, kept, runners = scheduled(
        box, budget=100, workloads=(Steady("a"), Steady("b"), Null()), costly=True
    )
    campaign.run()
    blocks = Counter((workload, stream) for workload, stream, _ in blocks_of(kept))
    assert blocks["a", ""] > 3 * blocks["a", "box"]
    openings = {t.invocation for t in good(kept, "a", "box")}
    assert len(openings) >= LEAST_OPENINGS
    shared = openings & {t.invocation for t in good(kept, "b", "box")}
    assert len(shared) >= len(openings) - 1
    assert not runners["box"].open_places
    assert {t.runner for t in kept if t.stream == "box"} == {"bare", "box"}


def test_emulated_guests_have_their_share_all_over_the_run_and_an_interval():
    box = {"launch_seconds": 1.0, "job_seconds": 0.5, "noise": 0.3, "accelerator": "tcg", "guest": True}
    workloads = (Steady("a"), Steady("b"), Null())
    campaign, kept, _ = scheduled(
        box, budget=100, workloads=workloads, costly=True, emulated=frozenset({"box"})
    )
    campaign.run()
    streams = campaign.agenda.ledger.streams()
    assert 0.15 * 100 < streams["box"].seconds < 1.2 * emulated_share(1) * 100
    numbers = [t.number for t in kept if t.stream == "box"]
    assert max(numbers) > 0.6 * len(kept)
    before = [t for t in kept if t.number < min(numbers)]
    for workload in workloads:  # no guest holds them up
        assert len(good(before, workload.name, "bare")) >= FEWEST_BLOCKS
    short, few, _ = scheduled(box, budget=15, workloads=workloads, costly=True, emulated=frozenset({"box"}))
    short.run()
    assert FEWEST_BLOCKS <= len(good(few, "a", "box(tcg)")) < EMULATED_BLOCKS
    assert len(good(few, "null", "box(tcg)")) == FEWEST_BLOCKS


def test_the_time_left_has_the_first_blocks_that_the_budget_does_not_have():
    campaign, _, _ = scheduled({"launch_seconds": 1.0, "accelerator": "tcg"}, emulated=frozenset({"box"}))
    agenda = campaign.agenda
    agenda.begin()
    agenda.used_before = 2 * agenda.plan.budget_seconds
    units = list(agenda.ledger.accounts)
    assert agenda.seconds_left() >= sum(agenda.estimates.block(unit, 0.05) for unit in units) > 0
    for unit in units:
        agenda.ledger.accounts[unit].done[0] = set()
    assert agenda.seconds_left() == 0


@pytest.fixture
def with_duets(monkeypatch):
    """Let fake places have duets: one job after the other, so that each run draws the same noise."""

    def together(places, jobs):
        found = [place.run(job) for place, job in zip(places, jobs, strict=True)]
        return [
            replace(one, host_cpu=HostCpu(one.inside_seconds, 1e-6, "cgroup", of_job=True)) for one in found
        ]

    monkeypatch.setattr(duet, "together", together)
    monkeypatch.setattr(duet, "pin", lambda _place, _cpus: None)
    monkeypatch.setattr(steady_state, "pin_alike", lambda *_all: True)


GUEST = {"launch_seconds": 0.1, "job_seconds": 0.05, "guest": True}
"""A runner whose places are costly."""


@pytest.mark.usefixtures("with_duets")
@pytest.mark.parametrize("effect", [0.5, 1.05, 3.0])
@pytest.mark.parametrize(
    ("box", "seen"),
    [
        ({}, {("a", True), ("a", False), ("b", False), ("null", False)}),
        (GUEST, {("a", False), ("b", False), ("null", False)}),
        (GUEST | {"accelerator": "tcg"}, {("a", False), ("b", False), ("null", False)}),
    ],
)
def test_the_sequence_is_the_same_whatever_the_difference_is(monkeypatch, box, seen, effect):
    """Plant a difference in everything that is judged, in whatever kind of trial; seconds stay as they are."""
    emulated = frozenset({"box"} if "accelerator" in box else set())

    def sequence(factor):
        campaign, kept, _ = scheduled(
            {"noise": 0.03} | box, budget=30, workloads=(Sharing("a"), Steady("b"), Null()), mode="default",
            costly=bool(box), emulated=emulated,
        )  # fmt: skip
        account, planted = campaign.recorder.account, set()

        def told(trial):
            if trial.runner.startswith("box"):
                planted.add((trial.workload, trial.duet))
                changed = tuple(
                    msgspec.structs.replace(one, value=factor * one.value) for one in trial.metrics
                )
                trial = msgspec.structs.replace(trial, metrics=changed)
            account(trial)

        campaign.recorder.account = told
        campaign.run()
        assert planted == seen
        return [(t.workload, t.runner, t.stream, t.block, t.duet, t.position) for t in kept]

    plain = sequence(1.0)
    assert sequence(effect) == plain
    assert len(plain) > 100

    def leaking(units):
        found = width(units)
        seen = 1 + 20 * abs(median(units)) if units else 1.0
        return Width(seen * found.now, seen * found.later)

    # The same test sees it if widths do tell of the difference. Emulated guests have a share of the time, whatever theirs are.
    monkeypatch.setattr(precision, "width", leaking)
    assert emulated or effect < 2 or sequence(effect) != sequence(1.0)


def test_time_in_jobs_counts_what_runs_at_the_same_time_once():
    campaign, _, _ = scheduled(workloads=(Sharing(),))
    ledger = campaign.agenda.ledger
    ms = 1_000_000
    for number, (block, started, finished) in enumerate([(0, 0, 50), (0, 1, 60), (0, 2, 55), (1, 100, 120)]):
        marks = {"started": started * ms, "finished": finished * ms}
        ledger.add(
            trial(number, 1.0, workload="work", block=block, duet=True, timeline=marks, spent_seconds=0.1)
        )
    after = [(0, 200, 230), (0, 230, 260)]
    for number, (block, started, finished) in enumerate(after, 9):
        marks = {"started": started * ms, "finished": finished * ms}
        ledger.add(trial(number, 1.0, workload="work", block=block, timeline=marks, spent_seconds=0.1))
    assert ledger.streams()[""].in_jobs_seconds == pytest.approx(0.060 + 0.020 + 0.030 + 0.030)


def test_a_block_costs_what_all_of_its_sides_take():
    """The subject that is slower is not seen as such: a slower base costs the same."""

    def sequence(bare, box):
        clock = FakeClock()
        runners = {
            name: FakeRunner(name, clock=clock, launch_seconds=0.005, job_seconds=seconds, noise=0.1)
            for name, seconds in (("bare", bare), ("box", box))
        }
        workloads = (Steady("a"), Steady("b"))
        plan = make_plan(
            workloads, blocks=None, budget_seconds=20,
            cases=tuple(Case(workload, key) for workload in workloads for key in ("bare", "box")),
            cheap=frozenset({"bare", "box"}),
        )  # fmt: skip
        kept = []
        make_campaign(plan, runners, kept.append).run()
        return Counter(t.workload for t in kept)

    slower, faster = sequence(0.05, 0.06), sequence(0.06, 0.05)
    assert slower["a"] == pytest.approx(faster["a"], rel=0.05)
    assert slower["b"] == pytest.approx(faster["b"], rel=0.05)


def test_a_unit_without_values_is_given_up_and_the_run_ends_when_nothing_is_left():
    campaign, kept, _ = scheduled({"noise": 0.0}, budget=500, workloads=(Steady(mangled=True), Null()))
    campaign.run()
    assert len({t.block for t in kept if t.workload == "work"}) == BARREN_BLOCKS
    assert campaign.agenda.ended == "exhausted"


def test_the_first_block_of_everything_is_measured_whatever_the_budget():
    workloads = tuple(Steady(f"w{i}") for i in range(5))
    campaign, kept, _ = scheduled(workloads=(*workloads, Null()), budget=0.001, costly=True)
    campaign.run()
    assert {block for _, _, block in blocks_of(kept)} == {0, 1}
    assert len(blocks_of(kept)) == 12
    assert campaign.agenda.ended == "budget"


@pytest.mark.parametrize("taken", [1, 40, 133])
def test_a_run_goes_on_after_it_was_killed_with_the_same_account(taken):
    whole, expected, _ = scheduled({"noise": 0.3}, costly=True)
    whole.run()
    again, rest, _ = scheduled({"noise": 0.3}, before=expected[:taken], costly=True)
    begun = {key: len(one.done) for key, one in again.agenda.ledger.accounts.items()}
    again.run()
    assert sum(begun.values()) == len({(t.workload, t.stream, t.block) for t in expected[:taken]})
    assert [t.number for t in rest] == list(range(taken, taken + len(rest)))
    assert again.agenda.used_seconds == pytest.approx(20, rel=0.1)
    sizes = Counter((t.workload, t.stream, t.block) for t in (*expected[:taken], *rest))
    assert set(sizes.values()) == {2, 3}


def test_an_extension_measures_what_it_is_for_each_unit_as_long():
    workloads = (Steady("a"), Steady("b"), Steady("c"))
    whole, before, _ = scheduled(budget=500, workloads=workloads)
    whole.run()
    assert whole.agenda.ended == "decided"
    budget = whole.agenda.used_seconds + 10
    again, more, _ = scheduled(
        budget=budget, workloads=workloads, before=before, extended=True, more_of=frozenset({"a", "b"})
    )
    again.run()
    spent = Counter()
    for one in more:
        spent[one.workload] += one.spent_seconds
    assert spent.keys() == {"a", "b"}
    assert spent["a"] == pytest.approx(spent["b"], rel=0.1)
    assert again.agenda.ended == "budget"
    assert again.agenda.used_seconds == pytest.approx(budget, rel=0.05)


def test_an_extension_of_a_run_within_its_target_makes_the_intervals_half_as_wide():
    whole, before, _ = scheduled({"noise": 0.02}, budget=500)
    whole.run()
    blocks = len(good(before, "work", "box"))
    again, more, _ = scheduled({"noise": 0.02}, budget=1000, before=before, extended=True)
    again.run()
    assert again.agenda.ended == "decided"
    assert again.agenda.aim == pytest.approx(0.005)
    assert 1.5 * blocks < len(good(before + more, "work", "box")) < 8 * blocks
    silent, kept, _ = scheduled({"noise": 0.0}, budget=500)
    silent.run()
    rest, none, _ = scheduled({"noise": 0.0}, budget=900, before=kept, extended=True)
    rest.run()
    assert not none, "where there is no noise there is nothing to make finer"
    assert rest.agenda.ended == "decided"


def test_the_time_left_is_known_after_a_tenth_of_the_run():
    for box, blocks, budget in (({"noise": 1.0}, None, 5.0), ({}, 60, 1.0)):
        campaign, _, runners = make(BOTH, blocks, box, budget_seconds=budget)
        told = []
        progress = campaign.recorder.progress
        progress.begin = lambda left, told=told: told.append(left)
        seen = []
        clock = runners["bare"].clock
        progress.trial = lambda _done, _what, seen=seen, told=told, clock=clock: seen.append(
            (clock.ns / 1e9, told[0]())
        )
        began = clock.ns / 1e9
        campaign.run()
        ended = clock.ns / 1e9
        late = [(now, left) for now, left in seen if 0.1 < (now - began) / (ended - began) < 0.9]
        assert len(late) > 20
        assert all(left == pytest.approx(ended - now, rel=0.25) for now, left in late)


class Needy(Steady):
    """A workload that lacks something wherever its job ends with 75, and otherwise finds out a fact."""

    def lacking(self, result):
        return Unsuitable("no pages", "give some") if result.exit_code == 75 else None

    def context(self, result):
        return {"found": len(result.stdout)}


@pytest.mark.parametrize(
    ("code", "outcome", "reason", "remedy"),
    [(0, "ok", "", ""), (75, "skipped", "no pages", "give some"), (3, "failed", "exit status 3", "")],
)
def test_what_a_place_lacks_is_a_skip_and_what_a_job_finds_out_is_context(code, outcome, reason, remedy):
    builder = TrialBuilder(
        Case(Needy(), "box"), "box", "none", block=0, position=0, warmup=False, invocation=0
    )
    builder.finish(Needy(), JobResult(code, None, False, 0, 1, 1e-9, None, b"four", b"", 4, 0))
    assert (builder.outcome, builder.reason, builder.remedy) == (outcome, reason, remedy)
    assert builder.context == ({"found": 4} if outcome == "ok" else {})


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
