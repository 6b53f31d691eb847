"""Find lasting changes of level in a history: a robust search, then a test that allows for autocorrelation.

The search is binary segmentation (Scott, Knott 1974, Biometrics 30), with excursions as in circular binary
segmentation (Olshen et al. 2004, Biostatistics 5), so that a level that goes up and comes back is found as well. It
looks at clipped deviations from the median and leaves out the most extreme run of each side, so that a single odd run
cannot choose a cut.

A cut stands if the shift between its neighbouring segments is larger than the threshold and significant. Values are
winsorised around the median of their segment (Huber, Ronchetti 2009, "Robust Statistics"), and the shift is divided by
its standard error: once with all runs, and once without the most extreme run of each side. The smallest of these ratios
counts. It is divided by ``sqrt((1 + r) / (1 - r))`` (Bartlett 1946, J. R. Statist. Soc. Suppl. 8), where ``r`` is the
correlation of neighbouring runs, corrected for its bias: a machine has better and worse weeks. The p-value is that of
the largest of all such ratios over all cuts (Csörgő, Horváth 1997, "Limit Theorems in Change-Point Analysis", 1.3.26).
Cuts that do not stand are taken out, weakest first. Those that stand are dated once more with both levels known.

``docs/method.md`` has the error rates, which ``tare.bench.tools.simulations.histories`` measures.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tare.results.statistics.distributions import t_cdf
from tare.results.statistics.exponents import exp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Logs = NDArray[np.float64]
    """Logarithms of values, one for each run, oldest first."""

LEVEL = 0.02
"""Chance of a false alarm in a whole history."""

FEWEST_RUNS = 6
"""Shorter histories are not searched: their spread is not known."""

_FEWEST_BEFORE, _FEWEST_BETWEEN, _FEWEST_AFTER = 3, 5, 2
"""Fewest runs of the first segment, of one between two changes, and of the last one. A single odd run is an outlier and
not a change; in the middle of a long history two or three odd runs lie side by side by chance."""

_CLIPPED_AT = 4.0
"""The search clips deviations from the median at so many standard deviations."""
_WINSORISED_AT = 2.0
"""The test pulls values in to so many standard deviations from the median of their segment."""
_BIAS = 6.0
"""An estimated autocorrelation ``r`` is too low by ``_BIAS * (1 + 2 r) / runs`` for each segment, because segments that
were chosen for being apart take correlation with them. Found by simulation."""
_LARGEST_CORRELATION = 0.7
"""Upper bound of the corrected autocorrelation, or short histories would never show a change."""
_NORMAL_QUARTILE = 0.6745
"""Median absolute deviation of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A lasting change of a history's level."""

    index: int
    """Index of the first value of the new level."""
    ratio: float
    """New level to old level: 1.05 is 5 % more. 0 or infinite where the new or the old level is not positive."""
    p: float
    """p-value, adjusted for the number of places where the change could have been."""


def change_points(values: Sequence[float], *, threshold: float, level: float = LEVEL) -> list[ChangePoint]:
    """Find lasting changes of level, oldest first.

    Args:
        values: One value for each run, such as its median, oldest first, in any unit. Values that are not positive have
            no logarithm, and count as half of the smallest positive one.
        threshold: Relative change that matters: 0.02 is 2 %.
        level: Chance of a false alarm in the whole history.

    Returns:
        The changes; none if there are fewer than :data:`FEWEST_RUNS` values or if none of them is positive.
    """
    given = np.asarray(values, dtype=np.float64)
    if len(given) < FEWEST_RUNS or given.max() <= 0:
        return []
    positive = given > 0
    # Halved as a logarithm: half of the smallest number there is would be zero.
    logs = np.full(len(given), np.log(given[positive].min()) - np.log(2))
    logs[positive] = np.log(given[positive])
    rule = _Rule(math.log1p(threshold), level)
    cuts = _search(logs, rule)
    while cuts:
        cuts = _relocated(logs, cuts)
        segments = np.split(logs, cuts)
        steps = [_step(segments, i, autocorrelated=True) for i in range(len(cuts))]
        weakest = min(range(len(cuts)), key=lambda i: (rule.holds(steps[i]), -steps[i].p))
        if rule.holds(steps[weakest]):
            dated = _dated(logs, cuts)
            segments = np.split(logs, dated)
            levels = itertools.pairwise(float(np.median(part)) for part in np.split(given, dated))
            return [
                ChangePoint(cut, _ratio(*pair, _studentised(segments, i).shift), step.p)
                for i, (cut, pair, step) in enumerate(zip(dated, levels, steps, strict=True))
            ]
        del cuts[weakest]
    return []


