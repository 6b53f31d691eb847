"""Dependence of neighbours: allowed for where it is or may be, and never taken from ties."""

import numpy as np
import pytest

from tare.results.statistics import estimates
from tare.results.statistics.dependence import FEWEST_BATCHES, SPANS, merged, settle


def autocorrelated(random, n, correlation):
    x = [random.normal()]
    for _ in range(n - 1):
        x.append(correlation * x[-1] + random.normal() * (1 - correlation**2) ** 0.5)
    return x


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 100])
def test_constant_values_are_no_sign_of_dependence(n):
    assert settle([1.5] * n) == ([1.5] * n, 1, 1.0, 0.0)


def test_ties_are_no_sign_of_dependence():
    random = np.random.default_rng(1)
    found = [
        settle(np.where(random.random(100) < 0.9, 0.0, random.normal(0, 1, 100)).tolist()) for _ in range(200)
    ]
    assert sum(one.dependent for one in found) <= 10
    assert sum(one.batch > 1 for one in found) <= 30


def test_rounding_errors_do_not_part_ties():
    random = np.random.default_rng(1)
    x = np.where(random.random(60) < 0.8, 0.0, random.normal(0, 1, 60))
    noisy = settle((x + np.cumsum(random.normal(0, 1e-16, 60))).tolist())
    exact = settle(x.tolist())
    assert (noisy.batch, noisy.dependent) == (exact.batch, exact.dependent)
    assert noisy.factor == pytest.approx(exact.factor)


@pytest.mark.parametrize(("n", "most"), [(5, 2.0), (10, 1.6), (20, 1.4), (45, 1.3), (100, 1.2), (1000, 1.1)])
def test_independent_units_pay_little_and_less_the_more_they_are(n, most):
    random = np.random.default_rng(2)
    found = [settle(random.standard_t(3, n).tolist()) for _ in range(100)]
    assert np.median([one.factor for one in found]) <= most
    assert sum(one.dependent for one in found) <= 12


@pytest.mark.parametrize("n", [20, 45, 300])
def test_walks_depend_over_the_whole_run(n):
    random = np.random.default_rng(3)
    found = [settle(np.cumsum(random.normal(0, 1, n)).tolist()) for _ in range(50)]
    assert sum(one.dependent for one in found) >= 47
    for one in (one for one in found if one.dependent):
        assert one.reach == pytest.approx(SPANS * (max(one.units) - min(one.units)))


def test_short_dependence_is_merged_away():
    random = np.random.default_rng(4)
    found = [settle(autocorrelated(random, 400, 0.6)) for _ in range(50)]
    assert all(one.batch >= 4 and len(one.units) >= FEWEST_BATCHES for one in found)
    assert sum(one.dependent for one in found) <= 5


def test_a_shift_or_a_scale_changes_nothing():
    x = np.random.default_rng(5).normal(0, 1, 30)
    there, back = settle(x.tolist()), settle((7 - 3 * x).tolist())
    assert (there.batch, there.dependent) == (back.batch, back.dependent)
    assert there.factor == pytest.approx(back.factor)


@pytest.mark.parametrize("n", [1, 127, 128, 129, 1000])
def test_batches_are_those_of_the_estimates(n):
    x = np.random.default_rng(n).normal(0, 1, n)
    assert merged(x.tolist(), 128) == estimates.batched(x, 128).tolist()
