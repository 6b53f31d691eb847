"""Name the trials that a block consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

    from tare.bench.planning.case import Case
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Unit


class Slot(msgspec.Struct, frozen=True):
    """One trial that is about to be measured."""

    case: Case
    block: int
    """Number of the block, from 0, unique within the workload."""
    position: int
    """Place in the block's shuffled order, from 0."""
    stream: str = ""
    """See :attr:`tare.bench.planning.units.Unit.stream`."""
    warmup: bool = False
    duet: bool = False
    """See :attr:`tare.bench.planning.units.Unit.duet`."""


def slots(plan: Plan, unit: Unit, block: int, done: Collection[tuple[str, str]] = ()) -> list[Slot]:
    """List the trials of a block in the order in which they are measured.

    Args:
        plan: shuffles the order.
        unit: what is measured.
        block: number of the block.
        done: workload and runner key of those that a resumed run has already.
    """
    return [
        Slot(case, block, position, unit.stream, duet=unit.duet)
        for position, case in enumerate(plan.block(unit, block))
        if (case.workload.name, case.runner) not in done
    ]
