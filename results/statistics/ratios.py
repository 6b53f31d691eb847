"""Form ratios of two series with their intervals: paired inside a run, unpaired between two.

The interval is as wide as all that is not known: how far units depend on each other, how openings differ that are too few,
and what lies below the steps of the clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tare.results.said import say
from tare.results.statistics import estimates
from tare.results.statistics.dependence import settle
from tare.results.statistics.distributions import normal_quantile
from tare.results.statistics.series import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tare.results.record import Direction
    from tare.results.statistics.series import Series


INVOCATION_SPREAD = 0.03
"""Relative standard deviation between invocations, assumed where a run has too few of them to estimate it. The value
comes from published data; see ``docs/method.md``."""


Unit = Literal["block", "invocation"]
"""Kind of the independent units."""


@dataclass(frozen=True, slots=True)
class LogRatio:
    """A cost on the log scale, and the units from which its p-values are computed."""

    interval: estimates.Interval
    """Log ratio of the cost with its interval: above 0 the subject costs more."""
    unit: Unit
    invocations: int
    """The smaller of both sides' numbers of invocations."""
    allowed: float
    """Standard deviation, as a log ratio, added because there are too few invocations to estimate how they differ; 0 if
    there are enough."""
    units: tuple[NDArray[np.float64], ...]
    """One array of log ratios if paired; if unpaired, logs of the base's and of the subject's values. The sign is
    inverted for metrics of which more is better."""
    unpaired_blocks: int = 0
    """Number of blocks left out because only one side has values in them."""
    rounds: int = 0
    """Number of blocks with values; between two runs that of the side with fewer."""
    batch: int = 1
    """Number of neighbouring units merged into one because neighbours are correlated."""
    widened: float = 1.0
    """Factor by which the interval was widened because units may depend on each other."""
    dependent: bool = False
    """Units depend on each other over the length of the run: the interval is wider than all that they span."""
    coarseness: float = 0.0
    """Smallest half-width of the interval, as a log ratio, that errors and clock steps of both sides allow."""
    raised: float = 0.0
    """Log ratio added to each side of the interval to reach that half-width, or what dependent units span."""

    @property
    def coarse(self) -> bool:
        """Tell whether the steps of the clocks make the interval wider than the units do."""
        return self.raised > 0 and not self.dependent

    def p_beyond(self, margin: float, *, sign: int, fine: bool = False) -> float:
        """Return the one-sided p-value against "the log cost times ``sign`` is at most ``margin``".

        Args:
            margin: Distance from no difference, as a log ratio; not negative.
            sign: 1 to test for worse, -1 to test for better.
            fine: Use Student's t where there are so few units that rank tests have only coarse p-values.
        """
        coarsest = estimates.FINE_P if fine else 0.025
        margin += self.raised
        if self.allowed:
            # The added standard deviation dominates, so the tail is that of a normal distribution.
            spread = math.hypot(self._error(), self.allowed)
            return 0.5 * math.erfc((sign * self.interval.value - margin) / spread / math.sqrt(2))
        if len(self.units) == 1:
            return estimates.one_sample_p(sign * self.units[0], margin, coarsest)
        return estimates.two_sample_p(sign * self.units[0], sign * self.units[1], margin, coarsest)

    def _error(self) -> float:
        return math.sqrt(sum(float(u.var(ddof=1)) / len(u) for u in self.units if len(u) > 1))


def paired_log_ratio(
    subject: Series, base: Series, confidence: float, *, spread: float = INVOCATION_SPREAD
) -> LogRatio | None:
    """Return the cost of ``subject`` against ``base``, both of one run, paired inside each block.

    Drift of the machine affects both values of a block and cancels.

    Args:
        subject: The series to judge.
        base: The series to compare it with.
        confidence: Confidence level of the interval.
        spread: See :data:`INVOCATION_SPREAD`.

    Returns:
        The cost; ``None`` if no block has values of both, or if a value is not positive and so has no ratio.
    """
    blocks, unpaired = _common(subject.block, base.block)
    if not len(blocks):
        return None
    sides = [_by_block(side, blocks) for side in (subject, base)]
    if any((values <= 0).any() for values, _ in sides):
        return None
    ratio = _oriented(np.log(sides[0][0]) - np.log(sides[1][0]), subject.direction)
    coarser = min((invocation for _, invocation in sides), key=distinct)
    count = distinct(coarser)
    by_invocation = estimates.FEWEST <= count < len(blocks)
    allowed = 0.0
    if count < estimates.FEWEST and count < len(blocks):
        allowed = _allowed([distinct(invocation) for _, invocation in sides], spread)
    found = LogRatio(
        _NO_INTERVAL,
        "invocation" if by_invocation else "block",
        count,
        allowed,
        (estimates.group_centres(ratio, coarser) if by_invocation else ratio,),
        unpaired,
        rounds=len(blocks),
        coarseness=math.log1p(subject.coarseness + base.coarseness),
    )
    return _with_interval(found, confidence)


