"""Series and their independent units: what the statistics are fed with.

A series is one metric of one workload (with its parameters) under one runner. Its independent units are
invocations where each holds several blocks, else blocks: two blocks of one invocation share whatever that
opening of the place happened to get (memory layout, page placement, a neighbour), so counting them as
independent is what makes false alarms (Kalibera, Jones 2013; measured in ``docs/method.md``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tare.results.statistics import estimates as statistics

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tare.results.record import Accelerator, Direction
    from tare.results.tables.frame import RunFrame

INVOCATION_SPREAD = 0.03
"""Relative standard deviation between invocations that is assumed where a run has too few of them to
show it. 3 % is what recorded data of others show; see ``docs/method.md``."""

Unit = Literal["block", "invocation"]


class SeriesKey(NamedTuple):
    """Identity of a series."""

    workload: str
    parameters: str
    """Canonical JSON."""
    metric: str
    runner: str
    control: bool


@dataclass(frozen=True, slots=True)
class Series:
    """The good values of a series, warm-ups left out, in the order of blocks."""

    key: SeriesKey
    family: str
    unit: str
    direction: Direction
    clock: str
    primary: bool
    accelerator: Accelerator
    value: NDArray[np.float64]
    block: NDArray[np.int32]
    invocation: NDArray[np.int32]
    context: tuple[str, ...]
    """The different contexts of its trials, canonical JSON."""

    @property
    def invocations(self) -> int:
        """How often the place was opened for these values."""
        return _distinct(self.invocation)

    @property
    def nested(self) -> bool:
        """Whether an invocation holds several blocks."""
        return self.invocations < _distinct(self.block)


def _distinct(numbers: NDArray[np.int32]) -> int:
    """How many different ones. They nearly always ascend, and then need no set of them."""
    steps = np.diff(numbers)
    return len(np.unique(numbers)) if (steps < 0).any() else int(np.count_nonzero(steps)) + bool(len(numbers))


def good_series(frame: RunFrame) -> dict[SeriesKey, Series]:
    """Return every series of a run: outcome ``ok``, no warm-ups. Controls are series of their own."""
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
    """Rows that agree in the named text columns and in ``control``; groups and rows in order of first sight.

    One number for each combination, and one stable sort of them: pandas' own grouping takes several times as long.
    """
    if not len(table):
        return []
    code = control.astype(np.int64)
    for name in names:
        column = table[name].cat
        code = code * len(column.categories) + column.codes.to_numpy()
    # Few combinations exist; small numbers for them sort by radix.
    kinds, first, dense = np.unique(code, return_index=True, return_inverse=True)
    small = dense.astype(np.uint16) if len(kinds) < 1 << 16 else dense
    rows = np.argsort(small, kind="stable")
    groups = np.split(rows, np.cumsum(np.bincount(dense))[:-1])
    return [groups[i] for i in np.argsort(first)]


def _text(column: pd.Series[Any], row: int) -> Any:
    return column.iloc[row]


def median_of(series: Series, confidence: float) -> statistics.Interval:
    """Return the median of a series in its unit; its interval is over independent units."""
    value = float(np.median(series.value))
    if not series.nested:
        return statistics.quantile(series.value, 0.5, confidence)
    found = statistics.one_sample(statistics.group_centres(series.value, series.invocation), confidence)
    if found.low is None or found.high is None:
        return statistics.Interval(value, None, None, found.n, "median, by invocation")
    # The medians' centre and the median of all differ a little; the interval holds both.
    return statistics.Interval(
        value, min(found.low, value), max(found.high, value), found.n, "median, by invocation"
    )


@dataclass(frozen=True, slots=True)
class LogRatio:
    """A cost on the log scale: above 0 the subject costs more. Also what a p-value is taken from."""

    interval: statistics.Interval
    unit: Unit
    invocations: int
    """The smaller number of invocations of the two sides."""
    allowed: float
    """Standard deviation added for invocations that were too few to show theirs; 0 if they were enough."""
    units: tuple[NDArray[np.float64], ...]
    """Paired: the log ratios. Unpaired: logs of base and of subject, the sign turned for ``higher``."""
    unpaired_blocks: int = 0
    batch: int = 1
    """So many neighbouring blocks are one unit, because neighbours are alike."""

    def p_beyond(self, margin: float, *, sign: int, fine: bool = False) -> float:
        """One-sided p-value against "the log cost times ``sign`` is at most ``margin``".

        ``fine``: by Student's t where ranks know only a few coarse p-values.
        """
        coarsest = statistics.FINE_P if fine else 0.025
        if self.allowed:
            # The allowance dominates: a normal tail around the widened estimate.
            spread = math.hypot(self._error(), self.allowed)
            return 0.5 * math.erfc((sign * self.interval.value - margin) / spread / math.sqrt(2))
        if len(self.units) == 1:
            return statistics.one_sample_p(sign * self.units[0], margin, coarsest)
        return statistics.two_sample_p(sign * self.units[0], sign * self.units[1], margin, coarsest)

    def _error(self) -> float:
        return math.sqrt(sum(float(u.var(ddof=1)) / len(u) for u in self.units if len(u) > 1))


def paired_log_ratio(
    subject: Series, base: Series, confidence: float, *, spread: float = INVOCATION_SPREAD
) -> LogRatio | None:
    """Return the cost of ``subject`` against ``base``, both of one run, paired inside each block.

    Drift of the machine hits both values of a block and cancels. ``None``: no block holds both, or a value
    is zero, so that there is no ratio.
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
        apart, batch = statistics.decorrelated(ratio)
        return LogRatio(
            statistics.one_sample(apart, confidence), "block", count, 0.0, (apart,), unpaired, batch
        )
    if count >= statistics.FEWEST:
        units = statistics.group_centres(ratio, coarser)
        return LogRatio(
            statistics.one_sample(units, confidence), "invocation", count, 0.0, (units,), unpaired
        )
    counts = [len(np.unique(invocation)) for _, invocation in sides]
    interval, allowed = _allow(statistics.one_sample(ratio, confidence), counts, confidence, spread)
    return LogRatio(interval, "block", count, allowed, (ratio,), unpaired)


