"""Group the cases of a plan into units: what is measured together in one block.

Runners whose places are cheap to make are one stream: each of their blocks holds all of them. Every costly runner (a
guest, an engine whose places take long to make) is a stream of its own, whose blocks hold the base and that runner, so
that a slow one holds back nobody. A unit is a workload in a stream; only its blocks are compared with one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import msgspec
from msgspec.structs import replace

from tare.results.record import BASE, CONTROL, CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tare.bench.experiments.base import Experiment
    from tare.bench.measurable import Kind
    from tare.bench.planning.case import Case
    from tare.bench.workloads.base import Workload

Judged = Literal["time", "cpu"]
"""The two answers of each comparison: by the primary metric, and by CPU time."""

SHARED = ""
"""Name of the stream of all cheap runners; of all runners where the number of blocks was asked for."""

EMULATED_LOOSENESS = 10.0
"""Half-widths of comparisons with an emulated guest are aimed at so many times as wide."""
COLD_LOOSENESS = 3.0
"""Half-widths of comparisons of cold starts are aimed at so many times as wide."""


class Unit(msgspec.Struct, frozen=True):
    """Cases that are measured together: a block is one trial of each, in shuffled order."""

    stream: str
    """:data:`SHARED`, or the key of the costly runner."""
    cases: tuple[Case, ...]
    kept: frozenset[str] = frozenset()
    """Runner keys among the cases whose steady-state places stay open over several blocks; the others' are made anew
    for each."""
    emulated: bool = False
    """A guest's CPU is emulated."""
    duet: bool = False
    """The jobs of a block run at the same time on one CPU, for their CPU time alone."""
    answers: frozenset[Judged] = frozenset({"time", "cpu"})
    """Answers that its blocks are for: where there are duets, CPU is theirs and the other unit's is time."""

    @property
    def workloads(self) -> tuple[Workload | Experiment, ...]:
        """List the workloads: one, or those that are compared with one another."""
        return tuple(dict.fromkeys(case.workload for case in self.cases))

    @property
    def kind(self) -> Kind:
        """Way of measuring, which all of its workloads share."""
        return self.cases[0].workload.kind

    @property
    def group(self) -> str:
        """Name the workloads; blocks are numbered within it, over all streams."""
        return "+".join(one.name for one in self.workloads)

    @property
    def name(self) -> str:
        """Name the unit among all of a plan."""
        name = f"{self.group}@{self.stream}" if self.stream else self.group
        return f"{name} (duet)" if self.duet else name

    @property
    def has_duet(self) -> bool:
        """Tell whether another unit measures the CPU time of the same cases as duets."""
        return self.answers == {"time"}

    @property
    def visiting(self) -> bool:
        """Tell whether its places stay open over several blocks."""
        return self.kind == "steady" and bool(self.kept)

    @property
    def looseness(self) -> float:
        """Return the factor by which the half-width that is aimed at is wider than the plan's.

        It depends on what is measured alone and is known before anything is: emulated guests cost multiples, and so does
        the start of a place beside that of a process.
        """
        if self.emulated:
            return EMULATED_LOOSENESS
        return COLD_LOOSENESS if self.kind == "cold" else 1.0

    @property
    def compared(self) -> bool:
        """Tell whether anything but the base and its second measurement is in it."""
        return any(case.runner not in {BASE, CONTROL} for case in self.cases) or len(self.workloads) > 1

    @property
    def shares_budget(self) -> bool:
        """Tell whether it belongs to those that together get a part of the budget."""
        return any(one.kind == "experiment" and one.shares_budget for one in self.workloads)

    @property
    def most_blocks(self) -> int | None:
        """Blocks beyond which more of them say nothing more. ``None``: no such bound."""
        bounds = [one.most_blocks for one in self.workloads if one.most_blocks is not None]
        return min(bounds, default=None)


def units_of(
    cases: Sequence[Case],
    cheap: Collection[str],
    *,
    emulated: Collection[str] = (),
    together: bool,
    counted: bool,
) -> tuple[Unit, ...]:
    """Group the cases.

    Args:
        cases: those of a plan, in the registry's order.
        cheap: keys of runners whose places are cheap to make.
        emulated: keys of runners whose guests' CPUs are emulated.
        together: all steady-state workloads are compared with one another.
        counted: a number of blocks was asked for; then one stream holds all runners, so that each has as many.
    """
    return tuple(
        replace(each, emulated=any(case.runner in emulated for case in unit.cases))
        for group in _groups(cases, together=together)
        for unit in _streams(group, cheap, counted=counted)
        for each in ((unit,) if counted else _with_duet(unit))
    )


def _with_duet(unit: Unit) -> tuple[Unit, ...]:
    """Split a unit of cheap steady-state places that are compared into one for time and one for CPU."""
    if unit.kind != "steady" or unit.kept or not unit.compared:
        return (unit,)
    if not all(cast("Workload", one).duet for one in unit.workloads):
        return (unit,)
    return replace(unit, answers=frozenset({"time"})), replace(unit, duet=True, answers=frozenset({"cpu"}))


def plain(key: str) -> str:
    """Strip a runner's key of its variant and of the mark of a second measurement."""
    return key.removesuffix(CONTROL_SUFFIX).partition("@")[0]


def _groups(cases: Iterable[Case], *, together: bool) -> list[list[Case]]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        one = case.workload
        groups.setdefault("steady" if together and one.kind == "steady" else f"={one.name}", []).append(case)
    return list(groups.values())


def _streams(cases: Sequence[Case], cheap: Collection[str], *, counted: bool) -> list[Unit]:
    costly = dict.fromkeys(plain(case.runner) for case in cases if case.runner not in cheap)
    kept = frozenset(case.runner for case in cases if case.runner not in cheap)
    if counted or not costly:
        return [Unit(SHARED, tuple(cases), kept)]
    shared = [case for case in cases if case.runner in cheap]
    compared = len({case.workload for case in cases}) > 1 or "@" in cases[0].runner
    base = [] if compared else [case for case in shared if case.runner == BASE]
    units = []
    if all(case.runner in {BASE, CONTROL} for case in shared) and not compared:
        base = shared  # Nothing is compared with the base among the cheap: its control belongs where something is.
    elif shared:
        units.append(Unit(SHARED, tuple(shared)))
    for key in costly:
        own = [case for case in cases if plain(case.runner) == key]
        units.append(Unit(key, (*base, *own), frozenset(case.runner for case in own)))
    return units
