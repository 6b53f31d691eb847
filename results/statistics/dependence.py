"""Detect and allow for units that depend on those measured before them: autocorrelation, lasting states, drift.

An interval of independent units is too narrow where neighbours share what the machine did meanwhile. How much too narrow
cannot be told from few units, so every interval is widened by what its units *could* depend on each other: hardly
with a hundred units that show no sign of it, by a third with twenty, more with fewer. ``docs/method.md`` has the error
rates.

This module does without numpy, because the rule that stops sampling uses it while something is measured.

References:
    Kendall 1954, "Note on bias in the estimation of autocorrelation", Biometrika 41.
    Law, Kelton 2000, "Simulation Modeling and Analysis", 9.5: batch means.
    Lazarus, Lewis, Stock, Watson 2018, "HAR inference", J. Bus. Econ. Stat. 36(4): cosines of low frequency.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from operator import mul
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_BATCHES = 20
"""Fewest batches that neighbours are merged into: with fewer ones, dependence is hardly seen."""
_EQUAL = 1e-12
"""Log ratios as near as this are equal but for rounding errors, which must not decide about their ranks."""
_FEWEST_TO_TEST = 10
"""Fewest units of which dependence can be shown."""
_FEWEST_FOR_WAVES = 8
"""Fewest units whose slow waves are looked at."""
_MOST_CORRELATION = 0.97
"""Largest correlation of neighbours that is allowed for; from there on the units count as dependent anyway."""
_MERGED_BEYOND = 1.28
"""Neighbours are merged if their correlation exceeds this many standard errors (one-sided 10 %)."""
_MANY = 60
"""From so many units on, dependence that matters is beyond doubt: fewer independent ones need to be taken for dependent."""
_DEPENDENT_BEYOND = {False: 1.64, True: 2.33}
"""Units count as dependent if the correlation of neighbours exceeds this many standard errors: one-sided 5 %, with many
units 1 %."""
_SLOW_WAVES_LEVEL = {False: 0.03, True: 0.005}
"""Units also count as dependent if slow waves this strong have at most this chance among independent ones, with few and
with many units."""
SPANS = 2.0
"""Intervals of dependent units reach at least so many times the units' whole span to each side."""


class Settled(NamedTuple):
    """Units after neighbours were merged, and how far they may be trusted to be independent."""

    units: list[float]
    """Medians of batches of neighbours, or the units themselves where the size of a batch is 1."""
    batch: int
    """Number of neighbours merged into one unit."""
    factor: float
    """Factor by which the interval of the units is to be widened; at least 1."""
    reach: float
    """Least half-width of the interval: :data:`SPANS` times the span of units that still depend on each other; 0 where they
    do not."""

    @property
    def dependent(self) -> bool:
        """Tell whether the units still depend on each other: the interval must hold all that they span, and more."""
        return self.reach > 0


def settle(units: Sequence[float]) -> Settled:
    """Merge correlated neighbours as far as there are enough of them, and tell what dependence may be left.

    Neighbours are merged into batches, doubled in size, until their correlation is no longer significant or fewer than
    :data:`FEWEST_BATCHES` would be left. Equal values share their rank, so that ties are no sign of dependence.

    Args:
        units: Values in the order in which they were measured, such as the log ratios of blocks.
    """
    x, batch = list(units), 1
    neighbours, ranks = _neighbours(x)
    while len(x) >= 2 * FEWEST_BATCHES and _excess(neighbours, len(x)) > _MERGED_BEYOND:
        x, batch = merged(x, len(x) // 2), 2 * batch
        neighbours, ranks = _neighbours(x)
    n = len(x)
    span = max(x) - min(x) if x else 0.0
    if n < 3 or not span:
        return Settled(x, batch, 1.0, 0.0)
    # The sample correlation of n units is too small by (1 + 3 r) / n, and has a standard error of some 1 / sqrt(n).
    possible = neighbours + (1 + 3 * max(neighbours, 0.0)) / n + 1 / math.sqrt(n)
    r = min(max(possible, 0.0), _MOST_CORRELATION)
    waves, chance = _slow_waves(ranks)
    factor = max(math.sqrt((1 + r) / (1 - r)), math.sqrt(waves))
    many = n >= _MANY
    significant = _excess(neighbours, n) > _DEPENDENT_BEYOND[many] or chance < _SLOW_WAVES_LEVEL[many]
    dependent = n >= _FEWEST_TO_TEST and significant
    return Settled(x, batch, factor, SPANS * span if dependent else 0.0)


def merged(x: Sequence[float], most: int) -> list[float]:
    """Merge neighbours into at most ``most`` batches, the first ones longer, and return their medians."""
    if len(x) <= most:
        return list(x)
    size, longer = divmod(len(x), most)
    found, at = [], 0
    for i in range(most):
        count = size + (i < longer)
        found.append(median(x[at : at + count]))
        at += count
    return found


def _neighbours(x: Sequence[float]) -> tuple[float, list[float]]:
    """Return the rank correlation of neighbours, 0 if all values are equal, and the centred ranks."""
    ranks = _centred_ranks(x)
    squares = math.fsum(map(mul, ranks, ranks))
    return (math.fsum(a * b for a, b in pairwise(ranks)) / squares if squares else 0.0), ranks


def _excess(correlation: float, n: int) -> float:
    """Return how far a correlation of neighbours exceeds that of independent units, in standard errors."""
    return (correlation + 1 / n) * math.sqrt(n)


def _centred_ranks(x: Sequence[float]) -> list[float]:
    """Return ranks minus their mean; equal values share the mean of theirs."""
    order = sorted(range(len(x)), key=x.__getitem__)
    ranks = [0.0] * len(x)
    start = 0
    for end in range(1, len(x) + 1):
        if end == len(x) or x[order[end]] - x[order[end - 1]] > _EQUAL:
            for i in order[start:end]:
                ranks[i] = (start + end - len(x)) / 2
            start = end
    return ranks


def _slow_waves(ranks: list[float]) -> tuple[float, float]:
    """Compare half a wave and a whole wave over the run with the faster ones.

    Returns:
        Their mean power as a multiple of the others', and the chance of so much among independent units (F test).
    """
    n = len(ranks)
    total = math.fsum(map(mul, ranks, ranks))
    if n < _FEWEST_FOR_WAVES or not total:
        return 1.0, 1.0
    slow = math.fsum(2 / n * math.fsum(map(mul, ranks, wave)) ** 2 for wave in _waves(n))
    freedom = n - 3
    rest = max(total - slow, 1e-9 * total)
    ratio = (slow / 2) / (rest / freedom)
    # The tail of F with 2 and m degrees of freedom has this closed form.
    return ratio, (1 + 2 * ratio / freedom) ** (-freedom / 2)


@lru_cache(maxsize=256)
def _waves(n: int) -> tuple[tuple[float, ...], ...]:
    """Return the two slowest cosines of the discrete cosine transform."""
    return tuple(tuple(math.cos(math.pi * k * (t + 0.5) / n) for t in range(n)) for k in (1, 2))
