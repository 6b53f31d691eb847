"""Follow how wide the intervals of all costs are, without ever looking at a difference.

The widths are those of the judgement: of paired log ratios, with the opening of a place as the independent unit. They
are computed after few numbers of blocks (:data:`tare.results.statistics.width.CHECKPOINTS`), because each is a chance
to stop at an interval that is narrow by luck, and because computing one takes up to some milliseconds.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from tare.bench.planning.modes import LEAST_OPENINGS
from tare.bench.planning.plan import BASE_VARIANT
from tare.results.record import CONTROL_SUFFIX, CPU_TIME, DUET_CPU_TIME, HOST_CPU_TIME
from tare.results.statistics.width import LATER_UNITS, Width, checkpoint, spread, usual_factor, width

if TYPE_CHECKING:
    from tare.bench.planning.units import Judged, Unit
    from tare.results.record import Trial

_SIGN = BASE_VARIANT[0]

Series = tuple[str, str, str]
"""Workload, label of the runner, metric."""


class Spread(msgspec.Struct, frozen=True):
    """Spread of the widest of some comparisons, as far as it is known: further widths are estimated from it."""

    units: int
    """Blocks that it is known from."""
    single: float
    """Half-width over the target that the interval of a single block would have, widened as that of many blocks is."""
    widened: float = 1.0
    """Factor by which the last interval was widened beyond what is usual for so many independent blocks."""


class Precision(msgspec.Struct):
    """Half-widths of one unit's intervals."""

    base: str
    """Label of the runner that the others are compared with; empty where workloads are compared with one another."""
    base_workload: str = ""
    """Name of the workload that the others are compared with, runner by runner; empty where runners are compared."""
    answers: frozenset[Judged] = frozenset({"time", "cpu"})
    """See :attr:`tare.bench.planning.units.Unit.answers`."""
    _values: dict[Series, dict[int, tuple[float, int]]] = msgspec.field(default_factory=dict)
    """Series → block → logarithm of the value, and invocation."""
    _primary: set[str] = msgspec.field(default_factory=set)
    """Names of primary metrics."""
    _known: tuple[int, dict[Series, Width]] = (0, {})
    """Last checkpoint, and the widths there."""

    @classmethod
    def of_unit(cls, unit: Unit, base: str) -> Precision:
        """Follow a unit; ``base`` is the label of the runner that the others are compared with."""
        several = len(unit.workloads) > 1
        return cls("" if several else base, unit.workloads[0].name if several else "", unit.answers)

    def add(self, trial: Trial) -> None:
        """Take note of the judged metrics of a measured trial: the primary one, and CPU time."""
        if trial.outcome != "ok" or trial.warmup:
            return
        for metric in trial.metrics:
            if metric.primary:
                self._primary.add(metric.name)
            elif metric.name not in {CPU_TIME, HOST_CPU_TIME, DUET_CPU_TIME}:
                continue
            if metric.value > 0 and self.judged(metric.name) in self.answers:
                series = trial.workload, trial.runner, metric.name
                by_block = self._values.setdefault(series, {})
                by_block[trial.block] = (math.log(metric.value), trial.invocation)

    def judged(self, metric: str) -> Judged:
        """Say which of the two answers a metric gives."""
        return "time" if metric in self._primary else "cpu"

    def widths(self, blocks: int) -> dict[Series, Width]:
        """Return the half-widths of each comparison on the log scale, as they were at the last checkpoint."""
        at = checkpoint(blocks)
        if at != self._known[0]:
            self._known = (
                at,
                {one: self._width(one, other, at) for one, other in self._compared()} if at else {},
            )
        return self._known[1]

    def ratios(self, target: float, blocks: int) -> tuple[float, ...]:
        """Return the widest interval over the target, of the primary metrics and of CPU time.

        Between two checkpoints the widths shrink with the root of the number of blocks, but never below the target: only
        at a checkpoint is it decided that a target is reached. Infinite before the first.
        """
        widest = self._widest(blocks)
        if not widest or not blocks:
            return (math.inf,)
        shrunk = math.sqrt(checkpoint(blocks) / blocks)
        ratios = [one.now / math.log1p(target) for one in widest]
        return tuple(one if one <= 1 else max(one * shrunk, math.nextafter(1, 2)) for one in ratios)

    def later_ratios(self, target: float, blocks: int) -> tuple[float, ...]:
        """Return the same as :meth:`ratios` for intervals widened as those of many blocks: what more of them cost."""
        shrunk = math.sqrt(checkpoint(blocks) / max(blocks, 1))
        return tuple(one.later * shrunk / math.log1p(target) for one in self._widest(blocks)) or (math.inf,)

    def spreads(self, target: float, blocks: int) -> tuple[Spread, ...]:
        """Return what is known of the widths of further blocks, of the primary metrics and of CPU time.

        Before there are intervals it comes from the standard deviation; empty before there are two blocks.
        """
        aim, at = math.log1p(target), checkpoint(blocks)
        widest = self._widest(blocks)
        if widest and all(math.isfinite(one.now) for one in widest):
            usual = usual_factor(at) / usual_factor(LATER_UNITS)
            return tuple(
                Spread(at, one.later * math.sqrt(at) / aim, one.now / one.later / usual if one.later else 1.0)
                for one in widest
            )
        found: dict[Judged, float] = {}
        for one, other in self._compared():
            subject, base = self._values[one], self._values[other]
            own = spread([subject[block][0] - base[block][0] for block in subject.keys() & base.keys()])
            if math.isfinite(own):
                judged = self.judged(one[2])
                found[judged] = max(found.get(judged, 0.0), own)
        return tuple(Spread(blocks, one / aim) for one in found.values())

    def _widest(self, blocks: int) -> list[Width]:
        """Return the largest of all comparisons' half-widths, by time and by CPU time as far as there are any."""
        found: dict[Judged, Width] = {}
        for (_, _, metric), own in self.widths(blocks).items():
            judged = self.judged(metric)
            known = found.get(judged, Width(0.0, 0.0))
            found[judged] = Width(max(known.now, own.now), max(known.later, own.later))
        return list(found.values())

    def _compared(self) -> list[tuple[Series, Series]]:
        """Pair what is compared; the base's second measurement counts where there is nothing else."""
        found = []
        for workload, runner, metric in self._values:
            if metric == CPU_TIME and (workload, runner, HOST_CPU_TIME) in self._values:
                continue
            other = self._partner(workload, runner, metric)
            if other in self._values and other != (workload, runner, metric):
                found.append(((workload, runner, metric), other))
        controls = [pair for pair in found if pair[0][1].removesuffix(CONTROL_SUFFIX) == pair[1][1]]
        apart = [pair for pair in found if pair not in controls] if not self.base_workload else found
        return apart or controls

    def _partner(self, workload: str, runner: str, metric: str) -> Series:
        if self.base_workload:
            return self.base_workload, runner, metric
        plain, sign, _ = runner.partition(_SIGN)
        return workload, f"{plain}{BASE_VARIANT}" if sign else self.base, metric

    def _width(self, one: Series, other: Series, most: int) -> Width:
        """Pair by block; the independent unit is the opening, of the side that has fewer."""
        subject, base = self._values[one], self._values[other]
        blocks = sorted(subject.keys() & base.keys())[:most]
        ratios = [subject[block][0] - base[block][0] for block in blocks]
        openings: dict[int, list[float]] = {}
        sides = ([side[block][1] for block in blocks] for side in (subject, base))
        for opening, ratio in zip(min(sides, key=lambda side: len(set(side))), ratios, strict=True):
            openings.setdefault(opening, []).append(ratio)
        if len(openings) == len(blocks):
            return width(ratios)
        if len(openings) < LEAST_OPENINGS:
            return Width(math.inf, math.inf)
        return width([median(own) for own in openings.values()])
