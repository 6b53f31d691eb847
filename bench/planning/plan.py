"""Step 1, plan: which cases are measured, in which order, how often, and how long it will take.

Everything that could bias a comparison is decided here, before anything is measured, and stored: the seed of every
shuffle and the number of blocks. Order and count never look at a result.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tare.results.record import BASE, CONTROL, CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tare.bench.experiments.base import Experiment
    from tare.bench.measurable import WorkloadKind
    from tare.bench.request.request import ModeName
    from tare.bench.workloads.base import Workload
    from tare.results.record import Accelerator

T = TypeVar("T")

BASE_VARIANT = "@base"
"""End of a runner's key where it is measured in two variants: the base variant is measured twice."""


class Refusal(NamedTuple):
    """Reason why something will not be measured, and the remedy."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the matrix: a workload, or an experiment, under a runner."""

    workload: Workload | Experiment
    runner: str
    """Key of the runner, with :data:`tare.results.record.CONTROL_SUFFIX` for its second measurement."""

    @property
    def control(self) -> bool:
        """Tell whether this is the A/A control."""
        return self.runner.endswith(CONTROL_SUFFIX)


@dataclass(frozen=True, slots=True)
class Skip:
    """A case that will not be measured, and why."""

    workload: str
    family: str
    runner: str
    """Label of the runner."""
    accelerator: Accelerator
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one kind of trial, in all rounds together."""

    count: int
    full: int | None = None
    """Blocks that all runners take part in. ``None``: all blocks. In the others only the runners in
    :attr:`Plan.reopened` do: while a block of a slow guest is measured, they fill several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Plan of a run. :mod:`tare.bench.planning.record` keeps it in the manifest."""

    mode: ModeName
    seed: int
    """Seed of all shuffles."""
    cases: tuple[Case, ...]
    skips: tuple[Skip, ...] = ()
    cold: Blocks
    steady: Blocks
    experiment_blocks: Mapping[str, int] = field(default_factory=dict)
    """Experiment → its blocks, in all rounds together."""
    rounds: int
    """Openings of the steady-state places, at least 1 and never more than there are blocks to measure in them."""
    job_seconds: float
    """Length of a steady-state job on an ordinary core."""
    warmups: bool
    """Run every steady-state case once, marked and not counted, in each newly opened place of a round."""
    budget_seconds: float
    """Measuring time that the blocks were fitted into."""
    estimate_seconds: float
    """Estimated measuring time, to 0.1 s."""
    trials: int
    """Trials that the plan leads to, warm-ups included, skips not."""
    reopened: frozenset[str] = frozenset()
    """Runner keys whose steady-state places are cheap enough to be made anew for every block, so that what varies
    between invocations is sampled as often as what varies between jobs."""

    def workloads(self, kind: WorkloadKind) -> tuple[Workload, ...]:
        """List the planned workloads of one kind, in the registry's order."""
        planned = (case.workload for case in self.cases)
        return tuple(dict.fromkeys(one for one in planned if one.kind != "experiment" and one.kind == kind))

    def experiments(self) -> tuple[Experiment, ...]:
        """List the planned experiments, in the registry's order."""
        planned = (case.workload for case in self.cases)
        return tuple(dict.fromkeys(one for one in planned if one.kind == "experiment"))

    def order(self, what: str, items: Iterable[T]) -> list[T]:
        """Shuffle ``items`` by the plan's seed and ``what`` is being ordered: the same for every resume."""
        shuffled = list(items)
        random.Random(f"{self.seed}:{what}").shuffle(shuffled)  # noqa: S311 - not a secret
        return shuffled

    def block(self, workload: Workload | Experiment, number: int) -> list[Case]:
        """List the cases of one block in the order in which they are measured."""
        cases = [case for case in self.cases if case.workload == workload and self._takes_part(case, number)]
        return self.order(f"block {number} of {workload.name}", cases)

    def _takes_part(self, case: Case, number: int) -> bool:
        """Tell whether a case is measured in a block; the full blocks come first in every round.

        So guests' places are not kept open for longer than they are used.
        """
        kind = case.workload.kind
        if kind == "experiment" or case.runner in self.reopened:
            return True
        blocks = self.cold if kind == "cold" else self.steady
        if blocks.full is None:
            return True
        rounds = (share(blocks.count, self.rounds, i) for i in range(self.rounds))
        start = next(own.start for own in rounds if number in own)
        return number - start < max(1, blocks.full // self.rounds)

    def round_of(self, number: int) -> range:
        """Pick the steady-state blocks of a round: as equal shares as whole blocks allow."""
        return share(self.steady.count, self.rounds, number)

    def restricted(self, wanted: Collection[tuple[str, str]]) -> Plan:
        """Keep only some of the cases, each (workload, runner key).

        Ratios need the base beside each, and the control beside the base, so these stay.
        """
        workloads = {name for name, _ in wanted}
        kept = tuple(
            case
            for case in self.cases
            if case.workload.name in workloads
            and (case.runner in {BASE, CONTROL} or (case.workload.name, case.runner) in wanted)
        )
        skips = tuple(skip for skip in self.skips if skip.workload in workloads)
        return replace(self._with_cases(kept), skips=skips)

    def without(self, unwanted: Collection[tuple[str, str]]) -> Plan:
        """Leave out some of the cases, each (workload, runner key)."""
        kept = (case for case in self.cases if (case.workload.name, case.runner) not in unwanted)
        return self._with_cases(tuple(kept))

    def _with_cases(self, kept: tuple[Case, ...]) -> Plan:
        share = len(kept) / max(len(self.cases), 1)
        experiments = dict.fromkeys(one.workload.name for one in kept if one.workload.kind == "experiment")
        return replace(
            self,
            cases=kept,
            experiment_blocks={name: self.experiment_blocks[name] for name in experiments},
            estimate_seconds=round(self.estimate_seconds * share, 1),
            trials=round(self.trials * share),
        )


def share(blocks: int, rounds: int, number: int) -> range:
    """Pick the blocks that fall to one of several rounds."""
    return range(blocks * number // rounds, blocks * (number + 1) // rounds)
