from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tare.results.statistics import estimates as statistics

VALUES = st.lists(st.floats(-1, 1).map(lambda v: round(v, 6)), min_size=3, max_size=40)


def mean(x):
    return np.asarray(np.mean(x, axis=-1))


@given(VALUES, st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values, q):
    assert statistics.quantile(values, q, 0.95).value == pytest.approx(np.quantile(values, q), abs=1e-15)


def test_quantile_limits_are_the_textbook_ranks():
    # Conover 1999, table: for n = 100 the 95 % interval of the median is x(40) to x(61).
    found = statistics.quantile(range(1, 101), 0.5, 0.95)
    assert (found.value, found.low, found.high, found.n) == (50.5, 40, 61, 100)


@pytest.mark.parametrize(("q", "least"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_quantiles_need_enough_samples_for_an_interval(q, least):
    # The bad end needs 1 - q**n >= 0.975; for the median the same on both sides.
    assert 1 - q ** (least - 1) < 0.975 <= 1 - q**least
    assert statistics.quantile(range(least - 1), q, 0.95).high is None
    assert statistics.quantile(range(least), q, 0.95).high is not None


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_quantile_interval_covers_as_promised(n):
    for size in range(6, 60, n):
        found = statistics.quantile(range(1, size + 1), 0.5, 0.95)
        assert found.low is not None
        binomial = stats.binom(size, 0.5)
        assert binomial.cdf(found.high - 1) - binomial.cdf(found.low - 1) >= 0.95


@pytest.mark.parametrize("n", [6, 10, 30, 50, 60])
def test_signed_rank_p_equals_scipys(n):
    x = np.random.default_rng(n).normal(0.2, 1, n)
    expected = stats.wilcoxon(x, alternative="greater", method="exact").pvalue
    assert statistics.one_sample_p(x, 0) == pytest.approx(expected, abs=2e-3 if n > 50 else 1e-12)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 9), (20, 20), (50, 30), (60, 55)])
def test_rank_sum_p_equals_scipys(n, m):
    random = np.random.default_rng(n)
    a, b = random.normal(0, 1, n), random.normal(0.3, 1, m)
    expected = stats.mannwhitneyu(
        b, a, alternative="greater", method="exact" if n <= 50 else "asymptotic"
    ).pvalue
    assert statistics.two_sample_p(a, b, 0) == pytest.approx(expected, abs=1e-3 if n > 50 else 1e-9)


def test_small_samples_take_students_t():
    x = np.array([0.1, 0.2, 0.4, 0.35])
    found = statistics.one_sample(x, 0.95)
    low, high = stats.t.interval(0.95, 3, loc=found.value, scale=stats.sem(x))
    assert [found.low, found.high] == pytest.approx([low, high])
    assert statistics.one_sample_p(x, 0) == pytest.approx(
        stats.ttest_1samp(x, 0, alternative="greater").pvalue
    )
    a = np.array([0.1, 0.25, 0.15])
    expected = stats.ttest_ind(x, a, equal_var=False, alternative="greater").pvalue
    assert statistics.two_sample_p(a, x, 0) == pytest.approx(expected)
    welch = statistics.two_sample(a, x, 0.95)
    theirs = stats.ttest_ind(x, a, equal_var=False).confidence_interval(0.95)
    assert welch.high - welch.low == pytest.approx(theirs.high - theirs.low)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_give_no_interval(n):
    x = [1.0] * n
    for found in (
        statistics.one_sample(x, 0.95),
        statistics.two_sample(x, [1.0] * 9, 0.95),
        statistics.bca(x, mean, 0.95, seed=1),
        statistics.clustered_quantile(x, list(range(n)), 0.5, 0.95, seed=1),
        statistics.quantile(x, 0.5, 0.95),
    ):
        assert (found.low, found.high) == (None, None)
        assert found.value in {0.0, 1.0}
    assert statistics.one_sample_p(x, 0) == statistics.two_sample_p(x, x, 0) == 1.0


@pytest.mark.parametrize("n", [3, 5, 6, 20, 300])
def test_constant_data_give_a_degenerate_interval(n):
    x = [0.25] * n
    for found in (
        statistics.one_sample(x, 0.95),
        statistics.bca(x, mean, 0.95, seed=1),
        statistics.two_sample([0.0] * n, x, 0.95),
    ):
        assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)
    assert statistics.one_sample_p(x, 0) < 0.03
    assert statistics.one_sample_p(x, 0.3) > 0.9


def test_bca_agrees_with_scipys():
    x = np.random.default_rng(5).lognormal(0, 0.5, 40)
    ours = statistics.bca(x, mean, 0.95, seed=1, resamples=20_000)
    theirs = stats.bootstrap(
        (x,), np.mean, n_resamples=20_000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, rel=0.02)
    assert ours.high == pytest.approx(theirs.high, rel=0.02)


def test_bootstraps_are_seeded():
    x = np.random.default_rng(5).normal(0, 1, 30)
    for draw in (
        lambda seed: statistics.bca(x, mean, 0.95, seed=seed),
        lambda seed: statistics.clustered_quantile(x, np.arange(30) // 5, 0.9, 0.95, seed=seed),
    ):
        assert draw(1) == draw(1)
    assert statistics.bca(x, mean, 0.95, seed=1) != statistics.bca(x, mean, 0.95, seed=2)


@given(VALUES, st.floats(-0.5, 0.5), st.randoms())
def test_one_sample_moves_with_its_data(values, shift, random):
    found = statistics.one_sample(values, 0.95)
    assert found.low <= found.value <= found.high
    moved = statistics.one_sample(np.array(values) + shift, 0.95)
    mirrored = statistics.one_sample(-np.array(values), 0.95)
    for before, after, mirror in zip(
        found[:3], moved[:3], (mirrored[0], mirrored[2], mirrored[1]), strict=True
    ):
        assert after == pytest.approx(before + shift, abs=1e-9)
        assert mirror == pytest.approx(-before, abs=1e-9)
    shuffled = random.sample(values, len(values))
    assert statistics.one_sample(shuffled, 0.95)[:3] == pytest.approx(found[:3], abs=1e-12)


@given(VALUES, VALUES)
def test_two_samples_swap_sign(a, b):
    there, back = statistics.two_sample(a, b, 0.95), statistics.two_sample(b, a, 0.95)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-there.value, -there.high, -there.low), abs=1e-12
    )


@given(VALUES, st.floats(-1, 1))
def test_p_and_interval_say_the_same(values, shift):
    if len(values) < 6:
        return
    found = statistics.one_sample(values, 0.95)
    if abs(shift - found.low) > 1e-9:
        assert (statistics.one_sample_p(values, shift) <= 0.025) == (found.low > shift)


def test_one_outlier_hardly_moves_the_centre():
    x = np.random.default_rng(1).normal(0, 0.03, 20)
    assert abs(statistics.one_sample([*x, 5.0], 0.95).value - statistics.one_sample(x, 0.95).value) < 0.01


def test_batches_keep_every_value_and_the_order():
    x = np.arange(1000.0)
    found = statistics.batched(x, 128)
    assert found.tolist() == [float(np.median(part)) for part in np.array_split(x, 128)]


def test_group_centres_equal_one_sample_of_each():
    random = np.random.default_rng(3)
    for groups in (np.repeat([4, 1, 9], 5), np.repeat([4, 1, 9], [2, 7, 1])):
        x = random.normal(0, 1, len(groups))
        expected = [float(np.median(statistics._walsh(x[groups == g]))) for g in (4, 1, 9)]
        assert statistics.group_centres(x, groups).tolist() == pytest.approx(expected)
