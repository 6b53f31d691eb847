"""Trials of ``scale-N``, sorted for the section and its figure. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.summaries.runners import rank
from tare.results.details import ScalingDetails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.results.record import Trial


@dataclass(frozen=True, slots=True)
class ThreadScaling:
    """N threads under one runner, over all its trials."""

    count: int
    rates: tuple[float, ...]
    """Of all threads together, one for each trial."""
    unit: str
    speedups: tuple[float, ...]
    """Against one thread in the same place, one for each trial."""

    @property
    def rate(self) -> float:
        """Median over the trials."""
        return statistics.median(self.rates)

    @property
    def speedup(self) -> float:
        """Median over the trials."""
        return statistics.median(self.speedups)

    @property
    def efficiency(self) -> float:
        """Speed-up per thread: 1 is perfect."""
        return self.speedup / self.count


def points(trials: Sequence[Trial]) -> dict[str, tuple[ThreadScaling, ...]]:
    """Runner → its points by number of threads; runners in display order. The base's second measurement is left out."""
    found: dict[str, dict[int, list[Mapping[str, tuple[float, str]]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for trial in trials:
        metrics = {metric.name: (metric.value, metric.unit) for metric in trial.metrics}
        details = trial.details
        if isinstance(details, ScalingDetails) and "scaling.speedup" in metrics and not trial.control:
            found[trial.runner][details.threads].append(metrics)
    return {
        runner: tuple(
            ThreadScaling(
                count,
                tuple(one["scaling.rate"][0] for one in each),
                each[0]["scaling.rate"][1],
                tuple(one["scaling.speedup"][0] for one in each),
            )
            for count, each in sorted(found[runner].items())
        )
        for runner in sorted(found, key=rank)
    }
