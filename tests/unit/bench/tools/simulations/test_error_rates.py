"""The error rates that ``docs/method.md`` promises, from fewer draws and with room for chance.

Seeded, so a change of a rate is a change of the method, never bad luck.
"""

from __future__ import annotations

import pytest

from support.changing import replace
from tare.bench.tools.simulations.error_rates import (
    NESTED,
    TABLES,
    WORLDS,
    World,
    between_runs_rates,
    interval_quality,
    rival_rates,
    unit_quality,
    verdict_rates,
)
from tare.bench.tools.simulations.markdown import sections

# Together some ten seconds of computing.
pytestmark = pytest.mark.slow

TIMES = 300


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: w.name)
@pytest.mark.parametrize("blocks", [5, 15])
def test_nothing_is_called_where_nothing_differs(world, blocks):
    rates = verdict_rates(replace(world, blocks=blocks), 0.0, TIMES, seed=2)
    # Five blocks of 10 % noise come nearest to the bound that holds by construction, 2.5 % a side.
    most = 0.025 if blocks == 5 and world.noise == 0.10 else 0.01
    assert rates["worse"] <= most
    assert rates["better"] <= most


@pytest.mark.parametrize("world", NESTED, ids=lambda w: w.name)
def test_invocations_that_differ_by_3_percent_raise_no_alarms(world):
    assert verdict_rates(world, 0.0, TIMES, seed=3)["worse"] <= 0.01
    assert between_runs_rates(world, 0.0, TIMES, seed=3)["worse"] <= 0.02


def test_a_t_test_over_blocks_does_raise_them():
    # The world that the rule is made for must be one in which the usual rule fails.
    assert rival_rates(NESTED[0], 0.0, TIMES, seed=3)["t-test p<0.05"] > 0.2


@pytest.mark.parametrize(
    ("noise", "blocks", "effect", "least"),
    [(0.01, 45, 0.03, 0.85), (0.03, 45, 0.05, 0.85), (0.03, 45, 0.10, 0.9), (0.05, 60, 0.10, 0.85)],
)
def test_slowdowns_are_found(noise, blocks, effect, least):
    assert verdict_rates(World("", blocks=blocks, noise=noise), effect, TIMES, seed=4)["worse"] >= least


def test_equality_is_found_and_never_where_it_is_not():
    world = World("", blocks=15, noise=0.01)
    assert verdict_rates(world, 0.0, TIMES, seed=5)["same"] >= 0.75
    assert verdict_rates(world, 0.02, TIMES, seed=5)["same"] <= 0.05


@pytest.mark.parametrize("blocks", [3, 5, 6, 10, 20])
@pytest.mark.parametrize("world", [WORLDS[1], WORLDS[3]], ids=lambda w: w.name)
def test_intervals_cover_as_they_say(world, blocks):
    covered, _ = interval_quality(replace(world, blocks=blocks), "Hodges-Lehmann (ours)", 400, seed=6)
    assert covered >= 0.92


def test_invocations_as_units_cover_where_blocks_do_not():
    world = NESTED[3]
    assert unit_quality(world, "invocation", TIMES, seed=7)[0] >= 0.92
    assert unit_quality(world, "block", TIMES, seed=7)[0] < 0.85


def test_the_tables_can_be_made():
    assert sections(TABLES, 4, seed=1).count("### ") == 7
