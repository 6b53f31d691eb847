"""Trials of ``starts-N`` and ``density``, sorted for the section and its figures. Pure.

The base's second measurement is left out: it has the base's colour and would hide it.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.summaries.runners import rank
from tare.reports.text import numbers
from tare.results.details import DensityDetails, StartsDetails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.results.details import BurstStart
    from tare.results.record import Trial


@dataclass(frozen=True, slots=True)
class Starts:
    """N starts at once under one runner, over all its trials. Durations in seconds."""

    count: int
    latencies: tuple[float, ...]
    """Of every start of every burst, ascending."""
    rates: tuple[float, ...]
    """Starts a second, one for each trial."""
    spreads: tuple[float, ...]
    """Seconds over which the harness spread the asking, one for each trial."""

    @property
    def median(self) -> float:
        """Of the latencies."""
        return statistics.median(self.latencies)

    @property
    def rate(self) -> float:
        """Median of the trials'."""
        return statistics.median(self.rates)

    def rank(self, share: float) -> float:
        """The latency that so many of the starts did not exceed."""
        return numbers.nearest_rank(self.latencies, share)


@dataclass(frozen=True, slots=True)
class Ramp:
    """One trial of ``density``."""

    details: DensityDetails
    metrics: Mapping[str, float]


def starts(trials: Sequence[Trial]) -> dict[str, tuple[Starts, ...]]:
    """Runner → its points by number of starts; runners in display order."""
    found: dict[str, dict[int, list[Trial]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        bursts = _bursts(trial)
        if bursts and not trial.control:
            found[trial.runner][len(bursts[0])].append(trial)
    return {
        runner: tuple(_starts(count, of) for count, of in sorted(found[runner].items()))
        for runner in sorted(found, key=rank)
    }


def ramps(trials: Sequence[Trial]) -> dict[str, tuple[Ramp, ...]]:
    """Runner → its ramps in the order of measuring; runners in display order."""
    found: dict[str, list[Ramp]] = defaultdict(list)
    for trial in trials:
        if isinstance(trial.details, DensityDetails) and not trial.control:
            metrics = {metric.name: metric.value for metric in trial.metrics}
            found[trial.runner].append(Ramp(trial.details, metrics))
    return {runner: tuple(found[runner]) for runner in sorted(found, key=rank)}


def _bursts(trial: Trial) -> tuple[tuple[BurstStart, ...], ...]:
    """Return the bursts of a trial that have starts in them; none where the trial is of something else."""
    if not isinstance(trial.details, StartsDetails):
        return ()
    return tuple(burst for burst in trial.details.bursts if burst)


def _starts(count: int, trials: Sequence[Trial]) -> Starts:
    latencies = [
        (start.ready_ns - start.asked_ns) / 1e9
        for trial in trials
        for burst in _bursts(trial)
        for start in burst
    ]
    return Starts(
        count,
        tuple(sorted(latencies)),
        _values(trials, "starts.rate"),
        _values(trials, "starts.harness.spread"),
    )


def _values(trials: Sequence[Trial], name: str) -> tuple[float, ...]:
    return tuple(metric.value for trial in trials for metric in trial.metrics if metric.name == name)
