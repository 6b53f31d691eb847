"""Estimate how many blocks a unit will go on for, to show the time left; nothing is decided by it.

A unit ends at the first look at its widths (:data:`tare.results.statistics.width.CHECKPOINTS`) that finds all of them within
the target. Which look that is depends on spreads that are known from few blocks, and on how much each look widens its intervals
for dependence. So a unit has several futures, all equally likely, and what is shown is right within a quarter in as many of
them as possible. ``docs/method.md`` says how often that is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tare.results.statistics.width import CHECKPOINTS, LATER_UNITS, usual_factor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tare.bench.campaign.precision import Spread

FUTURES = 16
"""Futures of a unit; a power of two, see :func:`shuffled`."""
TOLERANCE = 0.25
"""Relative error within which a time left is right."""
_PRESUMED_ERROR = 1.0
"""Standard deviation of the logarithm of a presumed spread: a third and three times as much are no surprise."""
_LOOK_VARIANCE = 0.02
"""Variance of the logarithm of a width at one look, given the spread and many blocks: the widening for dependence varies."""
_LEAST = 1e-9
"""Least spread over the target: there may be none at all."""


def futures(spreads: Iterable[Spread], presumed: float, blocks: int, fewest: int) -> tuple[int, ...]:
    """List the numbers of blocks with which a unit may end, in ascending order, each as likely as any other.

    Args:
        spreads: What is known of each judged comparison; empty before there is anything.
        presumed: Spread over the target, as :attr:`Spread.single`, that is presumed as long as nothing is known.
        blocks: Blocks that the unit has had.
        fewest: Fewest blocks that may be enough.
    """
    known = [_estimated(one, presumed) for one in spreads] or [
        (math.log(presumed), _PRESUMED_ERROR**2, 0, 0.0)
    ]
    found: list[int] = []
    for look in CHECKPOINTS:
        if look <= blocks or look < fewest:
            continue
        chance = math.prod(_chance(*one, look) for one in known)
        while len(found) < FUTURES and chance >= (len(found) + 0.5) / FUTURES:
            found.append(look)
        if len(found) == FUTURES:
            break
    return tuple(found) + (CHECKPOINTS[-1],) * (FUTURES - len(found))


def shuffled(ends: Sequence[int], unit: int) -> list[int]:
    """Put the futures of the unit with this number in an order of its own, the same each time.

    So the short futures of one unit meet the long ones of others, and the times of many units add up to what they mostly do.
    """
    step, first = 2 * unit + 1, 3 * (2 * unit // FUTURES)
    return [ends[(first + step * i) % FUTURES] for i in range(FUTURES)]


def likeliest(times: Iterable[float]) -> float:
    """Return the time that is right within :data:`TOLERANCE` for most of the times given; of equals, the middle one's."""
    totals, widest = sorted(times), (1 + TOLERANCE) / (1 - TOLERANCE)
    middle = totals[len(totals) // 2]
    groups = (
        [one for one in totals[first:] if one <= widest * totals[first]] for first in range(len(totals))
    )
    best = max(groups, key=lambda own: (len(own), own[0] <= middle <= own[-1]))
    return min(max(sum(best) / len(best), (1 - TOLERANCE) * best[-1]), (1 + TOLERANCE) * best[0])


def _estimated(spread: Spread, presumed: float) -> tuple[float, float, int, float]:
    """Combine what is known with what is presumed, each with the weight of its precision.

    Returns:
        The logarithm of the spread over the target, its variance, the units that it is known from, and the logarithm of
        the factor by which they are widened beyond what is usual.
    """
    weight, presumed_weight = spread.units - 1, _PRESUMED_ERROR**-2
    both = weight + presumed_weight
    single = weight * math.log(max(spread.single, _LEAST)) + presumed_weight * math.log(presumed)
    return single / both, 1 / both, spread.units, math.log(spread.widened)


def _chance(single: float, variance: float, units: int, widened: float, look: int) -> float:
    """Return the chance that an interval is within the target at a look.

    What the units so far have in common with those at the look is certain, and keeps its part of what they are widened by.
    """
    common = min(units / look, 1.0)
    usual = math.log(usual_factor(look) / usual_factor(LATER_UNITS))
    expected = single - math.log(look) / 2 + usual + common * widened
    error = math.sqrt((1 - common) * variance + _LOOK_VARIANCE + 0.5 / look)
    return 0.5 * math.erfc(expected / error / math.sqrt(2))
