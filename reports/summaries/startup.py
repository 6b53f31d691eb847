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
    """Start-up of one case under one runner: medians over its cold trials, in seconds."""

    n: int
    marks: Mapping[str, float]
    """Mark → median duration of the phase that ends with it. Medians of phases need not add up to the total's."""
    inside: float
    """From the first mark inside the place (a guest's kernel, else the agent; of a restored guest, that it is ready) to
    the job's end: what a clock in the place could at most see."""
    end_to_end: float
    """From ``requested`` to ``gone`` (to ``finished`` where the end was not marked)."""
    totals: tuple[float, ...]
    """The single trials' end-to-end durations, in the order of measuring."""
    clock_error: float
    """Largest bound on marks that were taken on a guest's clock."""


def phases(trials: Sequence[Trial]) -> Phases:
    """Medians of the start-up phases of trials that each made a place of their own."""
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
    )


def _seconds(line: Mapping[str, int], before: str, after: str) -> float:
    return (line[after] - line[before]) / 1e9


LEAST_FOR_P99 = 100
"""Below this many starts the 99th percentile is the maximum by another name, so the maximum is what is named."""


def tail(values: tuple[float, ...]) -> tuple[str, float]:
    """The upper end that this many values support: ``p99``, or ``max``."""
    if len(values) >= LEAST_FOR_P99:
        return "p99", numbers.nearest_rank(values, 0.99)
    return "max", max(values)
