"""Experiments in the matrix of cases, and what the budget gives them."""

from dataclasses import replace

import pytest

from support.experiments import KEYS, Pair, plan_experiments
from tare.bench.planning.allocation import Budget
from tare.bench.planning.estimates import Estimates
from tare.bench.planning.matrix import Selection, cross, make_plan
from tare.bench.planning.modes import MODES
from tare.bench.request.keyword import compile_keyword
from tare.runners.fake import FakeRunner
from tare.runners.model import Probe


def test_an_experiment_is_a_case_under_every_runner_and_under_the_control():
    made = plan_experiments([Pair()], blocks=2)
    assert [c.runner for c in made.cases if c.workload.name == "pair"] == ["bare", "bare-again", "box"]
    assert made.experiment_blocks == {"pair": 2}
    assert made.trials == 2 * 3 + 2 * 3  # null and pair


def test_facts_that_do_not_vary_are_taken_once_whatever_is_asked():
    assert plan_experiments([Pair(most_blocks=1)], blocks=9).experiment_blocks == {"pair": 1}
    assert plan_experiments([Pair(most_blocks=1)]).experiment_blocks == {"pair": 1}


def test_experiments_fit_into_their_part_of_the_budget_and_have_their_least_blocks_anyway():
    quick = MODES["quick"]
    assert plan_experiments([Pair(seconds=100.0)]).experiment_blocks == {"pair": quick.least_blocks}
    assert plan_experiments([Pair(seconds=0.01)]).experiment_blocks == {"pair": quick.most_blocks}
    costly = plan_experiments([Pair(seconds=100.0)])
    assert costly.estimate_seconds > 3 * 100 * quick.least_blocks


def test_what_an_experiment_took_here_before_is_what_it_is_estimated_to_take():
    seen = {f"pair@{key}/{MODES['quick'].job_seconds:g}": 4.0 for key in (*KEYS, "bare-again")}
    made = plan_experiments([Pair()], seen=seen, blocks=5, keyword="pair")
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
    made = plan_experiments([Pair(opt_in=True)], keyword=keyword)
    assert bool(made.experiments()) is planned


def test_a_runner_that_does_not_suit_an_experiment_is_skipped_with_the_reason():
    made = plan_experiments([Pair(refused="box")])
    assert [c.runner for c in made.cases if c.workload.name == "pair"] == ["bare", "bare-again"]
    (skip,) = made.skips
    assert (skip.workload, skip.runner, skip.reason, skip.remedy) == (
        "pair", "box", "box cannot take 7 bytes.", "give less",
    )  # fmt: skip


def test_a_refusing_runner_is_not_asked_by_the_experiment():
    probes = {"bare": Probe(ok=True), "box": Probe(ok=False, reason="no box", remedy="make one")}
    reasons = {skip.reason for skip in plan_experiments([Pair(refused="box")], probes=probes).skips}
    assert reasons == {"no box"}


def test_the_least_blocks_bound_does_not_exceed_what_says_anything():
    mode = replace(MODES["default"], least_blocks=5)
    selection = Selection((Pair(most_blocks=2),), compile_keyword(""))
    matrix = cross(selection, {"bare": FakeRunner("bare")}, {"bare": Probe(ok=True)})
    made = make_plan(matrix, Budget(mode, Estimates({"bare": "none", "bare-again": "none"}), None), 1)
    assert made.experiment_blocks == {"pair": 2}
