"""List everything that can be measured: workloads and experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.experiments import EXPERIMENTS
from tare.bench.workloads import WORKLOADS

if TYPE_CHECKING:
    from tare.bench.experiments.base import Experiment
    from tare.bench.workloads.base import Workload

MEASURABLE: tuple[Workload | Experiment, ...] = (*WORKLOADS, *EXPERIMENTS)
"""Workloads, then experiments, in the order of the reports."""


def by_name(name: str) -> Workload | Experiment:
    """Return the workload or experiment of that name; raise ``KeyError`` if there is none."""
    return {measurable.name: measurable for measurable in MEASURABLE}[name]
