"""The error rates of dependent blocks that ``docs/method.md`` prints, from fewer draws and with room for chance."""

import pytest

from tare.bench.tools.simulations.dependence import WORLDS, independent, rates, tables


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [10, 19, 45])
@pytest.mark.parametrize("world", [name for name in WORLDS if "95 %" not in name])
def test_dependent_blocks_raise_few_false_calls(world, blocks):
    # A walk hidden by three times as much noise is the worst of the worlds whose rates the page on method admits.
    most = 0.10 if world == "walk of 1 % a block, 3 %" and blocks == 45 else 0.05
    assert rates(WORLDS[world], blocks, 100).called <= most
    assert rates(WORLDS[world], blocks, 100, between=True).called <= 0.05


@pytest.mark.slow
def test_independent_blocks_keep_their_power():
    assert rates(WORLDS["independent, 1 %"], 45, 100).same >= 0.9
    assert rates(WORLDS["independent, 1 %"], 45, 100, effect=0.03).worse >= 0.85
    assert rates(WORLDS["90 % equal values"], 100, 100).same >= 0.9


@pytest.mark.parametrize("effect", [0.0, 0.03])
def test_a_clock_coarser_than_the_threshold_never_shows_equality(effect):
    found = rates(independent(0.02), 15, 50, effect=effect, tick=0.1)
    assert found.same == found.called == 0


@pytest.mark.slow
def test_the_tables_can_be_made():
    assert tables(1).count("### ") == 4
