"""Judge whether two series of the same thing agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.statistics.estimates import one_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOSE_ENOUGH = 0.05
"""Difference, relative to what was measured by hand, that does not matter."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Ratio of the suite's numbers to those by hand, with its 95 % interval."""

    ratio: float
    low: float
    high: float
    """Infinity, and 0 for :attr:`low`, where there are too few rounds for an interval."""

    @property
    def agrees(self) -> bool:
        """Tell whether equality is possible, or the difference certainly too small to matter."""
        if math.isinf(self.high):
            return False
        return self.low <= 1 <= self.high or (self.low >= 1 - CLOSE_ENOUGH and self.high <= 1 + CLOSE_ENOUGH)


def agreement(by_hand: Sequence[float], by_suite: Sequence[float]) -> Agreement:
    """Compare numbers that were measured in turn, round by round."""
    found = one_sample([math.log(s / h) for s, h in zip(by_suite, by_hand, strict=True)], 0.95)
    if found.low is None or found.high is None:
        return Agreement(math.exp(found.value), 0.0, math.inf)
    return Agreement(math.exp(found.value), math.exp(found.low), math.exp(found.high))
