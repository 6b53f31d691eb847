"""Compute the width of an interval without its centre, for the rule that stops sampling.

The interval is that of :func:`tare.results.statistics.ratios.paired_log_ratio`; a test holds the two together. This module
does without numpy, because it is used while something is measured. The centre never leaves it, so that the decision to
stop cannot depend on the difference that is measured.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from statistics import NormalDist, median, stdev
from typing import TYPE_CHECKING, NamedTuple

from tare.results.statistics.dependence import merged, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_UNITS = 128
"""More units than this are merged into batches of neighbours before rank intervals are formed."""
EXACT_LIMIT = 50
"""Above this many units a rank test's normal approximation is used; it is then good to 4 digits."""
CHECKPOINTS = tuple(sorted(first << k for first in (10, 15) for k in range(18)))
"""Numbers of blocks after which the width is computed: 10, 15, 20, 30, 40, 60, … They are few, because each is a chance
to stop at an interval that is narrow by luck."""


def checkpoint(blocks: int) -> int:
    """Return the last checkpoint that so many blocks have reached; 0 before the first."""
    return CHECKPOINTS[bisect_right(CHECKPOINTS, blocks) - 1] if blocks >= CHECKPOINTS[0] else 0


class Width(NamedTuple):
    """Half-widths of the signed-rank interval for the centre of some units, on their scale.

    Infinite where so few units allow no interval (fewer than 6 at 95 %).
    """

    now: float
    """Half-width of the interval, widened for what these units may depend on each other."""
    later: float
    """The same if it were widened as much as that of :data:`LATER_UNITS` independent units: what more units are estimated
    from, because the widening of few units varies much and shrinks."""


LATER_UNITS = 100
"""Units that a long run has of a comparison."""
_PER_DEVIATION = 2.1
"""Half-width of a single unit over the standard deviation, widened as above: 2.2 if units are normal, less with outliers."""


def width(units: Sequence[float], confidence: float = 0.95) -> Width:
    """Compute the half-widths of the signed-rank interval for the centre of the units.

    Args:
        units: One value for each unit, such as the log ratio of a block, in the order in which they were measured.
        confidence: Confidence level of the interval.
    """
    settled = settle(units)
    x = merged(settled.units, MOST_UNITS)
    drop = _dropped(len(x), round((1 - confidence) / 2, 12))
    if drop is None:
        return Width(math.inf, math.inf)
    means = sorted((a + b) / 2 for i, a in enumerate(x) for b in x[i:])
    low, centre, high = means[drop], median(means), means[-1 - drop]
    sides = (max(settled.factor * side, settled.reach) for side in (centre - low, high - centre))
    return Width(sum(sides) / 2, min(settled.factor, usual_factor(LATER_UNITS)) * (high - low) / 2)


def usual_factor(count: int) -> float:
    """Return the factor by which the interval of so many independent units is usually widened; see :func:`settle`."""
    unknown = count**-0.5
    return math.sqrt((1 + unknown) / (1 - unknown))


def spread(units: Sequence[float]) -> float:
    """Estimate the half-width, as :attr:`Width.later`, that an interval of a single unit would have; infinite for one unit.

    It is for units too few for an interval. The standard deviation of few is mostly too small, which is corrected.
    """
    freedom = len(units) - 1
    return _PER_DEVIATION * stdev(units) / (1 - 0.5 / freedom) if freedom > 0 else math.inf


@lru_cache(maxsize=256)
def _dropped(n: int, tail: float) -> int | None:
    """Return how many of the sorted means lie outside at each end; ``None`` if the confidence is out of reach."""
    top = n * (n + 1) // 2
    count = 0
    if n > EXACT_LIMIT:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        normal = NormalDist()
        while normal.cdf((count + 0.5 - top / 2) / spread) <= tail + 1e-12:
            count += 1
    else:
        ways = [1] + [0] * top
        for rank in range(1, n + 1):
            for total in range(top, rank - 1, -1):
                ways[total] += ways[total - rank]
        below = 0
        for total in ways:
            below += total
            if below / 2**n > tail + 1e-12:
                break
            count += 1
    return None if count == 0 else min(count - 1, (top - 1) // 2)
