"""Change points in a history: candidates first, then significance.

Candidates come from PELT (Killick, Fearnhead, Eckley 2012, J. Am. Stat. Assoc. 107) on the logs, with a penalty
that rather finds too many. Each must then stand a t-test against its neighbours, with the spread pooled over all
segments and Bonferroni's correction for the places where it could have been, *and* be larger than what matters. The
weakest is taken out until all that is left stands; candidates alone are what makes people mute a tracker.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tare.results.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVEL = 0.01
"""Chance of any change point in a history without one, at most."""

FEWEST_RUNS = 6
"""Shorter histories are not searched: their spread is not known."""

_SHORTEST = 2
"""Runs between two changes, at least: a single odd run is an outlier, not a change."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A lasting change of level."""

    index: int
    """Of the first value of the new level."""
    ratio: float
    """New level to old one (geometric means)."""
    p: float
    """Adjusted for the number of places."""


class SearchMissing(ResultError):
    """What searches for candidates is not installed."""


def available() -> bool:
    """Whether histories can be searched here."""
    return importlib.util.find_spec("ruptures") is not None


def change_points(
    values: Sequence[float], *, threshold: float = 0.02, level: float = LEVEL
) -> list[ChangePoint]:
    """Find lasting changes of level in positive values, oldest first.

    Args:
        values: One for each run, such as its median; in any unit.
        threshold: Relative change that matters.
        level: Chance of a false alarm for the whole history.

    Raises:
        SearchMissing: the package ruptures is not installed.
    """
    if len(values) < FEWEST_RUNS or min(values) <= 0:
        return []
    logs = np.log(np.asarray(values, dtype=np.float64))
    cuts = _candidates(logs)
    while cuts:
        tested = _tested(logs, cuts)
        weakest = max(tested, key=lambda one: (abs(math.log(one.ratio)) <= math.log1p(threshold), one.p))
        if weakest.p <= level and abs(math.log(weakest.ratio)) > math.log1p(threshold):
            return tested
        cuts.remove(weakest.index)
    return []


def _candidates(logs: NDArray[np.float64]) -> list[int]:
    if not available():
        raise SearchMissing(
            "change points need the package ruptures, which is not installed: `pip install ruptures`."
        )
    import ruptures  # noqa: PLC0415 - imports scipy's optimisers; only histories need it

    # From differences of neighbours: changes of level hardly touch their median.
    spread = float(np.median(np.abs(np.diff(logs)))) / 0.6745 / math.sqrt(2) or float(logs.std()) / 10
    if not spread:
        return []
    search = ruptures.Pelt(model="l2", min_size=_SHORTEST, jump=1).fit((logs / spread).reshape(-1, 1))
    return [int(cut) for cut in search.predict(pen=2 * math.log(len(logs)))[:-1]]


def _tested(logs: NDArray[np.float64], cuts: list[int]) -> list[ChangePoint]:
    from scipy.stats import t  # noqa: PLC0415

    edges = [0, *cuts, len(logs)]
    segments = [logs[a:b] for a, b in itertools.pairwise(edges)]
    freedom = len(logs) - len(segments)
    variance = sum(float(((s - s.mean()) ** 2).sum()) for s in segments) / freedom
    found = []
    for cut, (before, after) in zip(cuts, itertools.pairwise(segments), strict=True):
        step = float(after.mean() - before.mean())
        error = math.sqrt(variance * (1 / len(before) + 1 / len(after)))
        p = 2 * float(t.sf(abs(step) / error, freedom)) if error else 0.0
        found.append(ChangePoint(cut, math.exp(step), min(1.0, p * (len(logs) - 1))))
    return found