def _ratio(before: float, after: float, shift: float) -> float:
    if before > 0 and after > 0:
        return exp(shift)
    return 0.0 if before > after else math.inf


class _Step(NamedTuple):
    """The difference between two neighbouring segments."""

    shift: float
    """Difference of the levels, on the log scale."""
    z: float
    """Size of the shift in standard errors; 0 if it does not survive the loss of a run."""
    p: float
    """p-value of ``z``, adjusted for the number of places."""


class _Rule(NamedTuple):
    """The conditions that a change has to meet."""

    limit: float
    """Smallest shift that matters, on the log scale."""
    level: float

    def holds(self, step: _Step) -> bool:
        return step.p <= self.level and abs(step.shift) > self.limit


def _search(logs: Logs, rule: _Rule) -> list[int]:
    """Split segments as long as a cut, or a pair of cuts, meets the rule with runs taken as independent."""
    found: list[int] = []
    todo = [(0, len(logs))]
    while todo:
        start, end = todo.pop()
        part, fewest = logs[start:end], _fewest(start, end, len(logs))
        candidates: list[tuple[_Step, tuple[int, ...]]] = []
        if (cut := _best_cut(part, *fewest)) is not None:
            candidates.append((_step(np.split(part, [cut]), 0, autocorrelated=False), (cut,)))
        if (excursion := _best_excursion(part, *fewest)) is not None:
            candidates.append((_excursion_step(part, *excursion), excursion))
        standing = [candidate for candidate in candidates if rule.holds(candidate[0])]
        if standing:
            _, cuts = min(standing, key=lambda candidate: (candidate[0].p, -candidate[0].z))
            edges = [start, *(start + cut for cut in cuts), end]
            found += edges[1:-1]
            todo += itertools.pairwise(edges)
    return sorted(found)


def _fewest(start: int, end: int, runs: int) -> tuple[int, int]:
    """Return the fewest runs before and after a cut inside ``start:end`` of a history of so many runs."""
    return _FEWEST_BETWEEN if start else _FEWEST_BEFORE, _FEWEST_BETWEEN if end < runs else _FEWEST_AFTER


def _relocated(logs: Logs, cuts: list[int]) -> list[int]:
    """Move each cut to the best place between its neighbours."""
    edges = [0, *cuts, len(logs)]
    for i in range(1, len(edges) - 1):
        start, end = edges[i - 1], edges[i + 1]
        best = _best_cut(logs[start:end], *_fewest(start, end, len(logs)))
        edges[i] = edges[i] if best is None else start + best
    return edges[1:-1]


