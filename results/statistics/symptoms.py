"""Detect symptoms in series that strain the assumptions of the statistics: drift, two modes, autocorrelation.

No symptom changes a verdict; each is reported beside it. ``docs/method.md`` has the rates at which they are found where
they are and where they are not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from tare.results.said import say
from tare.results.statistics.distributions import t_cdf
from tare.results.statistics.phrases import percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tare.results.statistics.ratios import LogRatio
    from tare.results.statistics.series import Series

Kind = Literal["drift", "two-modes", "autocorrelation"]

FEWEST_FOR_TREND = 12
"""Fewest values among which a drift is looked for."""
FEWEST_FOR_MODES = 30
"""Fewest values among which two modes are looked for: fewer ones fall into two groups by chance."""
LEVEL = 0.001
"""Approximate chance of a false symptom; low, because a report has many series."""
_LEAST_SHARE = 0.15
"""Smallest share of the values in either of two modes."""
_LEAST_SEPARATION = 4.0
"""Smallest distance of two modes, in standard deviations within them."""
_VALLEY = 0.25
"""Largest number of values between two modes, as a share of those around the smaller one."""


class Symptom(msgspec.Struct, frozen=True, kw_only=True):
    """A symptom of one side of a comparison, or of the ratio of both."""

    kind: Kind
    side: Literal["base", "subject", "ratio"]
    value: float
    """For ``drift`` the log ratio of the last third to the first; for ``two-modes`` the log ratio of the modes; for
    ``autocorrelation`` the number of units that count as one, or the factor by which the interval was widened."""
    text: str
    """Description for people, without a full stop."""


def symptoms(subject: Series, base: Series, cost: LogRatio | None, threshold: float) -> tuple[Symptom, ...]:
    """List the symptoms of both sides of a comparison and of their ratio.

    Args:
        subject: The side that is judged.
        base: The side that it is compared with.
        cost: Ratio of the two; ``None`` if there is none.
        threshold: Relative difference that matters: smaller drifts are not reported.
    """
    found: list[Symptom] = []
    sides: tuple[tuple[Literal["base", "subject"], Series], ...] = (("base", base), ("subject", subject))
    for side, series in sides:
        if (series.value <= 0).any():
            continue
        logs = np.log(series.value)
        if (drift := trend(logs)) is not None and abs(drift) > math.log1p(threshold):
            text = say(
                f"symptom.drift_{side}", f"the {side} drifts: its last third differs by {{size}} from its first",
                size=percent(drift),
            )  # fmt: skip
            found.append(Symptom(kind="drift", side=side, value=drift, text=text))
        if (modes := two_modes(logs)) is not None:
            text = say(
                f"symptom.modes_{side}",
                f"the {side} has two modes, {{distance}} apart ({{share}} % in the upper one): its median describes neither",
                distance=percent(modes.distance), share=f"{modes.share * 100:.0f}",
            )  # fmt: skip
            found.append(Symptom(kind="two-modes", side=side, value=modes.distance, text=text))
    if cost and cost.batch > 1:
        text = say(
            "symptom.correlated", "neighbouring {units} are correlated, so {n} of them count as one",
            units=say(f"noun.{cost.unit}", f"{cost.unit}s"), n=cost.batch,
        )  # fmt: skip
        found.append(Symptom(kind="autocorrelation", side="ratio", value=float(cost.batch), text=text))
    if cost and cost.dependent:
        text = say(
            "symptom.dependent",
            "{units} depend on each other over the length of the run: the interval is wider than all that they span",
            units=say(f"noun.{cost.unit}", f"{cost.unit}s"),
        )
        found.append(Symptom(kind="autocorrelation", side="ratio", value=cost.widened, text=text))
    return tuple(found)


def drift_of(series: Series) -> float:
    """Return the size of a series' change over its run, on the log scale; 0 where it is not significant."""
    found = trend(np.log(series.value)) if (series.value > 0).all() else None
    return abs(found or 0.0)


def trend(logs: NDArray[np.float64]) -> float | None:
    """Return the change from the first third to the last, if the rank correlation with time is significant.

    Args:
        logs: Logarithms of values in the order in which they were measured.

    Returns:
        Log ratio of the medians of the last and the first third; ``None`` if there is no significant trend, or fewer
        than :data:`FEWEST_FOR_TREND` values.
    """
    n = len(logs)
    if n < FEWEST_FOR_TREND:
        return None
    correlation = _correlation(np.arange(n, dtype=np.float64), _ranks(logs))
    if correlation is None or _p(correlation, n) > LEVEL:
        return None
    third = n // 3
    return float(np.median(logs[-third:]) - np.median(logs[:third]))


class Modes(NamedTuple):
    """Two groups that values fall into."""

    distance: float
    """Log ratio of the groups' medians, upper to lower."""
    share: float
    """Share of the values in the upper group."""


def two_modes(logs: NDArray[np.float64]) -> Modes | None:
    """Split values into two groups, if there is a valley between them.

    The best split into two (Otsu 1979) counts if both parts are large enough, far apart for their spread (Ashman, Bird,
    Zepf 1994), and the middle between their medians is nearly empty; skewed and heavy-tailed values have no such
    valley.

    Args:
        logs: Logarithms of values, in any order.

    Returns:
        The groups; ``None`` if there are no two, or fewer than :data:`FEWEST_FOR_MODES` values.
    """
    x = np.sort(logs)
    n = len(x)
    if n < FEWEST_FOR_MODES:
        return None
    sizes = np.arange(1, n)
    # Centred first: otherwise rounding errors of the mean would swamp the squares of small deviations.
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
    """Return the ranks, from 1; equal values share the mean of theirs."""
    _, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2.0)[where])


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else None


def _p(correlation: float, n: int) -> float:
    """Return the two-sided p-value of a correlation by Student's t (Kendall, Stuart)."""
    rest = 1 - correlation**2
    if rest <= 0:
        return 0.0
    return 2 * t_cdf(n - 2, -abs(correlation) * math.sqrt((n - 2) / rest))
