"""Form series of values from a run's tables, and ratios of two series.

A series is one metric of one workload (with its parameters) under one runner. Its independent units are invocations
where each of them holds several blocks, and blocks otherwise. Two blocks of one invocation share the conditions of that
opening of the place (memory layout, page placement, other load), so counting them as independent causes false alarms
(Kalibera, Jones 2013; measured in ``docs/method.md``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tare.results.statistics import estimates

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tare.results.record import Accelerator, Direction
    from tare.results.tables.frame import RunFrame

INVOCATION_SPREAD = 0.03
"""Relative standard deviation between invocations, assumed where a run has too few of them to estimate it. The value
comes from published data; see ``docs/method.md``."""

Unit = Literal["block", "invocation"]
"""Kind of the independent units."""


class SeriesKey(NamedTuple):
    """Identity of a series: values of equal keys are of one series."""

    workload: str
    parameters: str
    """Parameters of the workload, as canonical JSON."""
    metric: str
    runner: str
    """Label of the runner; that of a control ends with :data:`tare.results.record.CONTROL_SUFFIX`."""
    control: bool
    """The series is the second, identical measurement of its runner (A/A)."""


@dataclass(frozen=True, slots=True)
class Series:
    """The values of a series from trials with outcome ``ok``, without warm-ups, in the order of blocks.

    The three arrays have one entry for each value.
    """

    key: SeriesKey
    family: str
    unit: str
    direction: Direction
    clock: str
    primary: bool
    accelerator: Accelerator
    value: NDArray[np.float64]
    """Values in ``unit``."""
    block: NDArray[np.int32]
    """Number of the block of each value, ascending."""
    invocation: NDArray[np.int32]
    """Number of the opening of the place of each value."""
    context: tuple[str, ...]
    """The different contexts of the trials, as canonical JSON."""

    @property
    def invocations(self) -> int:
        """Number of openings of the place for these values."""
        return _distinct(self.invocation)

    @property
    def nested(self) -> bool:
        """True if an invocation holds several blocks."""
        return self.invocations < _distinct(self.block)


def _distinct(numbers: NDArray[np.int32]) -> int:
    """Return how many different numbers there are; ascending ones, which is the usual case, need no sorting."""
    steps = np.diff(numbers)
    return len(np.unique(numbers)) if (steps < 0).any() else int(np.count_nonzero(steps)) + bool(len(numbers))


def good_series(frame: RunFrame) -> dict[SeriesKey, Series]:
    """Return every series of a run, in stored order. Controls are series of their own."""
    metrics = frame.metrics
    good = metrics[((metrics["outcome"] == "ok") & ~metrics["warmup"]).to_numpy()]
    columns: dict[str, Any] = {
        name: good[name].to_numpy() for name in ("value", "block", "invocation", "primary", "control")
    }
    context = good["context"].cat
    context_codes, contexts = context.codes.to_numpy(), context.categories
    found = {}
    for rows in _groups(good, ("workload", "parameters", "metric", "runner"), columns["control"]):
        blocks = columns["block"][rows]
        if (blocks[1:] < blocks[:-1]).any():
            rows = rows[np.argsort(blocks, kind="stable")]  # noqa: PLW2901 - the same rows, in order
        first = {name: _text(good[name], rows[0]) for name in _TEXTS}
        key = SeriesKey(
            first["workload"],
            first["parameters"],
            first["metric"],
            first["runner"],
            bool(columns["control"][rows[0]]),
        )
        found[key] = Series(
            key=key,
            family=first["family"],
            unit=first["unit"],
            direction=first["direction"],
            clock=first["clock"],
            primary=bool(columns["primary"][rows[0]]),
            accelerator=first["accelerator"],
            value=columns["value"][rows],
            block=columns["block"][rows],
            invocation=columns["invocation"][rows],
            context=tuple(str(contexts[code]) for code in np.unique(context_codes[rows])),
        )
    return found


_TEXTS = (
    "workload", "parameters", "metric", "runner", "family", "unit", "direction", "clock", "accelerator",
)  # fmt: skip


def _groups(
    table: pd.DataFrame, names: tuple[str, ...], control: NDArray[np.bool_]
) -> list[NDArray[np.int64]]:
    """Group rows that agree in the named text columns and in ``control``; groups and rows keep the order of the table.

    Each combination gets a number, and the numbers are sorted once: pandas' own grouping takes several times as long.
    """
    if not len(table):
        return []
    code = control.astype(np.int64)
    for name in names:
        column = table[name].cat
        code = code * len(column.categories) + column.codes.to_numpy()
    # There are few combinations; numpy sorts 16-bit numbers by radix, which is faster.
    kinds, first, dense = np.unique(code, return_index=True, return_inverse=True)
    small = dense.astype(np.uint16) if len(kinds) < 1 << 16 else dense
    rows = np.argsort(small, kind="stable")
    groups = np.split(rows, np.cumsum(np.bincount(dense))[:-1])
    return [groups[i] for i in np.argsort(first)]


def _text(column: pd.Series[Any], row: int) -> Any:
    return column.iloc[row]


def median_of(series: Series, confidence: float) -> estimates.Interval:
    """Return the median of a series in its unit, with an interval over independent units."""
    value = float(np.median(series.value))
    if not series.nested:
        return estimates.quantile(series.value, 0.5, confidence)
    found = estimates.one_sample(estimates.group_centres(series.value, series.invocation), confidence)
    if found.low is None or found.high is None:
        return estimates.Interval(value, None, None, found.n, "median, by invocation")
    # The medians' centre and the median of all differ a little; the interval holds both.
    return estimates.Interval(
        value, min(found.low, value), max(found.high, value), found.n, "median, by invocation"
    )


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
    batch: int = 1
    """Number of neighbouring blocks merged into one unit because neighbours are correlated."""

    def p_beyond(self, margin: float, *, sign: int, fine: bool = False) -> float:
        """Return the one-sided p-value against "the log cost times ``sign`` is at most ``margin``".

        Args:
            margin: Distance from no difference, as a log ratio; not negative.
            sign: 1 to test for worse, -1 to test for better.
            fine: Use Student's t where there are so few units that rank tests have only coarse p-values.
        """
        coarsest = estimates.FINE_P if fine else 0.025
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
    blocks = np.intersect1d(subject.block, base.block)
    unpaired = len(np.union1d(subject.block, base.block)) - len(blocks)
    if not len(blocks):
        return None
    sides = [_by_block(side, blocks) for side in (subject, base)]
    if any((values <= 0).any() for values, _ in sides):
        return None
    ratio = _oriented(np.log(sides[0][0]) - np.log(sides[1][0]), subject.direction)
    coarser = min((invocation for _, invocation in sides), key=_distinct)
    count = _distinct(coarser)
    if count == len(blocks):
        apart, batch = estimates.decorrelated(ratio)
        return LogRatio(
            estimates.one_sample(apart, confidence), "block", count, 0.0, (apart,), unpaired, batch
        )
    if count >= estimates.FEWEST:
        units = estimates.group_centres(ratio, coarser)
        return LogRatio(estimates.one_sample(units, confidence), "invocation", count, 0.0, (units,), unpaired)
    counts = [len(np.unique(invocation)) for _, invocation in sides]
    interval, allowed = _allow(estimates.one_sample(ratio, confidence), counts, confidence, spread)
    return LogRatio(interval, "block", count, allowed, (ratio,), unpaired)


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
    batch = 1
    if not by_invocation:
        batches = [estimates.decorrelated(unit) for unit in units]
        units, batch = [unit for unit, _ in batches], max(size for _, size in batches)
    interval = estimates.two_sample(units[0], units[1], confidence)
    allowed = 0.0
    if nested and not by_invocation:
        interval, allowed = _allow(interval, counts, confidence, spread)
    unit: Unit = "invocation" if by_invocation else "block"
    return LogRatio(interval, unit, min(counts), allowed, tuple(units), batch=batch)


def _by_block(side: Series, blocks: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the median and the invocation of each of the blocks."""
    if len(side.block) == len(blocks):
        return side.value, side.invocation
    starts = np.searchsorted(side.block, blocks)
    ends = np.searchsorted(side.block, blocks, side="right")
    values = [float(np.median(side.value[a:b])) for a, b in zip(starts, ends, strict=True)]
    return np.array(values), side.invocation[starts]


def _oriented(log: NDArray[np.float64], direction: Direction) -> NDArray[np.float64]:
    return -log if direction == "higher" else log


def _allow(
    interval: estimates.Interval, invocations: list[int], confidence: float, spread: float
) -> tuple[estimates.Interval, float]:
    """Widen an interval for the differences between invocations that are too few to show them; variances add up."""
    allowed = spread * math.sqrt(sum(1 / count for count in invocations))
    if interval.low is None or interval.high is None or not allowed:
        return interval, allowed
    extra = estimates.normal_quantile((1 + confidence) / 2) * allowed
    return interval._replace(
        low=interval.value - math.hypot(interval.value - interval.low, extra),
        high=interval.value + math.hypot(interval.high - interval.value, extra),
        method=f"{interval.method}, widened for too few invocations",
    ), allowed