def _dated(logs: Logs, cuts: list[int]) -> list[int]:
    """Move each cut so that the runs around it belong to the level that they are nearer to.

    The search may leave a run out, and prefers cuts near the middle: the lowest run before a fall would date the fall. With
    the levels known, the sum of distances to them is least at the likeliest place under double exponential noise. A run far
    from both levels tells nothing of where the change was.
    """
    edges = [0, *cuts, len(logs)]
    for i in range(1, len(edges) - 1):
        start, cut, end = edges[i - 1 : i + 2]
        fewest_before, fewest_after = _fewest(start, end, len(logs))
        part, sides = logs[start:end], (logs[start:cut], logs[cut:end])
        far_from_old, far_from_new = (np.abs(part - np.median(side)) for side in sides)
        spread = max(float(np.median(np.abs(side - np.median(side)))) for side in sides) / _NORMAL_QUARTILE
        odd = np.minimum(far_from_old, far_from_new) > _CLIPPED_AT * (spread or math.inf)
        # What a run that is counted to the old level costs more than one that is counted to the new one.
        cost = np.concatenate([[0.0], np.cumsum(np.where(odd, 0.0, far_from_old - far_from_new))])
        edges[i] = start + fewest_before + int(np.argmin(cost[fewest_before : len(part) - fewest_after + 1]))
    return edges[1:-1]


def _scores(part: Logs) -> Logs | None:
    """Return clipped deviations from the median in standard deviations; ``None`` if all values are equal."""
    # Changes of level hardly touch the median of the differences between neighbours.
    spread = float(np.median(np.abs(np.diff(part)))) / _NORMAL_QUARTILE / math.sqrt(2)
    spread = spread or float(part.std()) / 10
    if not spread:
        return None
    return np.clip((part - np.median(part)) / spread, -_CLIPPED_AT, _CLIPPED_AT)


def _best_cut(part: Logs, fewest_before: int, fewest_after: int) -> int | None:
    """Find the cut whose sides differ most, each without its most extreme run; ``None`` if there is no room."""
    scores = _scores(part)
    if scores is None or len(part) < fewest_before + fewest_after:
        return None
    cut = np.arange(fewest_before, len(part) - fewest_after + 1)
    left = np.cumsum(scores)[cut - 1]
    right = float(scores.sum()) - left
    # Sizes without the run left out; as indices they point at the extremes of all runs up to the cut.
    before, after = cut - 1, len(part) - cut - 1
    lowest_left, highest_left = (extreme.accumulate(scores)[before] for extreme in (np.minimum, np.maximum))
    lowest_right, highest_right = (
        extreme.accumulate(scores[::-1])[after] for extreme in (np.minimum, np.maximum)
    )
    up = (right - highest_right) / after - (left - lowest_left) / before
    down = (left - highest_left) / before - (right - lowest_right) / after
    return int(cut[np.argmax(np.maximum(up, down) / np.sqrt(1 / before + 1 / after))])


def _best_excursion(part: Logs, fewest_before: int, fewest_after: int) -> tuple[int, int] | None:
    """Find the stretch that differs most from all around it, without its most extreme run: its start and end."""
    scores = _scores(part)
    if scores is None:
        return None
    runs, total = len(part), float(scores.sum())
    best, found = 0.0, None
    for start in range(fewest_before, runs - fewest_after - _FEWEST_BETWEEN + 1):
        inside = scores[start : runs - fewest_after]
        long_enough = slice(_FEWEST_BETWEEN - 1, None)
        size = np.arange(1, len(inside) + 1)[long_enough]
        sums = np.cumsum(inside)[long_enough]
        without_highest = sums - np.maximum.accumulate(inside)[long_enough]
        without_lowest = sums - np.minimum.accumulate(inside)[long_enough]
        around = (total - sums) / (runs - size)
        differences = np.maximum(without_highest / (size - 1) - around, around - without_lowest / (size - 1))
        apart = differences / np.sqrt(1 / (size - 1) + 1 / (runs - size))
        at = int(np.argmax(apart))
        if apart[at] > best:
            best, found = float(apart[at]), (start, start + int(size[at]))
    return found


def _excursion_step(part: Logs, start: int, end: int) -> _Step:
    """Measure the step from all that is around a stretch to the stretch."""
    around = np.concatenate([part[:start], part[end:]])
    step = _step([around, part[start:end]], 0, autocorrelated=False)
    # Bonferroni's correction: there are about n²/2 stretches, and they are less alike than neighbouring cuts.
    stretches = len(part) ** 2 / 2
    return step._replace(p=min(1.0, stretches * 2 * t_cdf(len(part) - 2, -step.z)))


