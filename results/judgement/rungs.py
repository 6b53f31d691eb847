"""Compute what each rung of the isolation ladder adds to the one below it, paired inside each block.

Compared with ``bare``, a rung costs what all rungs up to it cost together. Its own part, as the difference of two such
numbers, would have the errors of both. Two rungs measured in the same blocks give it directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tare.results.judgement.comparison import CONFIDENCE
from tare.results.record import Direction  # noqa: TC001
from tare.results.statistics import estimates
from tare.results.statistics.estimates import Estimate  # noqa: TC001 - msgspec reads annotations at run time
from tare.results.statistics.exponents import exp
from tare.results.statistics.ratios import paired_log_ratio
from tare.results.statistics.series import good_series, median_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Manifest
    from tare.results.statistics.series import Series, SeriesKey
    from tare.results.tables.frame import RunFrame


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung of the isolation ladder and the runner that stands on it."""

    runner: str
    """Label of the runner."""
    rung: str
    """Name of the rung."""
    position: int
    """Position on the ladder, from the ground up; the branches of a rung follow it."""
    below: tuple[str, ...]
    """Runners on the rungs below, nearest first; the last one is the base."""


class RungCost(msgspec.Struct, frozen=True, kw_only=True):
    """Cost that one rung adds to one workload's metric."""

    workload: str
    family: str
    parameters: dict[str, Any]
    metric: str
    unit: str
    direction: Direction
    runner: str
    rung: str
    below: str
    """The next lower runner that was measured."""
    value: Estimate
    """Median on this rung, in ``unit``."""
    difference: Estimate | None
    """This rung minus the one below, in ``unit``, paired by block; ``None`` where an invocation holds several blocks,
    because only the ratio allows for differences between invocations."""
    cost: Estimate
    """Oriented ratio to the rung below: above 1 it costs more."""
    total: Estimate
    """Oriented ratio to the base: the cost of all rungs up to this one."""


def rungs(manifest: Manifest) -> tuple[Rung, ...]:
    """List the rungs among a run's runners, from the ground up."""
    found = [
        Rung(runner, probe.rung.name, probe.rung.position, probe.rung.below)
        for runner, probe in manifest.probes.items()
        if probe.rung is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.position, one.runner)))


def rung_costs(frame: RunFrame, *, series: Mapping[SeriesKey, Series] | None = None) -> list[RungCost]:
    """Compare each rung with the nearest measured one below it, for every workload's primary metric.

    A rung is left out for workloads that it, or all below it, were not measured with. ``series``: those of the frame, where
    the caller has formed them already.
    """
    known = rungs(frame.manifest)
    if series is None:
        series = good_series(frame) if known else {}
    found = []
    for rung in known:
        for key, subject in series.items():
            if key.runner != rung.runner or key.control or not subject.primary:
                continue
            lower = [series[k] for name in rung.below if (k := key._replace(runner=name)) in series]
            if not lower:
                continue
            if cost := _rung_cost(rung, subject, lower[0], lower[-1]):
                found.append(cost)
    return found


def _rung_cost(rung: Rung, subject: Series, below: Series, base: Series) -> RungCost | None:
    cost = paired_log_ratio(subject, below, CONFIDENCE)
    total = paired_log_ratio(subject, base, CONFIDENCE)
    if cost is None or total is None:
        return None
    return RungCost(
        workload=subject.key.workload,
        family=subject.family,
        parameters=msgspec.json.decode(subject.key.parameters),
        metric=subject.key.metric,
        unit=subject.unit,
        direction=subject.direction,
        runner=rung.runner,
        rung=rung.rung,
        below=below.key.runner,
        value=median_of(subject, CONFIDENCE).mapped(float, CONFIDENCE),
        difference=_difference(subject, below),
        cost=cost.interval.mapped(exp, CONFIDENCE),
        total=total.interval.mapped(exp, CONFIDENCE),
    )


def _difference(subject: Series, below: Series) -> Estimate | None:
    """Return the difference paired by block; ``None`` unless each side has one value for each block."""
    if subject.nested or below.nested:
        return None
    _, here, there = np.intersect1d(subject.block, below.block, return_indices=True)
    return estimates.one_sample(subject.value[here] - below.value[there], CONFIDENCE).mapped(
        float, CONFIDENCE
    )
