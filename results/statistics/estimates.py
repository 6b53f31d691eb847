"""Estimate centres, quantiles and shifts with intervals, as pure functions; seeds are passed in.

``docs/method.md`` gives the reasons for the choices and the simulations behind them.

References:
    Hodges, Lehmann 1963, "Estimates of location based on rank tests", Ann. Math. Statist. 34(2).
    Lehmann 1975, "Nonparametrics", ch. 2 and 4: intervals that invert the rank tests.
    David, Nagaraja 2003, "Order Statistics", 7.1: intervals for quantiles.
    Efron, Tibshirani 1993, "An Introduction to the Bootstrap", ch. 14 (BCa).
    Davison, Hinkley 1997, "Bootstrap Methods", 3.8: resampling hierarchical data.
    Kalibera, Jones 2013, "Rigorous benchmarking in reasonable time", ISMM: the highest level of
    repetition decides the interval.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from tare.results.statistics.distributions import binomial_cdf, normal_cdf, normal_quantile, t_cdf, t_quantile
from tare.results.statistics.width import EXACT_LIMIT, MOST_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    """Maps samples on the last axis to numbers."""

FEWEST = 3
"""Fewest independent units that give an interval."""

FEW_UNITS = 10
"""Number of units from which on rank tests have p-values that are fine enough for many comparisons."""

FINE_P = 0.001
"""Largest smallest p-value of a rank test with which a call can still stand among many comparisons."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its interval, as reports show it."""

    value: float
    low: float | None
    """Lower limit; ``None`` where too few samples allow no interval."""
    high: float | None
    """Upper limit; ``None`` where too few samples allow no interval."""
    confidence: float
    """Confidence level of the interval: 0.95 is 95 %."""
    n: int
    """Number of independent units: blocks, or invocations where ``method`` says so."""
    method: str
    """Name of the method that formed the interval, for readers."""


class Interval(NamedTuple):
    """An estimate and its limits, on the scale of the samples (often logarithmic)."""

    value: float
    low: float | None
    """Lower limit; ``None`` where too few units allow no interval."""
    high: float | None
    """Upper limit; ``None`` where too few units allow no interval."""
    n: int
    """Number of independent units."""
    method: str
    """Name of the method that formed the interval, for readers."""

    def mapped(self, function: Callable[[float], float], confidence: float) -> Estimate:
        """Convert to an :class:`Estimate` on another scale by an increasing function, such as :func:`~tare.results.statistics.exponents.exp`."""
        low = None if self.low is None else function(self.low)
        high = None if self.high is None else function(self.high)
        return Estimate(
            value=function(self.value),
            low=low,
            high=high,
            confidence=confidence,
            n=self.n,
            method=self.method,
        )


