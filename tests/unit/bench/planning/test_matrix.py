"""Experiments in the matrix of cases, and what they are estimated to take."""

from typing import get_args

import pytest

from support.experiments import KEYS, Pair, plan_experiments
from tare.bench.catalogue import ours
from tare.bench.measurable import FromMode
from tare.bench.planning import matrix
from tare.bench.planning.modes import EMULATED_IF_NAMED, EMULATED_QUICKLY, MODES, is_planned
from tare.runners.model import Probe


def test_an_experiment_is_a_case_under_every_runner_and_under_the_control():
    made = plan_experiments([Pair()], blocks=2)
    assert [c.runner for c in made.cases if c.workload.name == "pair"] == ["bare", "bare-again", "box"]
    assert [unit.name for unit in made.units()] == ["null", "pair"]


def test_what_an_experiment_took_here_before_is_what_it_is_estimated_to_take():
    seen = {f"pair@{key}/{MODES['quick'].job_seconds:g}": 4.0 for key in (*KEYS, "bare-again")}
    made = plan_experiments([Pair()], seen=seen, blocks=5, keyword="pair")
    assert made.estimate_seconds == pytest.approx(5 * 3 * 4.0)


def test_facts_that_do_not_vary_are_estimated_once_whatever_is_asked():
    seen = {f"pair@{key}/{MODES['quick'].job_seconds:g}": 4.0 for key in (*KEYS, "bare-again")}
    made = plan_experiments([Pair(most_blocks=1)], seen=seen, blocks=5, keyword="pair")
    assert made.estimate_seconds == pytest.approx(3 * 4.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("keyword", "named"),
    [
        ("", False),
        ("null", None),
        ("not null", False),
        ("pair", True),
        ("crowd", True),
        ("null or pair", True),
    ],
)
@pytest.mark.parametrize(
    ("from_mode", "unasked"),
    [
        ("quick", {"quick", "default", "rigorous"}),
        ("default", {"default", "rigorous"}),
        ("rigorous", {"rigorous"}),
        ("named", set()),
    ],
)
def test_what_is_named_is_planned_and_the_rest_from_its_mode_on(from_mode, unasked, keyword, named, mode):
    made = plan_experiments([Pair(from_mode=from_mode)], keyword=keyword, mode=mode)
    assert bool(made.experiments()) is (named is not None and (named or mode in unasked))


def test_modes_and_what_is_measured_in_them_have_the_same_names():
    assert [*MODES, "named"] == list(get_args(FromMode))


def test_a_default_run_measures_the_rows_that_its_budget_is_meant_for():
    unasked = [one.name for one in ours() if is_planned(one, "default", named=False)]
    assert len(unasked) <= 18, (
        "the budget of a default run is for some fifteen rows: let others be `rigorous`"
    )


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


@pytest.mark.parametrize(
    ("keyword", "mode", "accelerator", "measured"),
    [
        ("", "quick", "tcg", False),
        ("pair", "quick", "tcg", True),
        ("not null", "quick", "tcg", False),
        ("", "default", "tcg", True),
        ("", "quick", "kvm", True),
    ],
)
def test_a_quick_run_measures_little_where_cpus_are_emulated_unless_it_is_named(
    keyword, mode, accelerator, measured
):
    made = plan_experiments([Pair()], keyword=keyword, mode=mode, accelerator=accelerator)
    assert ("box" in {case.runner for case in made.cases if case.workload.name == "pair"}) is measured
    skipped = {skip.workload: skip for skip in made.skips}
    assert ("pair" not in skipped) is measured
    if not measured:
        assert "--quick" in skipped["pair"].remedy
    assert made.emulated == ({"box"} if accelerator == "tcg" and measured else made.emulated)


def test_what_a_quick_run_measures_where_cpus_are_emulated_exists():
    assert set(EMULATED_QUICKLY) <= {one.name for one in ours()}


@pytest.mark.parametrize(
    ("keyword", "accelerator", "measured"),
    [("", "tcg", False), ("pair", "tcg", True), ("", "kvm", True)],
)
def test_neighbours_and_services_are_measured_where_cpus_are_emulated_only_if_they_are_named(
    keyword, accelerator, measured, monkeypatch
):
    monkeypatch.setattr(matrix, "EMULATED_IF_NAMED", (Pair().family,))
    made = plan_experiments([Pair()], keyword=keyword, mode="default", accelerator=accelerator)
    assert ("box" in {case.runner for case in made.cases if case.workload.name == "pair"}) is measured
    assert [skip.remedy for skip in made.skips] == ([] if measured else ["name it by -k"])


def test_what_is_measured_where_cpus_are_emulated_only_if_named_exists():
    assert set(EMULATED_IF_NAMED) <= {one.family for one in ours()}
