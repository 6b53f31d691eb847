"""Experiments in the matrix of cases, and what they are estimated to take."""

import pytest

from support.experiments import KEYS, Pair, plan_experiments
from tare.bench.planning.modes import JOB_SECONDS
from tare.runners.model import Probe


def test_an_experiment_is_a_case_under_every_runner_and_under_the_control():
    made = plan_experiments([Pair()], blocks=2)
    assert [c.runner for c in made.cases if c.workload.name == "pair"] == ["bare", "bare-again", "box"]
    assert [unit.name for unit in made.units()] == ["null", "pair"]


def test_what_an_experiment_took_here_before_is_what_it_is_estimated_to_take():
    seen = {f"pair@{key}/{JOB_SECONDS:g}": 4.0 for key in (*KEYS, "bare-again")}
    made = plan_experiments([Pair()], seen=seen, blocks=5, keyword="pair")
    assert made.estimate_seconds == pytest.approx(5 * 3 * 4.0)


def test_facts_that_do_not_vary_are_estimated_once_whatever_is_asked():
    seen = {f"pair@{key}/{JOB_SECONDS:g}": 4.0 for key in (*KEYS, "bare-again")}
    made = plan_experiments([Pair(most_blocks=1)], seen=seen, blocks=5, keyword="pair")
    assert made.estimate_seconds == pytest.approx(3 * 4.0)


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
