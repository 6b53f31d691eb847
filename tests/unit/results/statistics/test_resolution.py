"""The steps of clocks: found in values that a clock rounded, not in others."""

import numpy as np
import pytest

from tare.results.statistics.resolution import step


@pytest.mark.parametrize("tick", [0.01, 0.004, 0.001, 1 / 300])
def test_steps_are_found(tick):
    random = np.random.default_rng(1)
    values = np.round(random.normal(0.1, 0.02, 20) / tick) * tick
    assert step(values) == pytest.approx(tick / np.median(values), rel=1e-3)


def test_fine_clocks_have_none_that_matters():
    random = np.random.default_rng(1)
    for digits in (6, 9, 17):
        assert step(np.round(random.normal(0.1, 0.002, 20), digits)) <= 1e-4


@pytest.mark.parametrize(("value", "expected"), [(0.1, 0.1), (3.0, 1 / 30), (20.0, 0.05), (0.123456789, 0.0)])
def test_equal_values_may_be_of_any_clock(value, expected):
    assert step(np.full(5, value)) == pytest.approx(expected)


def test_rates_read_again_from_text_keep_their_steps():
    values = 1 / np.array([float(f"{1000 / (ticks * 0.01):.7g}") for ticks in (9, 10, 11, 10, 13)])
    assert step(values) == pytest.approx(0.1, rel=1e-3)


def test_nothing_and_zero_have_no_steps():
    assert step(np.array([])) == step(np.array([0.0, 1.0])) == 0.0
