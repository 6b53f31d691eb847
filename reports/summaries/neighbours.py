"""Summarise the trials of ``neighbours-*``: slowdowns by stressor, victim's runner and stressor's runner."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.statistics.estimates import Estimate, one_sample
from tare.results.statistics.exponents import exp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.summaries.run import Summary
    from tare.results.record import Trial

FAMILIES = frozenset({"neighbours", "neighbour-pairs"})
MEASURES = ("throughput.apart", "throughput.shared", "latency.apart", "latency.shared")
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Slowdowns:
    """Hold how one victim is slowed down by one stressor, over all trials."""

    workload: str
    stressor: str
    victim: str
    """Runner of the victim's places."""
    neighbour: str
    """Runner of the stressor's places; empty: the victim's own."""
    n: int
    """Number of trials."""
    by_measure: Mapping[str, Estimate]
    """Name of :data:`MEASURES` → ratio of beside to alone; 1 is independence, above it the victim is slower."""


def slowdowns(summary: Summary) -> tuple[Slowdowns, ...]:
    """Estimate the slowdowns, by stressor in the order of measurement, then by runners in display order."""
    groups: dict[tuple[str, str, str, str], list[Trial]] = defaultdict(list)
    for trial in summary.measured:
        if trial.family in FAMILIES and not trial.control:
            parameters = summary.given.parameters.get(trial.workload, trial.parameters)
            told = {key: str(value) for key, value in parameters.items()}
            key = (
                told.get("stressor", trial.workload),
                trial.workload,
                trial.runner,
                told.get("neighbour", ""),
            )
            groups[key].append(trial)
    stressors = list(dict.fromkeys(stressor for stressor, *_ in groups))
    rank = summary.display.rank
    ordered = sorted(groups, key=lambda key: (stressors.index(key[0]), key[3] != "", rank(key[2]), key[3]))
    return tuple(
        Slowdowns(workload, stressor, victim, neighbour, len(groups[key]), _estimates(groups[key]))
        for key in ordered
        for stressor, workload, victim, neighbour in [key]
    )


def _estimates(trials: list[Trial]) -> Mapping[str, Estimate]:
    found = {}
    for name in MEASURES:
        logs = [
            math.log(one.value)
            for trial in trials
            for one in trial.metrics
            if one.name == f"neighbours.{name}" and one.value > 0
        ]
        if logs:
            found[name] = one_sample(logs, _CONFIDENCE).mapped(exp, _CONFIDENCE)
    return found
