"""Form series of values from a run's tables, and ratios of two series.

A series is one metric of one workload (with its parameters) under one runner. Its independent units are invocations
where each of them holds several blocks, and blocks otherwise. Two blocks of one invocation share the conditions of that
opening of the place (memory layout, page placement, other load), so counting them as independent causes false alarms
(Kalibera, Jones 2013; measured in ``docs/method.md``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tare.results.statistics import estimates, resolution

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tare.results.record import Accelerator, Direction
    from tare.results.tables.frame import RunFrame


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


@dataclass(frozen=True, eq=False)
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
    error: float = 0.0
    """Half-width of the values' known error, in ``unit``, as their metric declares it; 0 if it declares none."""

    @cached_property
    def coarseness(self) -> float:
        """Largest error of the values that repetition may not reveal, relative to their median.

        It is the declared error or half a step of the clock, whichever is larger.
        """
        middle = estimates.median(self.value)
        declared = self.error / middle if middle > 0 else 0.0
        if self.unit == "s":
            return max(declared, resolution.step(self.value) / 2)
        if self.unit.endswith("/s") and (self.value > 0).all():
            return max(declared, resolution.step(1 / self.value) / 2)
        return declared

    @cached_property
    def invocations(self) -> int:
        """Number of openings of the place for these values."""
        return distinct(self.invocation)

    @cached_property
    def blocks(self) -> int:
        """Number of different blocks that have values."""
        return distinct(self.block)

    @cached_property
    def nested(self) -> bool:
        """True if an invocation holds several blocks."""
        return self.invocations < self.blocks


def distinct(numbers: NDArray[np.int32]) -> int:
    """Return how many different numbers there are; ascending ones, which is the usual case, need no sorting."""
    later, earlier = numbers[1:], numbers[:-1]
    if (later < earlier).any():
        return len(np.unique(numbers))
    return int(np.count_nonzero(later != earlier)) + bool(len(numbers))


def good_series(frame: RunFrame) -> dict[SeriesKey, Series]:
    """Return every series of a run, in stored order. Controls are series of their own."""
    metrics = frame.metrics
    good = metrics[((metrics["outcome"] == "ok") & ~metrics["warmup"]).to_numpy()]
    columns: dict[str, Any] = {
        name: good[name].to_numpy()
        for name in ("value", "block", "invocation", "primary", "control", "error")
    }
    context = good["context"].cat
    context_codes, contexts = context.codes.to_numpy(), context.categories
    texts = {name: _Texts.of(good[name]) for name in _TEXTS}
    found = {}
    for rows in _groups(good, ("workload", "parameters", "metric", "runner"), columns["control"]):
        blocks = columns["block"][rows]
        if (blocks[1:] < blocks[:-1]).any():
            rows = rows[np.argsort(blocks, kind="stable")]  # noqa: PLW2901 - the same rows, in order
        first = {name: text.at(rows[0]) for name, text in texts.items()}
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
            context=tuple(str(contexts[code]) for code in sorted(set(context_codes[rows].tolist()))),
            error=_middle_error(columns["error"][rows]),
        )
    return found


def _middle_error(errors: NDArray[np.float64]) -> float:
    """Return the median of the errors that are known; 0 if none is."""
    known = errors[np.isfinite(errors)]
    return estimates.median(known) if len(known) else 0.0


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


class _Texts(NamedTuple):
    """A column of texts, for looking up single rows: pandas takes a hundred times as long for each."""

    codes: NDArray[Any]
    values: list[Any]

    @classmethod
    def of(cls, column: pd.Series[Any]) -> _Texts:
        # A missing text has code -1: the last value.
        return cls(column.cat.codes.to_numpy(), [*column.cat.categories, math.nan])

    def at(self, row: int) -> Any:
        return self.values[self.codes[row]]


def median_of(series: Series, confidence: float) -> estimates.Interval:
    """Return the median of a series in its unit, with an interval over independent units."""
    value = estimates.median(series.value)
    finest = series.coarseness * abs(value)
    if not series.nested:
        return estimates.no_finer(estimates.quantile(series.value, 0.5, confidence), finest)
    found = estimates.one_sample(estimates.group_centres(series.value, series.invocation), confidence)
    if found.low is None or found.high is None:
        return estimates.Interval(value, None, None, found.n, "median, by invocation")
    # The medians' centre and the median of all differ a little; the interval holds both.
    low, high = min(found.low, value), max(found.high, value)
    return estimates.no_finer(estimates.Interval(value, low, high, found.n, "median, by invocation"), finest)
