"""Summarise the trials of ``starts-N`` and ``density`` by runner; the base's second measurement is left out."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.text import numbers
from tare.results.details import DensityDetails, StartsDetails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.summaries.run import Summary
    from tare.results.details import BurstStart
    from tare.results.record import Trial

_RATE, _SPREAD = "starts.rate", "starts.harness.spread"
"""Metrics of ``starts-N`` that each of its trials has."""


@dataclass(frozen=True, slots=True)
class Starts:
    """Hold N simultaneous starts under one runner, over all its trials. Durations are in seconds."""

    count: int
    """Number of simultaneous starts, N."""
    latencies: tuple[float, ...]
    """Latency of every start of every burst, ascending."""
    rates: tuple[float, ...]
    """Starts per second, one value for each trial."""
    spreads: tuple[float, ...]
    """Time between the first and the last request of a burst, one value for each trial."""

    @property
    def median(self) -> float:
        """Median of the latencies, in seconds."""
        return statistics.median(self.latencies)

    @property
    def rate(self) -> float:
        """Median of the trials' rates, in starts per second."""
        return statistics.median(self.rates)

    def rank(self, share: float) -> float:
        """Give the latency that this share of the starts did not exceed."""
        return numbers.nearest_rank(self.latencies, share)


@dataclass(frozen=True, slots=True)
class Ramp:
    """Hold what one trial of ``density`` found."""

    details: DensityDetails
    metrics: Mapping[str, float]
    """Metric → value, in the metric's unit."""


def starts(summary: Summary) -> dict[str, tuple[Starts, ...]]:
    """Group the trials of ``starts-N`` by runner, in display order, and by number of starts."""
    found: dict[str, dict[int, list[Trial]]] = defaultdict(lambda: defaultdict(list))
    for trial in summary.measured:
        bursts = _bursts(trial)
        if bursts and not trial.control and {_RATE, _SPREAD} <= {metric.name for metric in trial.metrics}:
            found[trial.runner][len(bursts[0])].append(trial)
    return {
        runner: tuple(_starts(count, of) for count, of in sorted(found[runner].items()))
        for runner in sorted(found, key=summary.display.rank)
    }


def ramps(summary: Summary) -> dict[str, tuple[Ramp, ...]]:
    """Group the trials of ``density`` by runner, in display order; each runner's in the order of measurement."""
    found: dict[str, list[Ramp]] = defaultdict(list)
    for trial in summary.measured:
        if isinstance(trial.details, DensityDetails) and not trial.control:
            metrics = {metric.name: metric.value for metric in trial.metrics}
            found[trial.runner].append(Ramp(trial.details, metrics))
    return {runner: tuple(found[runner]) for runner in sorted(found, key=summary.display.rank)}


def _bursts(trial: Trial) -> tuple[tuple[BurstStart, ...], ...]:
    """List the bursts of a trial that have starts; empty for a trial of another experiment."""
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
        _values(trials, _RATE),
        _values(trials, _SPREAD),
    )


def _values(trials: Sequence[Trial], name: str) -> tuple[float, ...]:
    return tuple(metric.value for trial in trials for metric in trial.metrics if metric.name == name)
