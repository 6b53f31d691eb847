"""Forecast what a budget can decide on this host, from how much costs varied in the last run.

The scheduler of the run is asked block by block, with half-widths that shrink with the root of the number of blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.campaign.scheduler import Candidate, choose, price, reached
from tare.bench.planning.estimates import read_numbers, spread_key, spreads_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tare.bench.planning.estimates import Estimates, Judged
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Unit

_JUDGED: tuple[Judged, ...] = ("time", "cpu")
_FIRST = 10
"""Blocks below which there is no interval."""
_STEPS = 300
"""Steps that a budget is spent in: blocks are given out several at a time."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected outcome of a budget for one unit."""

    unit: Unit
    blocks: int
    block_seconds: float
    half_widths: Mapping[Judged, float]
    """Expected half-width of the 95 % interval, relative to the cost; empty where this host has not measured it yet."""
    seconds_needed: float | None
    """Measuring time of this unit until all of its half-widths are within the target; ``None`` if nothing is known."""

    @property
    def known(self) -> bool:
        """Tell whether this host knows how much the unit's costs vary."""
        return bool(self.half_widths)


def forecast(plan: Plan, estimates: Estimates, cache: Path, seconds: float | None = None) -> list[Forecast]:
    """Forecast every unit of a plan.

    Args:
        plan: has the units and the precision that is aimed at.
        estimates: what blocks cost on this host.
        cache: folder where the spreads of the last run are.
        seconds: measuring time; that of the plan if ``None``.
    """
    known = read_numbers(spreads_file(cache))
    budget = plan.budget_seconds if seconds is None else seconds
    units = plan.units()
    spreads = {unit.name: _spreads(unit, plan, known) for unit in units}
    costs = {unit.name: _cost(unit, plan, estimates) for unit in units}
    if plan.blocks is None:
        blocks = _given(units, spreads, costs, plan.precision, budget)
    else:
        blocks = {unit.name: min(plan.blocks, unit.most_blocks or plan.blocks) for unit in units}
    return [
        _forecast(unit, blocks[unit.name], costs[unit.name], spreads[unit.name], plan.precision)
        for unit in units
    ]


def _spreads(unit: Unit, plan: Plan, known: Mapping[str, float]) -> dict[Judged, float]:
    """Return the half-width that one block would have, of the widest comparison."""
    found: dict[Judged, float] = {}
    for case in unit.cases:
        for judged in _JUDGED:
            spread = known.get(spread_key(case, judged, plan.job_seconds))
            if spread is not None:
                found[judged] = max(found.get(judged, 0.0), spread)
    return found


def _cost(unit: Unit, plan: Plan, estimates: Estimates) -> float:
    return max(estimates.block(unit, plan.job_seconds) + estimates.visit(unit), 1e-3)


def _given(
    units: Sequence[Unit],
    spreads: Mapping[str, Mapping[Judged, float]],
    costs: Mapping[str, float],
    precision: float,
    budget: float,
) -> dict[str, int]:
    """Give out a budget as the scheduler would."""
    blocks = dict.fromkeys((unit.name for unit in units), 1)
    left = budget - sum(costs.values())
    while left > 0:
        rest = [
            one
            for one in (_candidate(unit, blocks[unit.name], costs, spreads, precision) for unit in units)
            if not reached(one.ratios) and blocks[one.name] < _most(units, one.name)
        ]
        chosen = choose(rest, left)
        if chosen is None:
            break
        step = max(1, int(budget / _STEPS / chosen.block_seconds))
        step = min(step, _most(units, chosen.name) - chosen.blocks)
        blocks[chosen.name] += step
        left -= step * chosen.block_seconds
    return blocks


def _most(units: Sequence[Unit], name: str) -> int:
    return next(unit.most_blocks or 1 << 30 for unit in units if unit.name == name)


def _candidate(
    unit: Unit,
    blocks: int,
    costs: Mapping[str, float],
    spreads: Mapping[str, Mapping[Judged, float]],
    precision: float,
) -> Candidate:
    widths = [spread / math.sqrt(blocks) for spread in spreads[unit.name].values()]
    unknown = not widths or blocks < _FIRST
    ratios = (math.inf,) if unknown else tuple(width / math.log1p(precision) for width in widths)
    return Candidate(unit.name, ratios, blocks, costs[unit.name])


def _forecast(
    unit: Unit, blocks: int, cost: float, spreads: Mapping[Judged, float], precision: float
) -> Forecast:
    widths = {judged: math.expm1(spread / math.sqrt(blocks)) for judged, spread in spreads.items()}
    one = Candidate(unit.name, tuple(spread / math.log1p(precision) for spread in spreads.values()), 1, cost)
    needed = max(cost * _FIRST, price(one) + cost) if spreads else None
    return Forecast(unit, blocks, cost, widths if blocks >= _FIRST else {}, needed)