def unpaired_log_ratio(
    subject: Series, base: Series, confidence: float, *, spread: float = INVOCATION_SPREAD
) -> LogRatio | None:
    """Return the cost of ``subject`` against ``base`` of another run. ``None`` if a value is zero."""
    if (subject.value <= 0).any() or (base.value <= 0).any():
        return None
    sides = [base, subject]
    counts = [side.invocations for side in sides]
    nested = any(side.nested for side in sides)
    by_invocation = nested and min(counts) >= statistics.FEWEST
    units = []
    for side in sides:
        log = _oriented(np.log(side.value), side.direction)
        units.append(statistics.group_centres(log, side.invocation if by_invocation else side.block))
    batch = 1
    if not by_invocation:
        batches = [statistics.decorrelated(unit) for unit in units]
        units, batch = [unit for unit, _ in batches], max(size for _, size in batches)
    interval = statistics.two_sample(units[0], units[1], confidence)
    allowed = 0.0
    if nested and not by_invocation:
        interval, allowed = _allow(interval, counts, confidence, spread)
    unit: Unit = "invocation" if by_invocation else "block"
    return LogRatio(interval, unit, min(counts), allowed, tuple(units), batch=batch)


def _by_block(side: Series, blocks: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Median and invocation of each of the blocks."""
    if len(side.block) == len(blocks):
        return side.value, side.invocation
    starts = np.searchsorted(side.block, blocks)
    ends = np.searchsorted(side.block, blocks, side="right")
    values = [float(np.median(side.value[a:b])) for a, b in zip(starts, ends, strict=True)]
    return np.array(values), side.invocation[starts]


def _oriented(log: NDArray[np.float64], direction: Direction) -> NDArray[np.float64]:
    return -log if direction == "higher" else log


def _allow(
    interval: statistics.Interval, invocations: list[int], confidence: float, spread: float
) -> tuple[statistics.Interval, float]:
    """Widen an interval by what too few invocations cannot show; both errors add as variances."""
    allowed = spread * math.sqrt(sum(1 / count for count in invocations))
    if interval.low is None or interval.high is None or not allowed:
        return interval, allowed
    extra = statistics.normal_quantile((1 + confidence) / 2) * allowed
    return interval._replace(
        low=interval.value - math.hypot(interval.value - interval.low, extra),
        high=interval.value + math.hypot(interval.high - interval.value, extra),
        method=f"{interval.method}, widened for too few invocations",
    ), allowed
