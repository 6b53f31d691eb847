"""Define the cell of the matrix, and what is left out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tare.results.record import CONTROL_SUFFIX

if TYPE_CHECKING:
    from tare.bench.experiments.base import Experiment
    from tare.bench.workloads.base import Workload
    from tare.results.record import Accelerator


class Refusal(NamedTuple):
    """Reason why something will not be measured, and the remedy."""

    reason: str
    remedy: str


class Case(msgspec.Struct, frozen=True):
    """One cell of the matrix: a workload, or an experiment, under a runner."""

    workload: Workload | Experiment
    runner: str
    """Key of the runner, with :data:`tare.results.record.CONTROL_SUFFIX` for its second measurement."""

    @property
    def control(self) -> bool:
        """Tell whether this is the A/A control."""
        return self.runner.endswith(CONTROL_SUFFIX)


class Skip(msgspec.Struct, frozen=True):
    """A case that will not be measured, and why."""

    workload: str
    family: str
    runner: str
    """Label of the runner."""
    accelerator: Accelerator
    reason: str
    remedy: str
