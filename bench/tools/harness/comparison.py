"""Compare medians of interleaved launches, with targets."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

RESAMPLES = 2000
"""Bootstrap resamples of the rounds."""


@dataclass(frozen=True, slots=True)
class LaunchRatio:
    """Launches of one kind against launches of another, in the same rounds."""

    name: str
    reference_seconds: float
    """Median of what is compared with."""
    suite_seconds: float
    """Median of ours."""
    ratio: float
    """Ours over the reference, of the medians."""
    low: float
    high: float
    """95 % bootstrap interval of the ratio, over rounds."""
    rounds: int
    target: float = 0.0
    """Largest ratio that is wanted; 0: none is set."""

    @property
    def met(self) -> bool:
        """Return whether the ratio itself, not its interval, is within the target; true without one."""
        return not self.target or self.ratio <= self.target


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost of the suite that is no launch time, with a target."""

    name: str
    value: float
    unit: str
    """``s`` or ``bytes``."""
    target: float = 0.0
    """Largest value that is wanted; 0: none is set."""

    @property
    def met(self) -> bool:
        """Return whether the value is within the target; true without one."""
        return not self.target or self.value <= self.target


def compare(
    name: str, reference: Sequence[float], suite: Sequence[float], target: float, chance: random.Random
) -> LaunchRatio:
    """Divide medians; the interval is a percentile bootstrap over rounds, which keeps a round's values together.

    Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979).
    """
    rounds = len(reference)
    ratios = []
    for _ in range(RESAMPLES):
        picked = chance.choices(range(rounds), k=rounds)
        ratios.append(
            statistics.median(suite[i] for i in picked) / statistics.median(reference[i] for i in picked)
        )
    ratios.sort()
    low, high = (ratios[round(share * (RESAMPLES - 1))] for share in (0.025, 0.975))
    ours, theirs = statistics.median(suite), statistics.median(reference)
    return LaunchRatio(name, theirs, ours, ours / theirs, low, high, rounds, target)
