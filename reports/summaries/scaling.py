"""Summarise the trials of ``scale-N`` by runner and number of threads."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.details import ScalingDetails

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.summaries.run import Summary

_METRICS = {"scaling.rate", "scaling.speedup"}


@dataclass(frozen=True, slots=True)
class ThreadScaling:
    """Hold the results of N threads under one runner, over all its trials."""

    count: int
    """Number of threads."""
    rates: tuple[float, ...]
    """Rates of all threads together, in ``unit``, one for each trial."""
    unit: str
    speedups: tuple[float, ...]
    """Ratios to the rate of one thread in the same place, one for each trial."""

    @property
    def speedup(self) -> float:
        """Median of the trials' speed-ups."""
        return statistics.median(self.speedups)

    @property
    def efficiency(self) -> float:
        """Median speed-up per thread; 1 is ideal."""
        return self.speedup / self.count


def thread_scaling(summary: Summary) -> dict[str, tuple[ThreadScaling, ...]]:
    """Group the trials by runner, in display order, and by number of threads; the base's second measurement is left out."""
    found: dict[str, dict[int, list[Mapping[str, tuple[float, str]]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for trial in summary.measured:
        if isinstance(trial.details, ScalingDetails) and not trial.control:
            metrics = {metric.name: (metric.value, metric.unit) for metric in trial.metrics}
            if metrics.keys() >= _METRICS:
                found[trial.runner][trial.details.threads].append(metrics)
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
        for runner in sorted(found, key=summary.display.rank)
    }
