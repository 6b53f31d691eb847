"""The search for change points: false alarms, power, odd runs, and values without a logarithm."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tare.bench.tools.simulations.histories import NOISES, alarm_rate, alarms, found_rate, steps
from tare.results.statistics.changepoints import change_points

ODD = st.floats(0.01, 100)
THRESHOLD = 0.02


def draws(n, seed, noise=0.02):
    return np.exp(np.random.default_rng(seed).normal(0, noise, n))


def found(values, threshold=THRESHOLD):
    return [change.index for change in change_points(values, threshold=threshold)]


def stepped(n, at, factor):
    return np.where(np.arange(n) >= at, factor, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 12, 30])
def test_quiet_histories_raise_no_alarm(n):
    assert sum(bool(found(draws(n, seed))) for seed in range(300)) <= 6  # 2 %, as promised


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NOISES if name != "AR(0.7)"])
def test_noise_of_any_kind_raises_few_alarms(name):
    # docs/method.md has 1,000 draws of each: at most 2 %, and at most 5 % for AR(0.5).
    assert alarm_rate(NOISES[name], 30, 60, seed=3) <= 0.07


def test_lasting_changes_are_found_where_they_are():
    hits = sum(
        [abs(index - 18) <= 1 for index in found(draws(30, seed) * stepped(30, 18, 1.10))] == [True]
        for seed in range(50)
    )
    assert hits >= 47


@pytest.mark.slow
def test_steps_a_little_above_the_noise_are_found():
    anywhere, _ = found_rate(0.05, 30, 60, 50, seed=1)
    assert anywhere >= 0.9


def test_up_and_down_again():
    values = draws(40, 1) * np.where((np.arange(40) >= 12) & (np.arange(40) < 25), 1.2, 1.0)
    up, down = change_points(values, threshold=THRESHOLD)
    assert (up.index, down.index) == (12, 25)
    assert up.ratio > 1 > down.ratio


def test_stairs_and_square_waves():
    noise, run = draws(60, 2, 0.01), np.arange(60)
    assert found(noise * 1.05 ** (run // 12)) == [12, 24, 36, 48]
    assert found(noise * np.where(run // 15 % 2, 1.05, 1.0)) == [15, 30, 45]


@given(at=st.integers(0, 59), factor=ODD, seed=st.integers(0, 5))
def test_one_odd_run_is_no_change(at, factor, seed):
    values = draws(60, seed, 0.01)
    assert found(values) == []
    values[at] *= factor
    assert found(values) == []


@given(at=st.integers(0, 59), factor=ODD)
def test_one_odd_run_hides_no_change(at, factor):
    values = draws(60, 8, 0.01) * stepped(60, 40, 1.10)
    values[at] *= factor
    (index,) = found(values)
    # An odd run among the first three of the new level is taken for one of the old: the change is then behind it.
    assert abs(index - 40) <= 1 or index == at + 1 <= 43


def test_two_runs_for_real_are_a_change_at_the_end_but_not_in_the_middle():
    assert found(draws(60, 5, 0.01) * stepped(60, 58, 1.2)) == [58]
    assert found(draws(60, 5, 0.01) * stepped(60, 59, 1.2)) == []
    values = draws(60, 5, 0.01)
    values[30:32] *= 1.2
    assert found(values) == []


def test_small_but_certain_changes_do_not_matter():
    values = draws(60, 4, 0.001) * stepped(60, 30, 1.01)
    assert found(values) == []
    assert found(values, threshold=0.005) == [30]


@pytest.mark.parametrize("values", [[], [1.0] * 5, [1.0] * 20, [0.0, 1.0] * 5, [0.0] * 20, [-1.0] * 9])
def test_nothing_to_find(values):
    assert change_points(values, threshold=THRESHOLD) == []


def test_an_exact_step_is_certain():
    (change,) = change_points([1.0] * 5 + [2.0] * 5, threshold=THRESHOLD)
    assert (change.index, change.p) == (5, 0.0)
    assert change.ratio == pytest.approx(2.0)


@pytest.mark.parametrize("odd", [0.0, -1.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_values_without_a_logarithm_turn_nothing_off(odd, noise):
    values = draws(60, 3, noise) * stepped(60, 30, 2.0)
    values[12] = odd
    assert found(values) == [30]


@pytest.mark.parametrize(("levels", "ratio"), [((1.0, 0.0), 0.0), ((0.0, 1.0), math.inf)])
def test_levels_of_zero(levels, ratio):
    values = draws(60, 3, 0.01) * np.where(np.arange(60) < 30, *levels)
    (change,) = change_points(values, threshold=THRESHOLD)
    assert (change.index, change.ratio) == (30, ratio)


def test_the_same_history_gives_the_same_changes():
    values = draws(60, 9, 0.03) * stepped(60, 30, 1.05)
    assert change_points(values, threshold=THRESHOLD) == change_points(values.tolist(), threshold=THRESHOLD)


@example(values=[0.0] * 5 + [5e-324])
@given(values=st.lists(st.floats(-1e300, 1e300), max_size=40))
def test_any_values_give_changes_in_order(values):
    indices = found(values)
    assert indices == sorted(set(indices))
    assert all(3 <= index <= len(values) - 2 for index in indices)


@pytest.mark.slow
def test_tables_have_a_row_for_each_noise_and_place():
    assert len(alarms(1, 0).splitlines()) == 2 + len(NOISES)
    assert len(steps(1, 0).splitlines()) == 2 + 5


def test_a_change_is_dated_to_its_first_run_though_the_run_before_it_was_the_lowest():
    before = [244, 244, 247, 249, 250, 247, 250, 251, 247, 247, 246, 249, 247, 247, 251, 246, 246, 241]
    after = [197, 198, 195, 197, 196, 198, 197, 196, 196, 197, 200, 197]
    (found,) = change_points([*before, *after], threshold=0.02)
    assert found.index == len(before)


def test_changes_of_ten_standard_deviations_are_dated_exactly():
    random = np.random.default_rng(20)
    exact = 0
    for _ in range(60):
        at = int(random.integers(5, 26))
        values = 100 * np.exp(random.normal(0, 0.01, 30) + np.where(np.arange(30) < at, 0.0, 0.1))
        exact += [one.index for one in change_points(values.tolist(), threshold=0.02)] == [at]
    assert exact >= 59
