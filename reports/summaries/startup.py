"""Summarise the start-up phases of trials that each launched a place of their own."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tare.results.record import MARKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.results.record import Trial

from tare.reports.text import numbers


@dataclass(frozen=True, slots=True)
class Phases:
    """Hold the start-up of one case under one runner: medians over its cold trials, in seconds."""

    n: int
    """Number of trials."""
    marks: Mapping[str, float]
    """Mark → median duration of the phase that ends with it. The medians need not add up to the total's."""
    inside: float
    """From the first mark inside the place to the job's end: the most that a clock in the place can see. The first mark is
    a guest kernel's, else the agent's, else (in a restored guest) that the agent is ready."""
    end_to_end: float
    """From ``requested`` to ``gone``, or to ``finished`` where the end was not marked."""
    totals: tuple[float, ...]
    """End-to-end durations of the single trials, in the order of measurement."""
    clock_error: float
    """Largest error bound of the marks that were mapped from a guest's clock; 0 where none was."""
    width: float | None
    """Width of the interval of :attr:`end_to_end`, which decides its digits; ``None`` where no comparison gives one."""

    @property
    def whole(self) -> str:
        """The end-to-end duration as text, with the digits that it has everywhere on the page."""
        return numbers.quantity(self.end_to_end, "s", width=self.width)


def phases(trials: Sequence[Trial], width: float | None) -> Phases:
    """Summarise the start-up phases of trials that each launched a place of their own; ``width`` as in :class:`Phases`."""
    durations: dict[str, list[float]] = defaultdict(list)
    inside, totals = [], []
    for trial in trials:
        line = trial.timeline
        present = [mark for mark in MARKS if mark in line]
        for before, after in pairwise(present):
            durations[after].append(_seconds(line, before, after))
        first = next(mark for mark in ("kernel", "agent", "ready") if mark in line)
        inside.append(_seconds(line, first, "finished"))
        totals.append(_seconds(line, "requested", "gone" if "gone" in line else "finished"))
    return Phases(
        n=len(trials),
        marks={mark: statistics.median(durations[mark]) for mark in MARKS if mark in durations},
        inside=statistics.median(inside),
        end_to_end=statistics.median(totals),
        totals=tuple(totals),
        clock_error=max(trial.clock_error for trial in trials),
        width=width,
    )


def _seconds(line: Mapping[str, int], before: str, after: str) -> float:
    return (line[after] - line[before]) / 1e9


LEAST_FOR_P99 = 100
"""Starts below which the 99th percentile is nothing but the maximum, so that the maximum is given instead."""


def tail(values: tuple[float, ...]) -> tuple[str, float]:
    """Give the upper end that this many values support, with its name: ``p99``, else ``max``."""
    if len(values) >= LEAST_FOR_P99:
        return "p99", numbers.nearest_rank(values, 0.99)
    return "max", max(values)
