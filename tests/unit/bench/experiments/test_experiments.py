from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from support.campaigns import LIMITS, make_campaign
from tare.bench.campaign import steady_state
from tare.bench.campaign.failures import GIVE_UP_AFTER
from tare.bench.campaign.remaining import done_slots
from tare.bench.experiments.base import Experiment, Findings
from tare.bench.measurable import Terms, Unsuitable
from tare.bench.planning.allocation import Budget
from tare.bench.planning.estimates import Estimates
from tare.bench.planning.matrix import Selection, cross, make_plan
from tare.bench.planning.modes import MODES
from tare.bench.pytest_plugin.replay import series_of
from tare.bench.pytest_plugin.session import is_asked_for
from tare.bench.request.keyword import compile_keyword
from tare.bench.workloads.null import Null
from tare.results.details import ScalingDetails
from tare.results.record import Metric
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.model import Probe

KEYS = ("bare", "box")


@dataclass(frozen=True)
class Pair(Experiment):
    """Two places at once."""

    name: str = "pair"
    family: str = "crowd"
    summary: str = "two places at once"
    opt_in: bool = False
    most_blocks: int = 15
    seconds: float = 0.1
    refused: str = ""
    script: dict = field(default_factory=dict, hash=False, compare=False)
    """Number of the trial → what goes wrong."""

    def admit(self, runner, terms):
        if runner.name == self.refused:
            raise Unsuitable(f"{runner.name} cannot take {terms.limits.memory_bytes} bytes.", "give less")

    def nominal_seconds(self, opening_seconds, job_seconds):
        return 2 * opening_seconds + self.seconds

    def perform(self, lab):
        wrong = self.script.get(lab.runner.openings) if lab.runner.name == "box" else None
        with lab.runner.open(), lab.runner.open() as second:
            if isinstance(wrong, Exception):
                raise wrong
        return Findings(
            metrics=(Metric(name="pair.n", value=2, unit="count", direction="none", primary=True),),
            context={"fake": True},
            details=ScalingDetails(threads=second.timeline["ready"]),
            failure=PlaceFailure("half-way", remedy="begin again") if wrong == "half" else None,
        )


def plan(experiments, *, mode="quick", blocks=None, keyword="", probes=None, runners=None, seen=None):
    runners = runners or {key: FakeRunner(key) for key in KEYS}
    selection = Selection(
        (Null(), *experiments), compile_keyword(keyword), terms=Terms(replace(LIMITS, memory_bytes=7))
    )
    budget = Budget(MODES[mode], Estimates(dict.fromkeys((*KEYS, "bare-again"), "none"), seen or {}), blocks)
    probes = probes or {key: Probe(ok=True) for key in KEYS}
    return make_plan(cross(selection, runners, probes), budget, 3)


def campaign(made, *, done=frozenset(), store=None, **fields):
    clock = FakeClock()
    runners = {key: FakeRunner(key, clock=clock) for key in KEYS}
    kept = []
    return make_campaign(made, runners, store or kept.append, done=done, **fields), kept, runners


@pytest.fixture(autouse=True)
def no_collectors(monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())


def of(kept, name):
    return [trial for trial in kept if trial.workload == name]


# -- plan


def test_an_experiment_is_a_case_under_every_runner_and_under_the_control():
    made = plan([Pair()], blocks=2)
    assert [c.runner for c in made.cases if c.workload.name == "pair"] == ["bare", "bare-again", "box"]
    assert made.experiment_blocks == {"pair": 2}
    assert made.trials == 2 * 3 + 2 * 3  # null and pair


def test_facts_that_do_not_vary_are_taken_once_whatever_is_asked():
    assert plan([Pair(most_blocks=1)], blocks=9).experiment_blocks == {"pair": 1}
    assert plan([Pair(most_blocks=1)]).experiment_blocks == {"pair": 1}


def test_experiments_fit_into_their_part_of_the_budget_and_have_their_least_blocks_anyway():
    quick = MODES["quick"]
    assert plan([Pair(seconds=100.0)]).experiment_blocks == {"pair": quick.least_blocks}
    assert plan([Pair(seconds=0.01)]).experiment_blocks == {"pair": quick.most_blocks}
    costly = plan([Pair(seconds=100.0)])
    assert costly.estimate_seconds > 3 * 100 * quick.least_blocks


def test_what_an_experiment_took_here_before_is_what_it_is_estimated_to_take():
    seen = {f"pair@{key}/{MODES['quick'].job_seconds:g}": 4.0 for key in (*KEYS, "bare-again")}
    made = plan([Pair()], seen=seen, blocks=5, keyword="pair")
    assert made.estimate_seconds == pytest.approx(5 * 3 * 4.0)


@pytest.mark.parametrize(
    ("keyword", "planned"),
    [
        ("", False),
        ("null", False),
        ("not null", False),
        ("pair", True),
        ("crowd", True),
        ("null or pair", True),
    ],
)
def test_an_expensive_experiment_is_planned_only_if_it_is_named(keyword, planned):
    made = plan([Pair(opt_in=True)], keyword=keyword)
    assert bool(made.experiments()) is planned


def test_a_runner_that_does_not_suit_an_experiment_is_skipped_with_the_reason():
    made = plan([Pair(refused="box")])
    assert [c.runner for c in made.cases if c.workload.name == "pair"] == ["bare", "bare-again"]
    (skip,) = made.skips
    assert (skip.workload, skip.runner, skip.reason, skip.remedy) == (
        "pair", "box", "box cannot take 7 bytes.", "give less",
    )  # fmt: skip


