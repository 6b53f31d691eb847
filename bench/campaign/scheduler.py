"""Choose what is measured next: what can still be answered in the time left, the cheapest answers first.

The rule sees widths of intervals, costs and the time left. It is never told a difference, so that what is measured how
often cannot depend on what is found.

Each workload has two answers, by time and by CPU, and counts as decided by either. So the narrower interval comes first:

- Everything gets its first blocks, in even steps, until it has had its part of the run's first quarter.
- Then the price of each answer is the time until its half-width is at the target, since the square of a half-width falls
  with one over the number of blocks. As many answers as fit into the time left are aimed at, the cheapest first: that
  reaches most of them. First answers go before second ones, and second ones before making first ones narrower still.
- Those that are aimed at advance side by side, so that each sees all of the time until it is reached.
- Where nothing can be reached, the time goes by (half-width over target) squared, at most :data:`MOST_RATIO` squared,
  per second spent so far (Neyman's allocation).

``docs/method.md`` has the simulation, also of other rules.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST_RATIO = 2.0
"""A half-width counts as at most so many times the target where nothing can be reached."""
PRESUMED_BLOCKS = 45
"""Blocks that an answer is presumed to need as long as its width is unknown: with fewer, no difference of 2 % is called."""
PRESUMED_DUETS = 15
"""The same for duets, whose jobs share what the host does to them: most are within ±1 % by then."""
PRESUMED_PRECISION = 0.01
"""Half-width that so many blocks are presumed to reach, relative to the cost."""
COARSER, FINER = 1.25, 0.7
"""Shares of the target to which answers are narrowed first, and where all that can be reached is reached."""
LEAST_TIMES = 4 / 3
"""Fewest blocks that an answer is estimated to need beside those that there are: up to the next look at its width."""
_LEAST_SECONDS = 1e-4
"""Least seconds that a unit counts as having taken."""


class Candidate(msgspec.Struct, frozen=True):
    """Everything that the scheduler knows of a unit."""

    name: str
    ratios: tuple[float, ...]
    """Half-widths over the target, one for each judged metric; infinite where there are too few blocks for an interval."""
    blocks: int
    """Blocks measured so far."""
    block_seconds: float
    """Seconds that a block takes."""
    least: int = 0
    """Blocks before widths are compared: its part of the first quarter of the run."""
    presumed: int = PRESUMED_BLOCKS
    """Blocks that its answers are presumed to need as long as their width is unknown."""
    later: tuple[float, ...] = ()
    """What further blocks are estimated from, like ``ratios``, if it is anything else: see
    :attr:`tare.results.statistics.width.Width.later`."""


def choose(candidates: Iterable[Candidate], seconds_left: float) -> Candidate | None:
    """Pick the candidate to measure next, the first of equals; ``None`` if there are none."""
    everyone = list(candidates)
    if begun := [one for one in everyone if one.blocks < one.least]:
        return min(begun, key=lambda one: one.blocks / one.least)
    if aims := _aims(everyone, seconds_left):
        return max(aims, key=lambda aim: aim[1])[0]
    return max(everyone, key=gain, default=None)


def reached(ratios: Iterable[float]) -> bool:
    """Return whether every half-width is within the target."""
    return all(ratio <= 1 for ratio in ratios)


def price(candidate: Candidate) -> float:
    """Estimate the seconds until all half-widths are within the target; infinite where that is not known yet."""
    return max(
        (_spent(candidate) * (ratio * ratio - 1) for ratio in candidate.ratios if ratio > 1), default=0.0
    )


def gain(candidate: Candidate) -> float:
    """Estimate how much a second of this unit tells where nothing can be reached."""
    worth = sum(min(ratio, MOST_RATIO) ** 2 for ratio in candidate.ratios if ratio > 1)
    return worth / max(_spent(candidate), _LEAST_SECONDS)


_TARGETS: tuple[tuple[Callable[[Sequence[float]], float], float], ...] = (
    (min, COARSER),
    (min, 1.0),
    (max, COARSER),
    (max, 1.0),
    (min, FINER),
)
"""Answers to aim at, one kind after the other: the narrower or the wider of the half-widths, and the share of the target to
which it is to be narrowed."""


def _aims(candidates: Iterable[Candidate], seconds_left: float) -> list[tuple[Candidate, float]]:
    """List the candidates with answers that fit into the time left, and how many times their blocks each needs."""
    rest, left, aims = list(candidates), seconds_left, []
    for which, share in _TARGETS:
        wanted = sorted(
            (
                (_times(one, which(one.later or one.ratios) / share), one)
                for one in rest
                if which(one.ratios) > share
            ),
            key=lambda pair: _spent(pair[1]) * (pair[0] - 1),
        )
        for times, one in wanted:
            cost = _spent(one) * (times - 1)
            if cost > left:
                break
            left -= cost
            aims.append((one, times))
            rest.remove(one)
    return aims


def _times(candidate: Candidate, ratio: float) -> float:
    """Estimate how many times its present blocks a candidate needs to narrow an interval to the target."""
    if math.isinf(ratio):
        return candidate.presumed / max(candidate.blocks, 1)
    return max(ratio * ratio, LEAST_TIMES)  # infinite, where a power would not be computed


def _spent(candidate: Candidate) -> float:
    return max(candidate.blocks, 1) * candidate.block_seconds
