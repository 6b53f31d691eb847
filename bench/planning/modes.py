"""Define the modes of a run: how long, how precise, with or without warm-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tare.bench.measurable import Measurable
    from tare.bench.request.request import ModeName


@dataclass(frozen=True, slots=True)
class Mode:
    """Thoroughness of a run: its budget, and what it aims at."""

    name: ModeName
    budget_seconds: float
    """Seconds of measuring, after provisioning."""
    precision: float
    """Half-width of the 95 % intervals that is aimed at, relative to the cost."""
    warmups: bool = True
    """Precede jobs whose files may have to be loaded first by a short one, marked and not counted."""
    experiment_share: float = 0.2
    """Part of the budget for experiments, if anything else is measured; each is performed once anyway."""


JOB_SECONDS = 0.05
"""Length of a steady-state job on an ordinary core, unless the workload needs a longer one: many short jobs tell more than
few long ones, since what varies from job to job does not shrink with their length."""

WARMUP_SHARE = 0.1
"""Length of a warm-up job relative to a measured one: loading programs and files does not take longer in long jobs."""

PILOT_BLOCKS = 3
"""Blocks of each cheap workload before the scheduler compares anything."""

LEAST_OPENINGS = 6
"""Least number of openings for a 95 % interval, where several blocks share an opening and openings are the units."""

MODES: dict[ModeName, Mode] = {
    mode.name: mode
    for mode in (
        Mode("quick", budget_seconds=42, precision=0.01, warmups=False),
        Mode("default", budget_seconds=550, precision=0.01),
        Mode("rigorous", budget_seconds=3000, precision=0.005),
    )
}


def is_planned(measurable: Measurable, mode: ModeName, *, named: bool) -> bool:
    """Tell whether a run measures something: what ``-k`` names in any mode, the rest from its ``from_mode`` on.

    Args:
        measurable: workload or experiment.
        mode: mode of the run.
        named: ``-k`` has its name or its family.
    """
    order = list(MODES)
    return named or (
        measurable.from_mode != "named" and order.index(measurable.from_mode) <= order.index(mode)
    )