def test_a_refusing_runner_is_not_asked_by_the_experiment():
    probes = {"bare": Probe(ok=True), "box": Probe(ok=False, reason="no box", remedy="make one")}
    reasons = {skip.reason for skip in plan([Pair(refused="box")], probes=probes).skips}
    assert reasons == {"no box"}


# -- campaign


def test_each_block_has_one_trial_under_each_runner_in_shuffled_order():
    run, kept, runners = campaign(plan([Pair()], blocks=8))
    run.run()
    trials = of(kept, "pair")
    assert Counter((t.runner, t.outcome) for t in trials) == {
        ("bare", "ok"): 8, ("bare-again", "ok"): 8, ("box", "ok"): 8,
    }  # fmt: skip
    assert len({tuple(t.runner for t in trials if t.block == block) for block in range(8)}) > 1
    assert [t.number for t in kept] == list(range(len(kept)))
    assert all(t.context == {"fake": True} and t.details.threads for t in trials)
    assert not any(runner.open_places for runner in runners.values())


def test_blocks_of_several_experiments_take_turns():
    run, kept, _ = campaign(plan([Pair("a"), Pair("b")], blocks=3, keyword="a or b"))
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
    run, kept, runners = campaign(plan([Pair(script={2: wrong})], blocks=3, keyword="pair"))
    run.run()
    (bad,) = [t for t in kept if t.outcome != "ok"]
    assert (bad.outcome, bad.remedy, bad.metrics) == (outcome, remedy, ())
    assert reason in bad.reason
    assert len([t for t in kept if t.outcome == "ok"]) == 8
    assert not any(runner.open_places for runner in runners.values())


def test_what_speaks_against_a_runner_lastingly_is_asked_once_and_recorded_for_each_block():
    run, kept, runners = campaign(
        plan([Pair(script={0: Unsuitable("never", "go away", lasting=True)})], blocks=3, keyword="pair")
    )
    run.run()
    skipped = [t for t in kept if t.outcome == "skipped"]
    assert [(t.reason, t.block) for t in skipped] == [("never", 0), ("never", 1), ("never", 2)]
    assert runners["box"].openings == 2


def test_what_was_found_before_a_failure_is_kept():
    run, kept, _ = campaign(plan([Pair(script={0: "half"})], blocks=3, keyword="pair"))
    run.run()
    (bad,) = [t for t in kept if t.outcome == "failed"]
    assert bad.details.threads


def test_an_experiment_that_keeps_failing_is_given_up_on_that_runner_alone():
    script = dict.fromkeys(range(99), PlaceFailure("no luck"))
    run, kept, _ = campaign(plan([Pair(script=script), Pair("other")], blocks=5))
    run.run()
    outcomes = [t.outcome for t in of(kept, "pair") if t.runner == "box"]
    assert outcomes == ["failed"] * GIVE_UP_AFTER + ["skipped"] * (5 - GIVE_UP_AFTER)
    assert {t.outcome for t in kept if t.workload != "pair" or t.runner != "box"} == {"ok"}


def test_an_interrupted_run_measures_only_the_rest():
    made = plan([Pair()], blocks=4)
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
    done = done_slots(kept, {key: key for key in (*KEYS, "bare-again")})
    again, rest, _ = campaign(made, done=done, number=15)
    again.run()
    key = lambda t: (t.workload, t.runner, t.block)  # noqa: E731
    assert sorted(map(key, kept + rest)) == sorted(map(key, expected))


def test_what_a_trial_took_is_remembered_for_the_next_plan():
    made = plan([Pair()], blocks=3, keyword="pair")
    run, _, _ = campaign(made)
    run.run()
    assert f"pair@box/{made.job_seconds:g}" in run.recorder.costs.seconds


# -- pytest front


def config(keyword="", args=("bench",)):
    return SimpleNamespace(
        option=SimpleNamespace(keyword=keyword),
        args=list(args),
        invocation_params=SimpleNamespace(dir=Path("/project")),
    )


@pytest.mark.parametrize(
    ("keyword", "args", "asked"),
    [
        ("", ["bench"], False),
        ("not cpu", ["bench"], False),
        ("pair", ["bench"], True),
        ("", ["bench/bench_pair.py"], True),
        ("", ["bench/bench_pair.py::bench_pair"], True),
    ],
)
def test_pytest_leaves_expensive_experiments_out_unless_they_are_named(keyword, args, asked):
    file = Path("/project/bench/bench_pair.py")
    assert is_asked_for(config(keyword, args), Pair(opt_in=True), file) is asked
    assert is_asked_for(config(keyword, args), Pair(), file)
    assert is_asked_for(config(keyword, args), Null(), file)


def test_trials_without_a_primary_metric_are_a_series_all_the_same():
    run, kept, _ = campaign(plan([Pair()], blocks=3, keyword="pair"))
    run.run()
    facts = [msgspec.structs.replace(trial, metrics=()) for trial in kept]
    series = series_of(facts, "pair", "box")
    assert (len(series.trials), series.skipped, series.failure) == (3, "", "")


def test_the_least_blocks_bound_does_not_exceed_what_says_anything():
    mode = replace(MODES["default"], least_blocks=5)
    selection = Selection((Pair(most_blocks=2),), compile_keyword(""))
    matrix = cross(selection, {"bare": FakeRunner("bare")}, {"bare": Probe(ok=True)})
    made = make_plan(matrix, Budget(mode, Estimates({"bare": "none", "bare-again": "none"}), None), 1)
    assert made.experiment_blocks == {"pair": 2}
