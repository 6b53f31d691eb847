"""Compute the distributions that the intervals and tests use.

They are written out here because importing ``scipy.special`` takes a quarter of a second, which every answer of
``tare run`` and ``tare compare`` would wait for. Tests hold them against SciPy's.

References:
    Press et al. 2007, "Numerical Recipes", 6.4: the incomplete beta function as a continued fraction (Lentz's method).
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_STANDARD = NormalDist()
_TINY = 1e-300
_PRECISION = 1e-15
_MOST_TERMS = 10_000
_MOST_STEPS = 500
_STEP_PRECISION = 1e-13


def normal_cdf(z: ArrayLike) -> NDArray[np.float64]:
    """Return the distribution of the standard normal at each ``z``; infinities and NaN included."""
    values = np.asarray(z, dtype=float)
    found = [0.5 * math.erfc(-value / math.sqrt(2)) for value in values.ravel().tolist()]
    return np.array(found).reshape(values.shape)


def normal_quantile(p: float) -> float:
    """Return the quantile of the standard normal at probability ``p``; minus and plus infinity at 0 and 1."""
    if p <= 0 or p >= 1:
        return -math.inf if p == 0 else math.inf if p == 1 else math.nan
    return _STANDARD.inv_cdf(p)


def t_cdf(freedom: float, t: float) -> float:
    """Return the distribution of Student's t with ``freedom`` degrees of freedom, whole or not, at ``t``."""
    if math.isnan(t) or math.isnan(freedom) or freedom <= 0:
        return math.nan
    if math.isinf(t):
        return float(t > 0)
    tail = 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t))
    return tail if t < 0 else 1 - tail


@lru_cache(maxsize=4096)
def t_quantile(freedom: float, p: float) -> float:
    """Return the quantile of Student's t with ``freedom`` degrees of freedom at probability ``p``.

    NaN unless there are degrees of freedom and ``p`` is between 0 and 1; infinite at both.
    """
    if not freedom > 0 or not 0 <= p <= 1:
        return math.nan
    if p in {0.0, 1.0}:
        return math.copysign(math.inf, p - 0.5)
    if p == 0.5:  # no step reaches it exactly
        return 0.0
    tail = min(p, 1 - p)
    # Newton's method on a function that is convex there, from below its root: no step goes too far.
    t = max(-normal_quantile(tail), 1e-9)
    for _ in range(_MOST_STEPS):
        before, t = t, t + (t_cdf(freedom, -t) - tail) / _t_density(freedom, t)
        if abs(t - before) <= _STEP_PRECISION * t:
            break
    return math.copysign(t, p - 0.5)


def binomial_cdf(n: int, p: float) -> NDArray[np.float64]:
    """Return the probabilities of at most 0, 1, … ``n`` successes in ``n`` trials, each with probability ``p``."""
    if p <= 0 or p >= 1:
        return np.array([1.0 if p <= 0 or k == n else 0.0 for k in range(n + 1)])
    k = np.arange(n + 1)
    log_factorials = np.array([math.lgamma(one + 1) for one in range(n + 1)])
    logs = log_factorials[n] - log_factorials - log_factorials[::-1]
    terms = np.exp(logs + k * math.log(p) + (n - k) * math.log1p(-p))
    return np.asarray(np.minimum(np.cumsum(terms), 1.0), dtype=float)


def _t_density(freedom: float, t: float) -> float:
    """Return the density of Student's t."""
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return math.exp(scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularised incomplete beta function; ``rest`` is 1 - ``x``, given since it may be far below 1e-16."""
    if x <= 0 or rest <= 0:
        return float(rest <= 0)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction of the incomplete beta function."""
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _MOST_TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 + numerator * d, 1 + numerator / c
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            value *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return value