def unpaired_log_ratio(
    subject: Series, base: Series, confidence: float, *, spread: float = INVOCATION_SPREAD
) -> LogRatio | None:
    """Return the cost of ``subject`` against ``base`` of another run; ``None`` if a value is not positive.

    The arguments are those of :func:`paired_log_ratio`.
    """
    if (subject.value <= 0).any() or (base.value <= 0).any():
        return None
    sides = [base, subject]
    counts = [side.invocations for side in sides]
    nested = any(side.nested for side in sides)
    by_invocation = nested and min(counts) >= estimates.FEWEST
    units = []
    for side in sides:
        log = _oriented(np.log(side.value), side.direction)
        units.append(estimates.group_centres(log, side.invocation if by_invocation else side.block))
    found = LogRatio(
        _NO_INTERVAL,
        "invocation" if by_invocation else "block",
        min(counts),
        _allowed(counts, spread) if nested and not by_invocation else 0.0,
        tuple(units),
        rounds=min(side.blocks for side in sides),
        coarseness=math.log1p(subject.coarseness + base.coarseness),
    )
    return _with_interval(found, confidence)


_NO_INTERVAL = estimates.Interval(math.nan, None, None, 0, "")


def _with_interval(ratio: LogRatio, confidence: float) -> LogRatio:
    """Form the interval: over units that are merged where neighbours are alike, and as wide as all that is not known.

    What is not known: how far units depend on each other, how openings differ that are too few, and what lies below the
    steps of the clock.
    """
    settled = [settle(side.tolist()) for side in ratio.units]
    units = [np.array(side.units) for side in settled]
    plain = _interval(units, confidence)
    factor = _common_factor([side.factor for side in settled], units)
    if plain.low is None or plain.high is None:
        return replace(ratio, interval=plain)
    wide = plain._replace(
        low=plain.value - factor * (plain.value - plain.low),
        high=plain.value + factor * (plain.high - plain.value),
    )
    wide = _allow(wide, ratio.allowed, confidence)
    least = max(ratio.coarseness, math.fsum(side.reach for side in settled))
    # Stretched about the centre by the same factor, the units have p-values that agree with the interval.
    stretched = [factor * side for side in units]
    stretched[-1] -= (factor - 1) * plain.value
    assert wide.low is not None  # noqa: S101 - for mypy: it was not None before
    assert wide.high is not None  # noqa: S101
    return replace(
        ratio,
        interval=estimates.no_finer(wide, least),
        units=tuple(stretched),
        batch=max(side.batch for side in settled),
        widened=factor,
        dependent=any(side.dependent for side in settled),
        raised=max(0.0, least - min(wide.value - wide.low, wide.high - wide.value)),
    )


def _interval(units: list[NDArray[np.float64]], confidence: float) -> estimates.Interval:
    return (
        estimates.one_sample(units[0], confidence)
        if len(units) == 1
        else estimates.two_sample(units[0], units[1], confidence)
    )


def _common_factor(factors: list[float], units: list[NDArray[np.float64]]) -> float:
    """Return the factor for the whole error, to which each side contributes by the variance of its mean."""
    if len(factors) == 1:
        return factors[0]
    errors = [float(side.var()) / len(side) for side in units]
    total = math.fsum(errors)
    if not total:
        return max(factors)
    return math.sqrt(math.fsum(f**2 * error for f, error in zip(factors, errors, strict=True)) / total)


def _common(here: NDArray[np.int32], there: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Return the blocks that both sides have values in, each once, and the number of those that one side lacks."""
    ours, theirs = (one[_starts(one)] for one in (here, there))
    if np.array_equal(ours, theirs):
        return ours, 0
    blocks = np.intersect1d(ours, theirs, assume_unique=True)
    return blocks, len(ours) + len(theirs) - 2 * len(blocks)


def _starts(ascending: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mark the first of each group of equal numbers."""
    first = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=first[1:])
    return first


def _by_block(side: Series, blocks: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the median and the invocation of each of the blocks."""
    if len(side.block) == len(blocks):
        return side.value, side.invocation
    starts = np.searchsorted(side.block, blocks)
    last = np.searchsorted(side.block, blocks, side="right") - 1
    value = side.value[np.lexsort((side.value, side.block))]
    middle = starts + last
    return (value[middle // 2] + value[(middle + 1) // 2]) / 2, side.invocation[starts]


def _oriented(log: NDArray[np.float64], direction: Direction) -> NDArray[np.float64]:
    return -log if direction == "higher" else log


def _allowed(invocations: list[int], spread: float) -> float:
    """Return the standard deviation between sides that were opened so few times; variances add up."""
    return spread * math.sqrt(math.fsum(1 / count for count in invocations))


def _allow(interval: estimates.Interval, allowed: float, confidence: float) -> estimates.Interval:
    """Widen an interval for differences between invocations that are too few to show them."""
    if interval.low is None or interval.high is None or not allowed:
        return interval
    extra = normal_quantile((1 + confidence) / 2) * allowed
    return interval._replace(
        low=interval.value - math.hypot(interval.value - interval.low, extra),
        high=interval.value + math.hypot(interval.high - interval.value, extra),
        method=say("method.widened", "{method}, widened for too few invocations", method=interval.method),
    )
