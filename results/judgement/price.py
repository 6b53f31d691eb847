"""Estimate how many blocks would decide a comparison at its present spread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tare.results.statistics.lasting import rounds_for

if TYPE_CHECKING:
    from tare.results.statistics.ratios import LogRatio

MOST_TIMES = 100
"""An answer that takes more than so many times the blocks measured has no price: its estimate sits on the threshold."""


def blocks_needed(
    cost: LogRatio | None, floor: LogRatio | None, threshold: float, drift: float, blocks: int
) -> int | None:
    """Estimate the number of blocks, those measured included, with which a comparison would be decided.

    The half-width shrinks with the root of the number of blocks. The width that decides is the one at which the interval
    no longer crosses the margin, if its centre stays where it is. A difference must also be larger than what a lasting
    state may do unseen in so many blocks.

    Args:
        cost: The ratio that is undecided.
        floor: The A/A ratio; ``None`` if there is none.
        threshold: Relative difference that matters.
        drift: Change of level within a run, as the absolute value of a log ratio.
        blocks: Blocks measured so far.

    Returns:
        The number; ``None`` where it is unknown, or where more blocks do not help: no interval yet, too few openings of
        the places, blocks that depend on each other, a clock whose steps are the limit, a difference within the noise
        floor, or an estimate that sits on the margin.
    """
    if cost is None or cost.interval.low is None or cost.interval.high is None:
        return None
    if cost.allowed or cost.dependent:
        return None
    limit = math.log1p(threshold)
    noise = max(0.0 if floor is None else abs(floor.interval.value), drift)
    centre, half = abs(cost.interval.value), (cost.interval.high - cost.interval.low) / 2
    margin, least = max(limit, noise), 0
    if centre > margin:
        room = centre - margin
        least = rounds_for(max(centre - half, margin))
    elif noise <= limit:
        room = limit - centre
    else:
        return None
    if half > room * math.sqrt(MOST_TIMES) or room < cost.coarseness:
        return None
    return max(math.ceil(blocks * (half / room) ** 2), blocks + 1, least)
