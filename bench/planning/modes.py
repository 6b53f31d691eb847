"""Define the modes of a run: how long, how precise, with or without warm-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tare.bench.measurable import Measurable
    from tare.bench.request.request import ModeName

JOB_SECONDS = 0.05
"""Length of a steady-state job on an ordinary core, unless the workload needs a longer one: many short jobs tell more than
few long ones, since what varies from job to job does not shrink with their length."""


FEWEST_BLOCKS = 3
"""Fewest blocks that give an interval."""


class Mode(msgspec.Struct, frozen=True):
    """Thoroughness of a run: its budget, and what it aims at."""

    name: ModeName
    budget_seconds: float
    """Seconds of measuring, after provisioning."""
    precision: float
    """Half-width of the 95 % intervals that is aimed at, relative to the cost."""
    warmups: bool = True
    """Precede jobs whose files may have to be loaded first by a short one, marked and not counted."""
    job_seconds: float = JOB_SECONDS
    """Length of a steady-state job; where it is shorter than usual, those of workloads that need longer ones are, too."""
    pilot_blocks: int = FEWEST_BLOCKS
    """Blocks of each cheap workload before the scheduler compares anything, however long they take."""
    pilot_duets: int = 20
    """The same of duets, and the fewest that may be enough: they are cheap, and ten of them can be narrow by luck."""
    experiment_share: float = 0.2
    """Part of the budget for experiments, if anything else is measured; each is performed once anyway."""


WARMUP_SHARE = 0.1
"""Length of a warm-up job relative to a measured one: loading programs and files does not take longer in long jobs."""

PRECISE_SHARE = 4
"""Threshold over the half-width that is aimed at where versions are compared: so narrow an interval shows equality, and
differences from one and a half times the threshold on."""

FULL_BLOCKS = 45
"""Blocks of each cheap workload before the scheduler compares anything, where they take little of the budget: with fewer,
no difference of the default threshold is called."""

FIRST_SHARE = 0.25
"""Part of the budget in which every cheap workload gets an equal part, before the scheduler compares anything."""

EMULATED_BLOCKS = 5
"""Blocks of each workload in one opening of an emulated guest: with three or four, an interval is often too wide even for
costs of several times, since so few may depend on each other."""

_EMULATED_SHARE, _MOST_EMULATED_SHARE = 0.25, 0.4
"""Part of the budget for a guest whose CPU is emulated, and for several of them together."""

EMULATED_QUICKLY = ("null", "cpu", "syscall")
"""Names of what a quick run measures where CPUs are emulated: the others would take half of it, and be undecided."""

EMULATED_IF_NAMED = ("neighbours", "services")
"""Families of what no run measures where CPUs are emulated unless ``-k`` says so: a tenth of a default run for each, which
would tell about emulation only."""

FILL_SHARE = 0.5
"""Seconds of measuring cheap runners for each second that an emulated guest was measured, while its places are open."""

LEAST_OPENINGS = 6
"""Least number of openings for a 95 % interval, where several blocks share an opening and openings are the units."""

MODES: dict[ModeName, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            "quick",
            budget_seconds=43,
            precision=0.01,
            warmups=False,
            job_seconds=JOB_SECONDS / 2,
            pilot_blocks=1,
            pilot_duets=1,
        ),
        Mode("default", budget_seconds=550, precision=0.01),
        Mode("rigorous", budget_seconds=3000, precision=0.005),
    )
}


def emulated_share(guests: int) -> float:
    """Return the part of the budget for so many guests whose CPUs are emulated, if anything else is measured.

    Each of their workloads is measured once anyway.
    """
    return min(_EMULATED_SHARE * guests, _MOST_EMULATED_SHARE)


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
