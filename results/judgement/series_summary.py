"""Summaries of single series, for every metric: also those that are never judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.judgement.comparison import Estimate  # noqa: TC001 - msgspec reads annotations at run time
from tare.results.record import Accelerator, Direction  # noqa: TC001
from tare.results.statistics import estimates as statistics
from tare.results.statistics.series import good_series, median_of

if TYPE_CHECKING:
    from tare.results.tables.frame import RunFrame


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one workload under one runner, in ``unit``."""

    workload: str
    family: str
    parameters: dict[str, Any]
    metric: str
    unit: str
    direction: Direction
    clock: str
    primary: bool
    runner: str
    accelerator: Accelerator
    control: bool
    values: int
    median: Estimate
    least: float
    most: float
    tail: Estimate
    """The 95th percentile (5th where higher is better): the bad end."""


def summarise(frame: RunFrame, *, confidence: float = 0.95, seed: int = 0) -> list[Summary]:
    """Summarise every series of a run, good values only. ``seed`` is for the tails' cluster bootstrap."""
    found = []
    for series in good_series(frame).values():
        q = 0.05 if series.direction == "higher" else 0.95
        tail = (
            statistics.clustered_quantile(series.value, series.invocation, q, confidence, seed=seed)
            if series.nested
            else statistics.quantile(series.value, q, confidence)
        )
        found.append(
            Summary(
                workload=series.key.workload,
                family=series.family,
                parameters=msgspec.json.decode(series.key.parameters),
                metric=series.key.metric,
                unit=series.unit,
                direction=series.direction,
                clock=series.clock,
                primary=series.primary,
                runner=series.key.runner,
                accelerator=series.accelerator,
                control=series.key.control,
                values=len(series.value),
                median=median_of(series, confidence).mapped(float, confidence),
                least=float(series.value.min()),
                most=float(series.value.max()),
                tail=tail.mapped(float, confidence),
            )
        )
    return found
