"""End a run that takes much longer than it was estimated to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

import msgspec

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.bench.planning.plan import Plan


class Deadline(msgspec.Struct):
    """Hold the moment after which no further block begins, for runs in which something hangs or costs far too much.

    Blocks are dropped whole and by time alone, never by what was measured.
    """

    at: float
    """Seconds on ``time.monotonic``'s clock."""
    say: Callable[[str], None]
    """Told which block is the first that is not measured."""
    told: bool = False
    """It has been told: whatever asks next is to end as well, but says nothing new."""

    @classmethod
    def of_plan(cls, plan: Plan, say: Callable[[str], None]) -> Self:
        """Allow twice the estimate or twice the budget, whichever is longer, and 30 s more, from now on."""
        allowed = 2 * max(plan.estimate_seconds, plan.budget_seconds) + 30
        return cls(time.monotonic() + allowed, say)

    def passed(self, before: str) -> bool:
        """Return whether time is up, and if so tell ``before`` which block that stopped the run."""
        if time.monotonic() < self.at:
            return False
        if not self.told:
            self.told = True
            self.say(
                say(
                    "progress.deadline",
                    "time is up (twice what was planned): stopped before {next}; all that was measured counts",
                    next=before,
                )
            )
        return True
