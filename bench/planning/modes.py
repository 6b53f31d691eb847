"""Define the modes of a run: how long, how often, with or without warm-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tare.bench.request.request import ModeName


@dataclass(frozen=True, slots=True)
class Mode:
    """Thoroughness of a run: its budget and the bounds of its blocks."""

    name: ModeName
    budget_seconds: float
    """Seconds of measuring that the number of blocks is fitted into."""
    rounds: int
    """Openings of the steady-state places: what varies between invocations shows only in several."""
    job_seconds: float
    """Length of a steady-state job on an ordinary core."""
    least_blocks: int
    """Blocks that are measured even if they exceed the budget."""
    most_blocks: int
    """Blocks at most, except for cold starts of cheap places."""
    most_cold_blocks: int
    """Cold starts of cheap places at most: a few seconds buy the many that small differences need."""
    cold_share: float = 0.35
    """Part of the budget for cold starts, if steady-state workloads are measured as well."""
    warmups: bool = True
    """Run every steady-state case once, marked and not counted, in each newly opened place of a round."""
    experiment_share: float = 0.2
    """Part of the budget for experiments, if anything else is measured; each has its least blocks anyway."""


WARMUP_SHARE = 0.1
"""Length of a warm-up job relative to a measured one: loading programs and files does not take longer in long jobs."""


MODES: dict[ModeName, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            "quick",
            budget_seconds=45,
            rounds=1,
            job_seconds=0.05,
            least_blocks=3,
            most_blocks=5,
            most_cold_blocks=20,
            cold_share=0.2,
            warmups=False,
        ),
        Mode(
            "default",
            budget_seconds=600,
            rounds=5,
            job_seconds=0.4,
            least_blocks=5,
            most_blocks=15,
            most_cold_blocks=300,
        ),
        Mode(
            "rigorous",
            budget_seconds=3000,
            rounds=8,
            job_seconds=1.0,
            least_blocks=8,
            most_blocks=64,
            most_cold_blocks=600,
        ),
    )
}


LEAST_OPENINGS = 6
"""Least number of openings for a 95 % interval, where several blocks share an opening and openings are the units."""
