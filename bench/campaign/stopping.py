"""Stop sampling when intervals are narrow enough, by a rule that sees widths and never differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Protocol

from tare.bench.planning.modes import LEAST_OPENINGS
from tare.bench.planning.plan import BASE_VARIANT
from tare.results.record import CONTROL_SUFFIX
from tare.results.statistics.width import CHECKPOINTS, half_width

if TYPE_CHECKING:
    from tare.results.record import Trial


SIGN = BASE_VARIANT[0]

Key = tuple[str, str, str]
"""Workload, runner, metric."""


class Stopping(Protocol):
    """Decides when a workload has been measured often enough, without looking at any difference."""

    def add(self, trial: Trial) -> None:
        """Take note of a trial that has been stored."""

    def enough(self, workload: str, blocks: int) -> bool:
        """Return whether a workload of which so many blocks are measured needs no more."""


class EveryBlock:
    """Measure every planned block: the number of samples was decided when the run was planned."""

    def add(self, trial: Trial) -> None:
        """Do nothing: no trial changes the plan."""

    def enough(self, workload: str, blocks: int) -> bool:
        """Return ``False``: the plan says when it is enough."""
        del workload, blocks
        return False


EVERY_BLOCK = EveryBlock()


@dataclass(slots=True)
class Precision:
    """Stop a workload when the intervals of all its costs are narrow enough."""

    target: float
    """Half-width of the cost's 95 % interval, as a relative difference."""
    base: str
    """Label of the runner that the others are compared with; where versions are compared, the name of the first."""
    versions: tuple[str, ...] = ()
    """Names of workloads that are compared with each other, runner by runner, and stop together."""
    also: tuple[str, ...] = ()
    """Names of metrics that count besides the primary ones."""
    _values: dict[Key, dict[int, tuple[float, int]]] = field(default_factory=dict)
    """Key → block → logarithm of the value, and invocation."""
    _enough: dict[str, int] = field(default_factory=dict)
    """Group of workloads that stop together → blocks after which it was precise enough."""

    def add(self, trial: Trial) -> None:
        """Take note of the metrics of a measured trial."""
        if trial.outcome != "ok" or trial.warmup:
            return
        for metric in trial.metrics:
            if (metric.primary or metric.name in self.also) and metric.value > 0:
                key = trial.workload, trial.runner, metric.name
                by_block = self._values.setdefault(key, {})
                by_block[trial.block] = (math.log(metric.value), trial.invocation)

    def enough(self, workload: str, blocks: int) -> bool:
        """Return whether the workload needs no more; it is looked at after :data:`CHECKPOINTS` blocks only."""
        group = self._group(workload)
        if group not in self._enough and blocks in CHECKPOINTS:
            widths = self.widths(workload)
            if widths and max(widths.values()) <= math.log1p(self.target):
                self._enough[group] = blocks
        return group in self._enough

    def reached(self) -> dict[str, int]:
        """Return the number of blocks after which each group was precise enough; those that were not are left out."""
        return dict(self._enough)

    def widths(self, workload: str) -> dict[Key, float]:
        """Return the half-widths of the intervals of all costs of a workload, on the log scale."""
        if workload in self.versions:
            return {
                (name, runner, metric): self._width(values, self._values[self.base, runner, metric])
                for (name, runner, metric), values in self._values.items()
                if name in self.versions and name != self.base and (self.base, runner, metric) in self._values
            }
        partners = {
            (name, runner, metric): (name, self._base_of(runner), metric)
            for name, runner, metric in self._values
            if name == workload
        }
        return {
            key: self._width(self._values[key], self._values[partner])
            for key, partner in partners.items()
            if partner in self._values and key[1].removesuffix(CONTROL_SUFFIX) != partner[1]
        }

    def _base_of(self, runner: str) -> str:
        """Return the label of the runner that ``runner`` is compared with: in variants, its own base."""
        plain, sign, _ = runner.partition(SIGN)
        return f"{plain}{BASE_VARIANT}" if sign else self.base

    def _group(self, workload: str) -> str:
        return "+".join(self.versions) if workload in self.versions else workload

    @staticmethod
    def _width(subject: dict[int, tuple[float, int]], base: dict[int, tuple[float, int]]) -> float:
        """Pair by block; the independent unit is the opening, of the side that has fewer."""
        blocks = sorted(subject.keys() & base.keys())
        ratios = [subject[block][0] - base[block][0] for block in blocks]
        openings: dict[int, list[float]] = {}
        sides = ([side[block][1] for block in blocks] for side in (subject, base))
        for opening, ratio in zip(min(sides, key=lambda side: len(set(side))), ratios, strict=True):
            openings.setdefault(opening, []).append(ratio)
        if len(openings) == len(blocks):
            return half_width(ratios)
        if len(openings) < LEAST_OPENINGS:
            return math.inf
        return half_width([median(own) for own in openings.values()])