def _step(segments: Sequence[Logs], at: int, *, autocorrelated: bool) -> _Step:
    """Measure the step from segment ``at`` to the next one; the noise is that of all segments."""
    whole = _studentised(segments, at)
    sign = 1 if whole.shift > 0 else -1
    smallest = abs(whole.z)
    for side, towards in ((at, -sign), (at + 1, sign)):
        extreme = np.argmax(towards * segments[side])
        reduced = [np.delete(s, extreme) if i == side else s for i, s in enumerate(segments)]
        smallest = min(smallest, sign * _studentised(reduced, at).z)
    z = max(0.0, smallest) / (_inflation(whole.correlation, segments) if autocorrelated else 1.0)
    return _Step(whole.shift, z, _p(z, len(segments[at]) + len(segments[at + 1])))


class _Studentised(NamedTuple):
    """A shift and the noise around it."""

    shift: float
    z: float
    """The shift in standard errors, as if runs were independent."""
    correlation: float
    """Correlation of neighbouring runs inside the segments, not corrected."""


def _studentised(segments: Sequence[Logs], at: int) -> _Studentised:
    """Divide a shift by its standard error, all values winsorised around the median of their segment."""
    medians = [float(np.median(segment)) for segment in segments]
    for side, other in ((at, at + 1), (at + 1, at)):
        # Of the two values in the middle the nearer one counts: half of a short segment may be odd runs.
        size = len(segments[side])
        middle = np.sort(segments[side])[[(size - 1) // 2, size // 2]]
        medians[side] = float(middle[np.argmin(np.abs(middle - np.median(segments[other])))])
    deviations = [segment - median for segment, median in zip(segments, medians, strict=True)]
    runs = sum(map(len, segments))
    freedom = max(1, runs - len(segments))
    reach = _WINSORISED_AT * _spread(np.concatenate(deviations)) * math.sqrt(runs / freedom)
    pulled = [np.clip(deviation, -reach, reach) for deviation in deviations]
    levels = [median + float(part.mean()) for median, part in zip(medians, pulled, strict=True)]
    shift = levels[at + 1] - levels[at]
    noise = [part - part.mean() for part in pulled]
    squares = math.fsum(float(part @ part) for part in noise)
    if not squares:
        return _Studentised(shift, math.copysign(math.inf, shift) if shift else 0.0, 0.0)
    error = math.sqrt(squares / freedom * (1 / len(segments[at]) + 1 / len(segments[at + 1])))
    return _Studentised(
        shift, shift / error, math.fsum(float(part[:-1] @ part[1:]) for part in noise) / squares
    )


def _spread(deviations: Logs) -> float:
    """Estimate the standard deviation from absolute deviations: their median or, if that is 0, their mean."""
    sizes = np.abs(deviations)
    return float(np.median(sizes)) / _NORMAL_QUARTILE or float(sizes.mean()) * math.sqrt(math.pi / 2)


def _inflation(correlation: float, segments: Sequence[Logs]) -> float:
    """Return the factor by which autocorrelation widens the standard error of a mean."""
    runs = sum(map(len, segments))
    corrected = correlation + _BIAS * len(segments) * (1 + 2 * max(0.0, correlation)) / runs
    r = min(max(0.0, corrected), _LARGEST_CORRELATION)
    return math.sqrt((1 + r) / (1 - r))


def _p(z: float, runs: int) -> float:
    """Return the chance that the largest studentised shift over all cuts of so many runs exceeds ``z``."""
    if z < 1:
        return 1.0
    if math.isinf(z):
        return 0.0
    margin = math.log(runs) ** 1.5 / runs
    places = 2 * math.log((1 - margin) / margin)
    tail = z * exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return min(1.0, tail * ((1 - 1 / z**2) * places + 4 / z**2))
