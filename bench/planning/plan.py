"""Step 1, plan: which cases, in which order, how often, and how long it will take.

Everything that could bias a comparison is decided here, before anything is measured, and stored: the
seed of every shuffle and the number of blocks. Order and count never look at a result.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tare.bench.experiments.base import Experiment
from tare.results.record import BASE, CONTROL, CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tare.bench.planning.modes import Mode
    from tare.bench.workloads.base import Workload
    from tare.results.record import Accelerator


BASE_VARIANT = "@base"
"""At the end of a runner's key where it is measured in two variants: this one is measured twice."""


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the matrix: a workload, or an experiment, under a runner."""

    workload: Workload | Experiment
    runner: str
    """Key of the runner; with :data:`tare.results.record.CONTROL_SUFFIX` behind it for its second measurement."""

    @property
    def control(self) -> bool:
        """Whether this is the A/A control."""
        return self.runner.endswith(CONTROL_SUFFIX)


@dataclass(frozen=True, slots=True)
class Skip:
    """A case that will not be measured, and why."""

    workload: str
    family: str
    runner: str
    accelerator: Accelerator
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be measured."""

    mode: Mode
    seed: int
    cases: tuple[Case, ...]
    skips: tuple[Skip, ...]
    cold_blocks: int
    steady_blocks: int
    """In all rounds together."""
    estimate_seconds: float
    trials: int
    """How many trials the plan leads to, warm-ups included, skips not."""
    full_blocks: int = -1
    """Of the steady-state blocks, those that all runners take part in; negative: all of them. In the others only the
    runners in ``reopened`` do: while a block of a slow guest is measured, they fill several."""
    full_cold_blocks: int = -1
    """As above, of the cold starts' blocks."""
    reopened: frozenset[str] = frozenset()
    """Runner keys whose steady-state places are cheap enough to be made anew for every block, so that what
    varies between invocations is sampled as often as what varies between jobs."""
    experiment_blocks: Mapping[str, int] = field(default_factory=dict)
    """Experiment → its blocks, in all rounds together."""

    def workloads(self, *, cold: bool) -> tuple[Workload, ...]:
        """The planned workloads of one kind, in the registry's order."""
        planned = (case.workload for case in self.cases if not isinstance(case.workload, Experiment))
        return tuple(dict.fromkeys(workload for workload in planned if workload.cold is cold))

    def experiments(self) -> tuple[Experiment, ...]:
        """The planned experiments, in the registry's order."""
        return tuple(
            dict.fromkeys(case.workload for case in self.cases if isinstance(case.workload, Experiment))
        )

    def order(self, what: str, items: Iterable[Any]) -> list[Any]:
        """``items`` shuffled by the plan's seed and ``what`` is being ordered: the same for every resume."""
        shuffled = list(items)
        random.Random(f"{self.seed}:{what}").shuffle(shuffled)  # noqa: S311 - not a secret
        return shuffled

    def block(self, workload: Workload | Experiment, number: int) -> list[Case]:
        """The cases of one block in the order in which they are measured."""
        cases = [case for case in self.cases if case.workload == workload and self._takes_part(case, number)]
        return self.order(f"block {number} of {workload.name}", cases)

    def _takes_part(self, case: Case, number: int) -> bool:
        """The full blocks come first in every round, so that guests' places are not kept open for longer."""
        if isinstance(case.workload, Experiment) or case.runner in self.reopened:
            return True
        cold = case.workload.cold
        blocks, full = (
            (self.cold_blocks, self.full_cold_blocks) if cold else (self.steady_blocks, self.full_blocks)
        )
        if full < 0:
            return True
        rounds = (share(blocks, self.rounds, i) for i in range(self.rounds))
        return number - next(own.start for own in rounds if number in own) < max(1, full // self.rounds)

    def round_of(self, number: int) -> range:
        """The steady-state blocks of a round: as equal as whole blocks allow."""
        return share(self.steady_blocks, self.rounds, number)

    def restricted(self, wanted: Collection[tuple[str, str]]) -> Plan:
        """The plan with only some of its cases: (workload, runner key).

        Ratios need the base beside each, and the control beside the base, so these stay.
        """
        workloads = {name for name, _ in wanted}
        kept = tuple(
            case
            for case in self.cases
            if case.workload.name in workloads
            and (case.runner in {BASE, CONTROL} or (case.workload.name, case.runner) in wanted)
        )
        return replace(self._of(kept), skips=tuple(skip for skip in self.skips if skip.workload in workloads))

    def without(self, unwanted: Collection[tuple[str, str]]) -> Plan:
        """The plan without some of its cases: (workload, runner key)."""
        return self._of(tuple(c for c in self.cases if (c.workload.name, c.runner) not in unwanted))

    def _of(self, kept: tuple[Case, ...]) -> Plan:
        share = len(kept) / max(len(self.cases), 1)
        return replace(
            self,
            cases=kept,
            estimate_seconds=self.estimate_seconds * share,
            trials=round(self.trials * share),
        )

    def record(self) -> dict[str, Any]:
        """The plan as the manifest keeps it."""
        return {
            "mode": self.mode.name,
            "seed": self.seed,
            "rounds": self.rounds,
            "cold_blocks": self.cold_blocks,
            "steady_blocks": self.steady_blocks,
            "full_blocks": self.full_blocks,
            "full_cold_blocks": self.full_cold_blocks,
            "experiment_blocks": dict(self.experiment_blocks),
            "job_seconds": self.mode.job_seconds,
            "warmups": self.mode.warmups,
            "budget_seconds": self.mode.budget_seconds,
            "estimate_seconds": round(self.estimate_seconds, 1),
            "trials": self.trials,
            "reopened": sorted(self.reopened),
            "cases": [{"workload": case.workload.name, "runner": case.runner} for case in self.cases],
        }

    @property
    def rounds(self) -> int:
        """Openings of the steady-state places: never more than there are blocks to measure in them."""
        return max(1, min(self.mode.rounds, self.steady_blocks))


def share(blocks: int, rounds: int, number: int) -> range:
    """The blocks that fall to one of several rounds."""
    return range(blocks * number // rounds, blocks * (number + 1) // rounds)
