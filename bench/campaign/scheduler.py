"""Choose what is measured next: the unit whose next second is likely to tell most.

The rule sees widths of intervals, costs and the time left. It is never told a difference, so that what is measured how
often cannot depend on what is found.

A unit's gain is (half-width over target) squared, per second spent on it so far: the square of a half-width falls by a
share of one over the number of blocks with each block, so this is the expected decrease per second, as in Neyman's
allocation. Two corrections keep the time where it decides something; ``docs/method.md`` has the simulation:

- A ratio counts :data:`MOST_RATIO` at most. Uncapped, or capped at 5, the noisiest workloads take nearly all of the time.
- A target that cannot be reached in the time left, at the present spread, counts only :data:`HOPELESS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_RATIO = 2.0
"""A half-width counts as at most so many times the target."""
HOPELESS = 0.5
"""Gain, relative to a half-width at the target, where the target is out of reach."""
_LEAST_SECONDS = 1e-4
"""Least seconds that a unit counts as having taken."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Everything that the scheduler knows of a unit."""

    name: str
    ratios: tuple[float, ...]
    """Half-widths over the target, one for each judged metric; infinite where there are too few blocks for an interval."""
    blocks: int
    """Blocks measured so far."""
    block_seconds: float
    """Seconds that a block takes."""
    least: int = 0
    """Blocks before anything is compared: the pilot."""


def choose(candidates: Iterable[Candidate], seconds_left: float) -> Candidate | None:
    """Pick the candidate to measure next, the first of equals; ``None`` if there are none.

    Those below their least number of blocks come first, those with the fewest blocks before the others.
    """
    return min(candidates, key=lambda one: _rank(one, seconds_left), default=None)


def reached(ratios: Iterable[float]) -> bool:
    """Return whether every half-width is within the target."""
    return all(ratio <= 1 for ratio in ratios)


def price(candidate: Candidate) -> float:
    """Estimate the seconds until all half-widths are within the target; infinite where that is not known yet."""
    return max((_price(candidate, ratio) for ratio in candidate.ratios), default=0.0)


def gain(candidate: Candidate, seconds_left: float) -> float:
    """Estimate how much a second of this unit tells."""
    spent = max(candidate.blocks * candidate.block_seconds, _LEAST_SECONDS)
    return sum(_worth(candidate, ratio, seconds_left) for ratio in candidate.ratios if ratio > 1) / spent


def _worth(candidate: Candidate, ratio: float, seconds_left: float) -> float:
    if not math.isinf(ratio) and _price(candidate, ratio) > seconds_left:
        return HOPELESS
    return min(ratio, MOST_RATIO) ** 2


def _price(candidate: Candidate, ratio: float) -> float:
    if ratio <= 1:
        return 0.0
    return candidate.blocks * candidate.block_seconds * (ratio * ratio - 1)


def _rank(candidate: Candidate, seconds_left: float) -> tuple[int, float]:
    if candidate.blocks < candidate.least:
        return 0, candidate.blocks
    return 1, -gain(candidate, seconds_left)
