"""What is odd about a series and a reader must know: drift, two modes, neighbours that are alike.

None of them changes a verdict; each says which assumption is strained. How often they speak where nothing is odd, and
how often where something is, stands in ``docs/method.md``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np
from scipy import special

from tare.results.statistics.phrases import percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tare.results.statistics.series import LogRatio, Series

Kind = Literal["drift", "two-modes", "autocorrelation"]

FEWEST_FOR_TREND = 12
FEWEST_FOR_MODES = 30
"""Fewer values split into two groups by chance too easily."""
FEWEST_FOR_NEIGHBOURS = 20
LEVEL = 0.001
"""Chance of a false word, roughly: a report has many series."""
LEAST_CORRELATION = 0.2
"""Of neighbours: below it the interval is too narrow by less than a quarter."""
_LEAST_SHARE = 0.15
_LEAST_SEPARATION = 4.0
_VALLEY = 0.25


class Symptom(msgspec.Struct, frozen=True, kw_only=True):
    """One odd thing about one side, or about the ratio of both."""

    kind: Kind
    side: Literal["base", "subject", "ratio"]
    value: float
    """drift: log ratio of the last third to the first; two-modes: log distance of the modes; autocorrelation:
    blocks that count as one, or what correlation is left."""
    text: str
    """A sentence."""


def symptoms(subject: Series, base: Series, cost: LogRatio | None, threshold: float) -> tuple[Symptom, ...]:
    """Everything odd about the two sides of a comparison and their ratio."""
    found: list[Symptom] = []
    sides: tuple[tuple[Literal["base", "subject"], Series], ...] = (("base", base), ("subject", subject))
    for side, series in sides:
        if (series.value <= 0).any():
            continue
        logs = np.log(series.value)
        if (drift := trend(logs)) is not None and abs(drift) > math.log1p(threshold):
            text = f"the {side} drifts: its last third is {percent(drift)} against its first"
            found.append(Symptom(kind="drift", side=side, value=drift, text=text))
        if (modes := two_modes(logs)) is not None:
            text = (
                f"the {side} has two modes, {percent(modes.distance)} apart ({modes.share * 100:.0f} % in the upper "
                "one): its median tells little of either"
            )
            found.append(Symptom(kind="two-modes", side=side, value=modes.distance, text=text))
    if cost and cost.batch > 1:
        text = f"neighbouring blocks are alike, so {cost.batch} of them count as one"
        found.append(Symptom(kind="autocorrelation", side="ratio", value=float(cost.batch), text=text))
    for units in cost.units if cost else ():
        if (correlation := neighbours(units)) is not None:
            factor = math.sqrt((1 + correlation) / (1 - correlation))
            text = (
                f"neighbouring units are still alike (correlation {correlation:.2f}): the interval may be too narrow, "
                f"by a factor of up to {factor:.1f}"
            )
            found.append(Symptom(kind="autocorrelation", side="ratio", value=correlation, text=text))
    return tuple(found)


def drift_of(series: Series) -> float:
    """By how much a series changes over its run, on the log scale; 0 where it is not beyond chance."""
    found = trend(np.log(series.value)) if (series.value > 0).all() else None
    return abs(found or 0.0)


def trend(logs: NDArray[np.float64]) -> float | None:
    """Return the change from the first third to the last, if the rank correlation with time is beyond chance."""
    n = len(logs)
    if n < FEWEST_FOR_TREND:
        return None
    correlation = _correlation(np.arange(n, dtype=np.float64), _ranks(logs))
    if correlation is None or _p(correlation, n) > LEVEL:
        return None
    third = n // 3
    return float(np.median(logs[-third:]) - np.median(logs[:third]))


def neighbours(units: NDArray[np.float64]) -> float | None:
    """Return the rank correlation of neighbours, if it is positive beyond chance and large enough to matter."""
    n = len(units)
    if n < FEWEST_FOR_NEIGHBOURS:
        return None
    ranks = _ranks(units)
    correlation = _correlation(ranks[:-1], ranks[1:])
    if correlation is None or correlation < LEAST_CORRELATION or _p(correlation, n - 1) > LEVEL:
        return None
    return min(correlation, 0.99)


class Modes(NamedTuple):
    """Two groups of values."""

    distance: float
    """Of the groups' medians."""
    share: float
    """Of the upper group."""


def two_modes(logs: NDArray[np.float64]) -> Modes | None:
    """Return the two groups that values fall into, if there is a valley between them.

    The best split into two (Otsu 1979) counts if both parts are large enough, far apart for their spread (Ashman, Bird,
    Zepf 1994), and the middle between their medians is nearly empty; skewed and heavy tails have no such valley.
    """
    x = np.sort(logs)
    n = len(x)
    if n < FEWEST_FOR_MODES:
        return None
    sizes = np.arange(1, n)
    # Sums of squares around the mean of all, or they would drown in it.
    centred = x - x.mean()
    sums, squares = np.cumsum(centred), np.cumsum(centred**2)
    low, high = sums[:-1] / sizes, (sums[-1] - sums[:-1]) / (n - sizes)
    low_spread = np.maximum(squares[:-1] / sizes - low**2, 0)
    high_spread = np.maximum((squares[-1] - squares[:-1]) / (n - sizes) - high**2, 0)
    cut = int(np.argmin(sizes * low_spread + (n - sizes) * high_spread))
    share = 1 - float(sizes[cut]) / n
    spread = math.sqrt((low_spread[cut] + high_spread[cut]) / 2)
    if not _LEAST_SHARE <= share <= 1 - _LEAST_SHARE or high[cut] - low[cut] < _LEAST_SEPARATION * spread:
        return None
    first, second = float(np.median(x[: cut + 1])), float(np.median(x[cut + 1 :]))
    third = (second - first) / 3
    if not third:
        return None
    valley = np.sum((x > first + third) & (x < second - third))
    hills = [np.sum(np.abs(x - centre) <= third / 2) for centre in (first, second)]
    return Modes(second - first, share) if valley <= _VALLEY * min(hills) else None


def _ranks(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks, equal values sharing the mean of theirs."""
    _, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[where])


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else None


def _p(correlation: float, n: int) -> float:
    """Two-sided, by Student's t (Kendall, Stuart)."""
    rest = 1 - correlation**2
    if rest <= 0:
        return 0.0
    return 2 * float(special.stdtr(n - 2, -abs(correlation) * math.sqrt((n - 2) / rest)))
