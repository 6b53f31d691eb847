"""Forecast what a budget can decide on this host, from how much costs varied in the last run.

The scheduler of the run is asked block by block, with half-widths that shrink with the root of the number of blocks.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.campaign.scheduler import Candidate, choose, price, reached
from tare.bench.planning.estimates import read_numbers, spread_key, spreads_file
from tare.bench.planning.modes import emulated_share
from tare.results.statistics.exponents import expm1
from tare.results.statistics.width import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tare.bench.planning.estimates import Estimates
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Judged, Unit

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
    other_length: bool
    """The host has measured some of it with jobs of another length alone, as quick runs have them."""
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
    prospects = []
    for unit in plan.units():
        spreads, other_length = _spreads(unit, plan, known)
        cost, target = _cost(unit, plan, estimates), plan.precision * unit.looseness
        prospects.append(_Prospect(unit, spreads, other_length, cost, target))
    if plan.blocks is None:
        _give_out(prospects, budget)
    else:
        for one in prospects:
            one.blocks = min(plan.blocks, one.most)
    return [one.forecast() for one in prospects]


@dataclass(slots=True)
class _Prospect:
    """A unit with what this host knows of it, and the blocks it is given."""

    unit: Unit
    spreads: Mapping[Judged, float]
    """Half-width that one block would have, of the widest comparison; empty if this host has not measured it."""
    other_length: bool
    """See :attr:`Forecast.other_length`."""
    cost: float
    """Seconds of a block."""
    precision: float
    """Half-width that is aimed at, relative to the cost."""
    blocks: int = 1

    @property
    def most(self) -> int:
        """Blocks beyond which more say nothing more."""
        return self.unit.most_blocks or sys.maxsize

    def candidate(self) -> Candidate:
        """Describe the unit to the scheduler."""
        unknown = not self.spreads or self.blocks < CHECKPOINTS[0]
        ratios = (math.inf,) if unknown else self._ratios(self.blocks)
        return Candidate(self.unit.name, ratios, self.blocks, self.cost)

    def forecast(self) -> Forecast:
        """Predict what the blocks given so far will show, and how long reaching all targets would take."""
        root = math.sqrt(self.blocks)
        widths = {judged: expm1(spread / root) for judged, spread in self.spreads.items()}
        one = Candidate(self.unit.name, self._ratios(1), 1, self.cost)
        needed = max(self.cost * CHECKPOINTS[0], price(one) + self.cost) if self.spreads else None
        return Forecast(
            self.unit,
            self.blocks,
            self.cost,
            widths if self.blocks >= CHECKPOINTS[0] else {},
            self.other_length,
            needed,
        )

    def _ratios(self, blocks: int) -> tuple[float, ...]:
        target = math.log1p(self.precision)
        return tuple(spread / math.sqrt(blocks) / target for spread in self.spreads.values())


def _spreads(unit: Unit, plan: Plan, known: Mapping[str, float]) -> tuple[dict[Judged, float], bool]:
    """Look up the widest spread of each answer, and whether one of them is of jobs of another length."""
    found: dict[Judged, float] = {}
    other_length = False
    for case in unit.cases:
        for judged in unit.answers:
            key = spread_key(case, judged, plan.job_seconds)
            nearest = key if key in known else _of_another_length(key, known)
            if nearest is not None:
                found[judged] = max(found.get(judged, 0.0), known[nearest])
                # A cold start has no job whose length could matter.
                other_length |= nearest != key and unit.kind != "cold"
    return found, other_length


def _of_another_length(key: str, known: Mapping[str, float]) -> str | None:
    """Find the key of the same case and answer whose jobs' length is nearest; ``None`` if there is none."""
    case, length, judged = key.rsplit("/", 2)
    written = re.compile(rf"{re.escape(case)}/(\d+\.?\d*)/{judged}", re.ASCII)
    lengths = {one: float(like[1]) for one in known if (like := written.fullmatch(one))}
    others = {one: abs(math.log(other / float(length))) for one, other in lengths.items() if other}
    return min(others, key=others.__getitem__, default=None)


def _cost(unit: Unit, plan: Plan, estimates: Estimates) -> float:
    return max(estimates.block(unit, plan.job_seconds) + estimates.visit(unit), 1e-3)


def _give_out(prospects: Sequence[_Prospect], budget: float) -> None:
    """Give out a budget as the agenda would: emulated guests have a share of it, the others' is the scheduler's."""
    slow, others = ([one for one in prospects if one.unit.emulated is is_slow] for is_slow in (True, False))
    share = emulated_share(len({one.unit.stream for one in slow})) * budget if others else budget
    for one in slow:
        one.blocks = min(one.most, max(1, int(share / sum(each.cost for each in slow))))
    by_name = {one.unit.name: one for one in others}
    left = budget - sum(one.cost * one.blocks for one in prospects)
    while left > 0:
        candidates = [one.candidate() for one in others if one.blocks < one.most]
        chosen = choose([one for one in candidates if not reached(one.ratios)], left)
        if chosen is None:
            break
        one = by_name[chosen.name]
        step = min(max(1, int(budget / _STEPS / one.cost)), one.most - one.blocks)
        one.blocks += step
        left -= step * one.cost