def quantile(values: ArrayLike, q: float, confidence: float) -> Interval:
    """Return a sample quantile with a distribution-free interval from order statistics.

    The limits are sample values ``x(l)`` and ``x(u)`` with ``P(l <= Binomial(n, q) < u) >= confidence``
    (David, Nagaraja 2003, 7.1). Where no pair of samples reaches the confidence, there is no interval:
    for 95 % the median needs 6 samples, the 95th percentile 72, the 99th 368.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    n = len(x)
    method = "order-statistics"
    value = _interpolated(x, q)
    low, high = _order_ranks(n, q, confidence)
    if low < 1 or high > n:
        return Interval(value, None, None, n, method)
    return Interval(value, float(x[low - 1]), float(x[high - 1]), n, method)


def _interpolated(ordered: NDArray[np.float64], q: float) -> float:
    """Return the quantile of sorted values, as :func:`numpy.quantile` does in many times the time for few of them."""
    at = (len(ordered) - 1) * q
    low = int(at)
    share = at - low
    first, last = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
    # The two forms differ in rounding errors only; numpy takes the one from the nearer end.
    return first + (last - first) * share if share < 0.5 else last - (last - first) * (1 - share)


@lru_cache(maxsize=512)
def _order_ranks(n: int, q: float, confidence: float) -> tuple[int, int]:
    """Return the ranks, from 1, around the quantile; below 1 or above ``n`` if the confidence is out of reach."""
    tail = (1 - confidence) / 2
    # below[k] = P(Binomial <= k). Lower rank l (from 1): P(Binomial < l) <= tail.
    below = binomial_cdf(n, q)
    low = int(np.searchsorted(below, tail, side="right"))
    return low, int(np.searchsorted(below, 1 - tail, side="left")) + 1


def clustered_quantile(
    values: ArrayLike, clusters: ArrayLike, q: float, confidence: float, *, seed: int, resamples: int = 1000
) -> Interval:
    """Return a quantile of all values with an interval from resampling whole clusters (invocations).

    Davison, Hinkley 1997, 3.8: of the schemes for two levels, drawing the upper level with replacement and
    keeping the lower as it is matches the variance best. Fewer than :data:`FEWEST` clusters: no interval.
    """
    x, ids = np.asarray(values, dtype=np.float64), np.asarray(clusters)
    groups = [x[ids == c] for c in np.unique(ids)]
    value = float(np.quantile(x, q))
    if len(groups) < FEWEST:
        return Interval(value, None, None, len(groups), "cluster-bootstrap")
    random = np.random.default_rng(seed)
    draws = np.empty(resamples)
    for i, pick in enumerate(random.integers(0, len(groups), size=(resamples, len(groups)))):
        draws[i] = np.quantile(np.concatenate([groups[g] for g in pick]), q)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), len(groups), "cluster-bootstrap")


def bca(
    values: ArrayLike, statistic: Statistic, confidence: float, *, seed: int, resamples: int = 2000
) -> Interval:
    """Return a bias-corrected and accelerated bootstrap interval (Efron, Tibshirani 1993, ch. 14).

    Constant data give an interval of width 0 (the textbook's BCa divides zero by zero there), fewer than
    :data:`FEWEST` values none. ``statistic`` works on the last axis.
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    value = float(statistic(x))
    if n < FEWEST:
        return Interval(value, None, None, n, "bca-bootstrap")
    draws = statistic(x[np.random.default_rng(seed).integers(0, n, size=(resamples, n))])
    if draws.min() == draws.max():
        return Interval(value, value, value, n, "bca-bootstrap")
    # Half of the ties count as below, so that a discrete statistic such as the median is not biased.
    below = float(np.sum(draws < value) + np.sum(draws == value) / 2) / resamples
    bias = normal_quantile(min(max(below, 1 / resamples), 1 - 1 / resamples))
    left_out = statistic(np.array([np.delete(x, i) for i in range(n)]))
    d = left_out.mean() - left_out
    spread = float(np.sum(d**2))
    acceleration = 0.0 if spread == 0 else float(np.sum(d**3)) / (6 * spread**1.5)
    half = normal_quantile((1 + confidence) / 2)
    z = bias + np.array([-half, half])
    low, high = np.quantile(draws, normal_cdf(bias + z / (1 - acceleration * z)))
    return Interval(value, float(low), float(high), n, "bca-bootstrap")


def one_sample(values: ArrayLike, confidence: float) -> Interval:
    """Return the centre of paired differences (log ratios) with an interval.

    The estimate is the Hodges-Lehmann one, the median of all pairwise means: 95 % as efficient as the mean
    under normal noise and unmoved by outliers. Its interval inverts Wilcoxon's signed-rank test, which is
    exact for *any* noise that hits both sides alike, because a difference of two exchangeable values is
    symmetric about the true shift (Lehmann 1975, ch. 4). Where there are too few units for that confidence (fewer than
    6 for 95 %), it is Student's t interval, which is wide; with fewer than :data:`FEWEST` there is none.
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    x = batched(x)
    walsh = np.sort(_walsh(x))
    centre = _middle(walsh)
    if n < FEWEST:
        return Interval(centre, None, None, n, "hodges-lehmann")
    drop = _critical(_signed_rank_tail, (len(x),), len(walsh), confidence)
    if drop is None:
        half = float(t_quantile(n - 1, (1 + confidence) / 2) * x.std(ddof=1) / math.sqrt(n))
        return Interval(centre, centre - half, centre + half, n, "hodges-lehmann, t")
    return Interval(centre, float(walsh[drop]), float(walsh[-1 - drop]), n, "hodges-lehmann, signed-rank")


def two_sample(base: ArrayLike, subject: ArrayLike, confidence: float) -> Interval:
    """Return the shift from ``base`` to ``subject`` (unpaired, log values) with an interval.

    Hodges-Lehmann: the median of all differences; its interval inverts the Mann-Whitney test, exact for
    any noise of the same shape on both sides (Lehmann 1975, ch. 2). Where there are too few units for that confidence
    (fewer than 4 on each side for 95 %), it is Welch's t interval; with fewer than :data:`FEWEST` on a side there is
    none.
    """
    a, b = np.asarray(base, dtype=np.float64), np.asarray(subject, dtype=np.float64)
    n = min(len(a), len(b))
    a, b = batched(a), batched(b)
    differences = np.sort(np.subtract.outer(b, a), axis=None)
    centre = _middle(differences)
    if n < FEWEST:
        return Interval(centre, None, None, n, "hodges-lehmann, unpaired")
    drop = _critical(_rank_sum_tail, (len(a), len(b)), len(differences), confidence)
    if drop is None:
        va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
        if va + vb == 0:
            return Interval(centre, centre, centre, n, "hodges-lehmann, welch-t")
        freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
        half = t_quantile(freedom, (1 + confidence) / 2) * math.sqrt(va + vb)
        return Interval(centre, centre - half, centre + half, n, "hodges-lehmann, welch-t")
    return Interval(
        centre, float(differences[drop]), float(differences[-1 - drop]), n, "hodges-lehmann, rank-sum"
    )


def one_sample_p(values: ArrayLike, shift: float, coarsest: float = 0.025) -> float:
    """Return the one-sided p-value against "the centre is at most ``shift``", by Wilcoxon's signed-rank test.

    Where so few units have no rank p-value below ``coarsest`` (by default: fewer than 6), it is that of Student's t.
    Fewer than :data:`FEWEST` units give 1.
    """
    x = batched(np.asarray(values, dtype=np.float64)) - shift
    n = len(x)
    if n < FEWEST:
        return 1.0
    if _smallest_p(_signed_rank_tail, (n,)) > coarsest:
        return _t_p(float(x.mean()), float(x.std(ddof=1)) / math.sqrt(n), n - 1)
    against = int(np.sum(_walsh(x) <= 0))
    return float(_signed_rank_tail(n)[against])


def two_sample_p(base: ArrayLike, subject: ArrayLike, shift: float, coarsest: float = 0.025) -> float:
    """Return the one-sided p-value against "``subject`` exceeds ``base`` by at most ``shift``" (Mann-Whitney test).

    Where so few units have no rank p-value below ``coarsest`` (by default: fewer than 4 on each side), it is that of
    Welch's t. Fewer than :data:`FEWEST` units on a side give 1.
    """
    a = batched(np.asarray(base, dtype=np.float64))
    b = batched(np.asarray(subject, dtype=np.float64)) - shift
    if min(len(a), len(b)) < FEWEST:
        return 1.0
    if _smallest_p(_rank_sum_tail, (len(a), len(b))) > coarsest:
        va, vb = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
        freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)) if va + vb else 1.0
        return _t_p(float(b.mean() - a.mean()), math.sqrt(va + vb), freedom)
    against = int(np.sum(np.subtract.outer(b, a) <= 0))
    return float(_rank_sum_tail(len(a), len(b))[against])


def _t_p(centre: float, error: float, freedom: float) -> float:
    if error == 0:
        return 0.0 if centre > 0 else 1.0
    return t_cdf(freedom, -centre / error)


def batched(x: NDArray[np.float64], most: int = MOST_UNITS) -> NDArray[np.float64]:
    """Merge neighbours into at most ``most`` medians, so that the cost of rank statistics stays bounded.

    Long series also tend to be autocorrelated; batching is the classic remedy (Law, Kelton).
    """
    if len(x) <= most:
        return x
    size, longer = divmod(len(x), most)
    split = longer * (size + 1)
    parts = x[:split].reshape(longer, size + 1), x[split:].reshape(most - longer, size)
    return np.concatenate([np.median(part, axis=1) for part in parts])


def no_finer(interval: Interval, least: float) -> Interval:
    """Widen an interval whose half-width is below ``least``."""
    if interval.low is None or interval.high is None:
        return interval
    return interval._replace(
        low=min(interval.low, interval.value - least), high=max(interval.high, interval.value + least)
    )


def group_centres(x: NDArray[np.float64], groups: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the Hodges-Lehmann centre of each group, in order of first sight."""
    ids, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    order = np.argsort(first)
    by_group = np.argsort(groups, kind="stable")
    if len(set(sizes.tolist())) == 1:
        return _centres(x[by_group].reshape(len(ids), -1))[order]
    parts = np.split(x[by_group], np.cumsum(sizes)[:-1])
    return np.concatenate([_centres(part[np.newaxis]) for part in parts])[order]


def _centres(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    if rows.shape[1] > MOST_UNITS:
        rows = np.array([batched(row) for row in rows])
    i, j = _pairs(rows.shape[1])
    return np.asarray(np.median((rows[:, i] + rows[:, j]) / 2, axis=1))


def _walsh(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of all pairs, each value with itself included."""
    i, j = _pairs(len(x))
    return (x[i] + x[j]) / 2


@lru_cache(maxsize=128)
def _pairs(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of all pairs of n values, each with itself included; a report asks for few n, often."""
    i, j = np.triu_indices(n)
    for indices in (i, j):
        indices.flags.writeable = False
    return i, j


def median(values: NDArray[np.float64]) -> float:
    """Return the median of finite values, as :func:`numpy.median` does in ten times the time for few of them."""
    return _middle(np.sort(values))


def _middle(ordered: NDArray[np.float64]) -> float:
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _critical(
    tail: Callable[..., NDArray[np.float64]], sizes: tuple[int, ...], total: int, confidence: float
) -> int | None:
    """Return how many of the sorted pairs to leave out at each end; ``None`` if the confidence is out of reach."""
    allowed = (1 - confidence) / 2 + 1e-12
    count = int(np.searchsorted(tail(*sizes), allowed, side="right"))
    return None if count == 0 else min(count - 1, (total - 1) // 2)


def _smallest_p(tail: Callable[..., NDArray[np.float64]], sizes: tuple[int, ...]) -> float:
    return float(tail(*sizes)[0])


@lru_cache(maxsize=512)
def _signed_rank_tail(n: int) -> NDArray[np.float64]:
    """Return ``P(W <= w)`` for w = 0, 1, … of Wilcoxon's signed-rank statistic under no effect."""
    top = n * (n + 1) // 2
    if n > EXACT_LIMIT:
        w = np.arange(top + 1)
        return normal_cdf((w + 0.5 - top / 2) / math.sqrt(n * (n + 1) * (2 * n + 1) / 24))
    ways = np.zeros(top + 1)
    ways[0] = 1
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    return np.cumsum(ways) / 2.0**n


@lru_cache(maxsize=512)
def _rank_sum_tail(n: int, m: int) -> NDArray[np.float64]:
    """Return ``P(U <= u)`` for u = 0, 1, … of the Mann-Whitney statistic under no effect."""
    top = n * m
    if max(n, m) > EXACT_LIMIT:
        u = np.arange(top + 1)
        return normal_cdf((u + 0.5 - top / 2) / math.sqrt(n * m * (n + m + 1) / 12))
    # Coefficients of the Gaussian binomial [n+m choose n] (Mann, Whitney 1947): a product of
    # (1 - x^(m+i)) / (1 - x^i), each a division without remainder.
    ways = np.zeros(top + 1)
    ways[0] = 1
    for i in range(1, n + 1):
        if m + i <= top:
            ways[m + i :] -= ways[: top + 1 - m - i].copy()
        for start in range(i):
            ways[start::i] = np.cumsum(ways[start::i])
    return np.asarray(np.cumsum(ways) / ways.sum())
