"""List the trials of a plan that are still to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.campaign.stopping import EVERY_BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.bench.campaign.stopping import Stopping
    from tare.bench.experiments.base import Experiment
    from tare.bench.measurable import WorkloadKind
    from tare.bench.planning.plan import Case, Plan
    from tare.bench.workloads.base import Workload
    from tare.results.record import Trial

SlotKey = tuple[str, str, int, bool]
"""Workload, runner key, block, warm-up: names one trial of a plan."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One trial of the plan that has not been measured yet."""

    case: Case
    block: int
    """Pass over the cases, from 0."""
    position: int
    """Place in the block's shuffled order, from 0."""
    warmup: bool = False

    @property
    def key(self) -> SlotKey:
        """Name the slot among all of its plan."""
        return self.case.workload.name, self.case.runner, self.block, self.warmup


@dataclass(frozen=True, slots=True)
class Remaining:
    """The plan, without what a resumed run has already and without what has been measured precisely enough."""

    plan: Plan
    done: frozenset[SlotKey] = frozenset()
    """Slots that a resumed run has trials of."""
    stopping: Stopping = EVERY_BLOCK

    def slots(self, workload: Workload | Experiment, block: int, *, warmup: bool = False) -> list[Slot]:
        """List the slots of one block of a workload, in the order in which they are measured."""
        order = enumerate(self.plan.block(workload, block))
        slots = (Slot(case, block, position, warmup) for position, case in order)
        return [slot for slot in slots if slot.key not in self.done]

    def workloads(self, kind: WorkloadKind, block: int) -> tuple[Workload, ...]:
        """List the workloads of one kind that need ``block``, in the registry's order."""
        return self.wanted(self.plan.workloads(kind), block)

    def wanted(self, workloads: Iterable[Workload], block: int) -> tuple[Workload, ...]:
        """Leave out the workloads that are precise enough after the blocks before ``block``."""
        return tuple(one for one in workloads if not self.stopping.enough(one.name, block))


def done_slots(trials: Iterable[Trial], keys: Mapping[str, str]) -> frozenset[SlotKey]:
    """List the slots that a run has trials of already.

    Args:
        trials: the stored ones; skips that were planned are no slots.
        keys: runner label → runner key.
    """
    return frozenset(
        (trial.workload, keys.get(trial.runner, trial.runner), trial.block, trial.warmup)
        for trial in trials
        if trial.block >= 0
    )
