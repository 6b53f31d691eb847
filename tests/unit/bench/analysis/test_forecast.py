"""Forecasts come from the last run's spreads and costs, through the scheduler of real runs."""

import json
import math

import pytest

from support.campaigns import Steady, make_campaign, make_plan
from tare.bench.analysis.forecast import forecast
from tare.bench.campaign import steady_state
from tare.bench.campaign.spreads import remember_spreads
from tare.bench.planning.estimates import Estimates, merge_numbers, spreads_file, timings_file
from tare.bench.workloads.null import Null
from tare.runners.fake import FakeClock, FakeRunner

ESTIMATES = Estimates({"bare": "none", "box": "none"}, {f"{name}@box/0.05": 0.1 for name in "ab"})


def plan(*names, **changes):
    return make_plan([Steady(name) for name in names], blocks=None, **changes)


def expected(made, cache, seconds=None):
    return {one.unit.name: one for one in forecast(made, ESTIMATES, cache, seconds)}


def test_it_says_where_it_does_not_know(tmp_path):
    found = expected(plan("a"), tmp_path)["a"]
    assert (found.known, found.seconds_needed, found.half_widths) == (False, None, {})


def test_jobs_of_another_length_are_better_than_no_answer_and_are_told_apart(tmp_path):
    """A host that has made quick runs only knows something of default ones."""
    merge_numbers(
        spreads_file(tmp_path),
        {
            "a@box/0.025/time": 0.2,
            "a@box/5/time": 9.0,
            "aa@box/0.05/time": 9.0,
            "a@box/0/time": 9.0,
            "b@box/0.05/time": 0.4,
        },
    )
    found = expected(plan("a", "b"), tmp_path)
    assert (found["a"].other_length, found["b"].other_length) == (True, False)
    assert found["a"].seconds_needed == pytest.approx(
        found["a"].block_seconds * (0.2 / math.log1p(0.01)) ** 2
    )
    merge_numbers(spreads_file(tmp_path), {"a@box/0.05/time": 0.1})
    assert not expected(plan("a"), tmp_path)["a"].other_length


def test_a_start_has_no_length_that_could_differ(tmp_path):
    merge_numbers(spreads_file(tmp_path), {"null@box/0.025/time": 0.2})
    found = expected(make_plan([Null()], blocks=None), tmp_path)["null"]
    assert found.known
    assert not found.other_length


def test_half_widths_shrink_with_the_budget_and_more_is_needed_for_wider_ones(tmp_path):
    merge_numbers(
        spreads_file(tmp_path), {"a@box/0.05/time": 0.2, "a@box/0.05/cpu": 0.05, "b@box/0.05/time": 0.4}
    )
    short, long = (expected(plan("a", "b"), tmp_path, seconds) for seconds in (30, 120))
    assert short["a"].half_widths["time"] > long["a"].half_widths["time"] > long["a"].half_widths["cpu"]
    assert short["b"].half_widths["time"] > short["a"].half_widths["time"]
    needed = short["a"].seconds_needed
    assert needed == pytest.approx(short["a"].block_seconds * (0.2 / math.log1p(0.01)) ** 2)
    assert short["b"].seconds_needed == pytest.approx(4 * needed)
    spent = sum(one.blocks * one.block_seconds for one in short.values())
    assert 0.9 * 30 < spent < 1.1 * 30


def test_what_is_within_the_target_gets_no_more(tmp_path):
    merge_numbers(spreads_file(tmp_path), {"a@box/0.05/time": 0.01})
    found = expected(plan("a"), tmp_path, 1000)["a"]
    assert 10 <= found.blocks <= 12
    assert found.half_widths["time"] < 0.01


def test_blocks_that_were_asked_for_are_what_is_expected(tmp_path):
    merge_numbers(spreads_file(tmp_path), {"a@box/0.05/time": 0.2})
    found = {one.unit.name: one for one in forecast(make_plan([Steady("a")], blocks=25), ESTIMATES, tmp_path)}
    assert found["a"].blocks == 25
    assert found["a"].half_widths["time"] == pytest.approx(math.expm1(0.2 / 5))


def test_a_run_leaves_the_spreads_that_the_next_forecast_is_made_from(tmp_path, monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())
    clock = FakeClock()
    runners = {name: FakeRunner(name, clock=clock, noise=0.1) for name in ("bare", "box")}
    made = make_plan([Steady(), Null()], blocks=40)
    campaign = make_campaign(made, runners, lambda _trial: None)
    campaign.run()
    remember_spreads(tmp_path, campaign.agenda.ledger, made.job_seconds)
    kept = json.loads(spreads_file(tmp_path).read_text())
    assert set(kept) == {"work@box/0.05/time", "work@box/0.05/cpu", "null@box/0.05/time"}
    found = expected(make_plan([Steady()], blocks=160), tmp_path)["work"]
    # A job's time varies by 10 %, so a ratio by 14 %; 160 blocks give about ±14 % · 2 / 12.6.
    assert 0.01 < found.half_widths["time"] < 0.04


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"a": "x"}'])
def test_damaged_files_are_as_good_as_none(tmp_path, damage):
    for path in (spreads_file(tmp_path), timings_file(tmp_path)):
        path.write_text(damage)
    assert not expected(plan("a"), tmp_path)["a"].known
