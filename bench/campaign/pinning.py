"""Keep the jobs of a block on one CPU.

What a neighbour of the virtual machine or of the core does slows down one CPU at a time: jobs of one block that run on different
CPUs differ by that, and a job that moves between them even from itself.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tare.bench.measurable import allowed_cpus
from tare.bench.planning.plan import PERIOD
from tare.results.said import say
from tare.runners.errors import PlaceFailure, TareError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.bench.campaign.slots import Slot
    from tare.bench.workloads.base import Workload
    from tare.results.environment import Limits
    from tare.runners.model import Place


def block_cpus(slot: Slot, limits: Limits) -> frozenset[int]:
    """Return the CPUs that the jobs of a block are kept on: one, or all for a workload that uses all.

    Every :data:`PERIOD` blocks have the next CPU of those that the limits allow, so that none of them has a say in all blocks, nor in all
    that hold the base's second measurement, nor in all of a workload's duets, which may have every other number.
    """
    allowed = sorted(allowed_cpus(limits))
    if cast("Workload", slot.case.workload).duet == "all":
        return frozenset(allowed)
    return frozenset({allowed[slot.block // PERIOD % len(allowed)]})


def pin(place: Place, cpus: frozenset[int]) -> None:
    """Let a place's agent, whose jobs inherit it, run on these CPUs alone.

    Raises:
        PlaceFailure: the agent is not visible from outside.
        OSError: the kernel refuses.
    """
    agent = place.vantage.agent_pid or place.vantage.top_pid
    if place.vantage.vmm or not agent:
        raise PlaceFailure(say("duet.not_pinned", "its jobs cannot be pinned to a CPU from outside."))
    for thread in Path(f"/proc/{agent}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cpus)


def pin_alike(places: Sequence[Place], cpus: frozenset[int], allowed: frozenset[int]) -> bool:
    """Pin all places, or none where one of them cannot be; return whether they are.

    Args:
        places: the places of a block.
        cpus: the CPUs that their jobs are kept on.
        allowed: what they are given back where one cannot be pinned.
    """
    try:
        for place in places:
            pin(place, cpus)
    except (TareError, OSError):
        for place in places:
            with suppress(TareError, OSError):
                pin(place, allowed)
        return False
    return True
