"""Step 1, plan: which cases are measured, in which streams, for how long, and in which order within a block.

Everything that could bias a comparison is decided here, before anything is measured, and stored: the seed of every
shuffle, the budget and the precision that is aimed at. Which unit gets the next block is decided while measuring, by
widths and costs alone (:mod:`tare.bench.campaign.scheduler`).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from tare.bench.planning.units import units_of
from tare.results.record import BASE, CONTROL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tare.bench.experiments.base import Experiment
    from tare.bench.measurable import WorkloadKind
    from tare.bench.planning.case import Case, Skip
    from tare.bench.planning.units import Unit
    from tare.bench.request.request import ModeName
    from tare.bench.workloads.base import Workload

T = TypeVar("T")

BASE_VARIANT = "@base"
"""End of a runner's key where it is measured in two variants: the base variant is measured twice."""

PERIOD = 4
"""Numbers of blocks after which what differs between them recurs: in the first half of these the base's second measurement is in
them. An even half of an even number, because a workload's duets and its other blocks may have every other number."""

FEWEST_TO_HALVE = 20
"""Blocks asked for from which on half of them, 10 pairs, are enough for the noise floor."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Plan of a run. :mod:`tare.bench.planning.record` keeps it in the manifest."""

    mode: ModeName
    seed: int
    """Seed of all shuffles."""
    cases: tuple[Case, ...]
    skips: tuple[Skip, ...] = ()
    blocks: int | None = None
    """Blocks of every unit, if so many were asked for. ``None``: the scheduler gives them."""
    precision: float
    """Half-width of the 95 % intervals that is aimed at, relative to the cost."""
    together: bool = False
    """Steady-state workloads are compared with one another, so that one block holds all of them."""
    job_seconds: float
    """Length of a steady-state job on an ordinary core, unless its workload needs a longer one."""
    warmups: bool
    """Precede jobs whose files may have to be loaded first by a short one, marked and not counted."""
    budget_seconds: float
    """Measuring time, after provisioning."""
    estimate_seconds: float
    """Estimated measuring time, to 0.1 s. With a scheduler it is the budget."""
    cheap: frozenset[str] = frozenset()
    """Runner keys whose places are cheap enough to be made anew for every block, so that what varies between
    invocations is sampled as often as what varies between jobs."""
    control_everywhere: bool = False
    """The base's second measurement is in every block, for a calibration, which needs it as often as the others."""
    emulated: frozenset[str] = frozenset()
    """Runner keys whose guests' CPUs are emulated: they cost multiples, and are aimed at less precisely."""
    extended: bool = False
    """Measuring time was added to a run that had ended; not part of the record."""
    more_of: frozenset[str] = frozenset()
    """Names of the units that the added time is for; empty: all. Not part of the record."""

    @property
    def compares_versions(self) -> bool:
        """Tell whether versions are compared: workloads with one another, or variants of runners."""
        return self.together or any(case.runner.endswith(BASE_VARIANT) for case in self.cases)

    def workloads(self, kind: WorkloadKind) -> tuple[Workload, ...]:
        """List the planned workloads of one kind, in the registry's order."""
        planned = (case.workload for case in self.cases)
        return tuple(dict.fromkeys(one for one in planned if one.kind != "experiment" and one.kind == kind))

    def experiments(self) -> tuple[Experiment, ...]:
        """List the planned experiments, in the registry's order."""
        planned = (case.workload for case in self.cases)
        return tuple(dict.fromkeys(one for one in planned if one.kind == "experiment"))

    def units(self) -> tuple[Unit, ...]:
        """Group the cases into units, in the registry's order."""
        return units_of(
            self.cases,
            self.cheap,
            emulated=self.emulated,
            together=self.together,
            counted=self.blocks is not None,
        )

    def order(self, what: str, items: Iterable[T]) -> list[T]:
        """Shuffle ``items`` by the plan's seed and ``what`` is being ordered: the same for every resume."""
        shuffled = list(items)
        random.Random(f"{self.seed}:{what}").shuffle(shuffled)  # noqa: S311 - not a secret
        return shuffled

    def block(self, unit: Unit, number: int) -> list[Case]:
        """List the cases of one block in the order in which they are measured.

        The base's second measurement is in half of them, unless few blocks were asked for: the noise floor is known
        well enough by then, and what is compared gets the time. See :data:`PERIOD`.
        """
        cases = [case for case in unit.cases if self._in_block(case, unit, number)]
        return self.order(f"block {number} of {unit.name}", cases)

    def _in_block(self, case: Case, unit: Unit, number: int) -> bool:
        few = self.blocks is not None and self.blocks < FEWEST_TO_HALVE
        everywhere = self.control_everywhere or few or unit.kind == "experiment"
        return everywhere or not case.control or not unit.compared or number % PERIOD < PERIOD // 2

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
        share = len(kept) / max(len(self.cases), 1) if self.blocks else 1.0
        return replace(self, cases=kept, estimate_seconds=round(self.estimate_seconds * share, 1))
