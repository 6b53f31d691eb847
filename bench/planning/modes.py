"""The modes of a run: how long, how often, with or without warm-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tare.bench.request.request import ModeName


@dataclass(frozen=True, slots=True)
class Mode:
    """How thoroughly to measure."""

    name: ModeName
    budget_seconds: float
    """Measuring time that the number of blocks is fitted into."""
    rounds: int
    """How often the steady-state places are made anew: what varies between invocations needs several."""
    job_seconds: float
    least_blocks: int
    most_blocks: int
    most_cold_blocks: int
    """Cold starts of places that are cheap to make: seconds buy what small differences need."""
    cold_share: float = 0.35
    """Part of the budget that goes to cold starts, if both kinds are measured."""
    warmups: bool = True
    """Run every steady-state case once, marked and not counted, in each newly opened place of a round."""
    experiment_share: float = 0.2
    """Part of the budget that goes to experiments, if anything else is measured; each has its least blocks anyway."""


WARMUP_SHARE = 0.1
"""Length of a warm-up job, relative to a measured one: it loads programs and files, which length does not matter to."""


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
"""Where several blocks share an opening, openings are the units, and fewer of them have no interval at 95 %."""
