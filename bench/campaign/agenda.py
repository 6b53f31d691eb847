"""Decide which unit's turn it is, and when the run is over."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import msgspec

from tare.bench.campaign.scheduler import (
    PRESUMED_BLOCKS,
    PRESUMED_DUETS,
    PRESUMED_PRECISION,
    Candidate,
    choose,
)
from tare.bench.campaign.time_left import FUTURES, futures, likeliest, shuffled
from tare.bench.planning.modes import (
    EMULATED_BLOCKS,
    FEWEST_BLOCKS,
    FIRST_SHARE,
    FULL_BLOCKS,
    LEAST_OPENINGS,
    MODES,
    emulated_share,
)
from tare.results.record import Course

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tare.bench.campaign.ledger import Account, Ledger
    from tare.bench.measurable import Kind
    from tare.bench.planning.estimates import Estimates
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Unit
    from tare.results.record import Ending

_UNHINDERED: frozenset[Kind] = frozenset({"steady", "cold", "experiment"})
_MOST_HALVINGS = 5
"""How often an extension halves the half-width that is aimed at, at most: there may be no noise at all."""
_SPENT_SECONDS = 0.005
"""Time left that is none."""


class Agenda(msgspec.Struct):
    """Give units their turns: by the scheduler, or in rotation where a number of blocks was asked for."""

    plan: Plan
    ledger: Ledger
    estimates: Estimates
    """What blocks cost on this host before, for units that have none yet."""
    used_before: float = 0.0
    """Seconds of the budget that were used before a resumed run went on."""
    now: Callable[[], float] = time.monotonic
    ended: Ending = "budget"
    """Why there is no next unit, once :meth:`next` has said so."""
    aim: float = 0.0
    """Half-width that is aimed at: the plan's, or a finer one in an extended run that has reached it."""
    _began: float = -1.0
    _order: tuple[Unit, ...] = ()
    _before: dict[Unit, float] = msgspec.field(default_factory=dict)
    """Seconds that each unit of an extension had had before it."""
    _foreseen: dict[Unit, tuple[int, tuple[int, ...]]] = msgspec.field(default_factory=dict)
    """Unit → its blocks, and what :meth:`_futures` returned with so many."""

    def __post_init__(self) -> None:
        """Aim at what the plan says, until measuring begins."""
        self.aim = self.plan.precision

    def begin(self) -> None:
        """Start the clock that the budget is measured by."""
        self._began = self.now()
        more_of, accounts = self.plan.more_of, self.ledger.accounts
        self._order = tuple(
            unit
            for unit in self.plan.order("units", self.plan.units())
            if not more_of or unit.name in more_of
        )
        self._before = {unit: accounts[unit].seconds for unit in self._order}
        for _ in range(_MOST_HALVINGS if self.plan.extended and not more_of else 0):
            if any(not self._over(accounts[unit]) for unit in self._order):
                break
            self.aim /= 2

    @property
    def used_seconds(self) -> float:
        """Seconds of the budget that are used."""
        return self.used_before + (self.now() - self._began if self._began >= 0 else 0.0)

    @property
    def budget_left(self) -> float:
        """Seconds of the budget that are not used; not negative."""
        return max(0.0, self.plan.budget_seconds - self.used_seconds)

    def next(self, kinds: Collection[Kind] = _UNHINDERED, *, visits: bool = True) -> Unit | None:
        """Pick the unit that is measured next; ``None`` if nothing is worth the time left.

        Args:
            kinds: those that can be measured now.
            visits: units whose places would have to be opened for several blocks can be, too.
        """
        if self.plan.blocks is not None:
            return self._in_rotation(self.plan.blocks, kinds)
        left = self.budget_left
        units = [one for one in self._order if one.kind in kinds and (visits or not one.visiting)]
        open_ = [unit for unit in units if not self._over(self.ledger.accounts[unit])]
        affordable = [unit for unit in open_ if self._affordable(self.ledger.accounts[unit], left)]
        chosen = self._chosen(affordable, left)
        if chosen is None and visits and kinds == _UNHINDERED:
            self.ended = "budget" if open_ else self._why_over()
        return chosen

    def _chosen(self, affordable: Sequence[Unit], left: float) -> Unit | None:
        """Pick an emulated unit as long as they are behind their share of the time, else by the scheduler.

        Everything else gets its first blocks before: what an interruption or a slow guest leaves has them all.
        """
        accounts = self.ledger.accounts
        if self.plan.more_of:
            return min(affordable, key=lambda unit: accounts[unit].seconds - self._before[unit], default=None)
        slow = [unit for unit in affordable if unit.emulated]
        others = [unit for unit in affordable if unit not in slow]
        candidates = [self._candidate(unit) for unit in others]
        begun = all(one.blocks >= one.least for one in candidates)
        # What takes one start comes before openings that hold all workloads and take minutes.
        next_slow = min(
            slow,
            key=lambda one: (self._has_first(one), one.visiting, accounts[one].blocks),
            default=None,
        )
        if next_slow is None or (others and not (begun and self._behind(next_slow))):
            chosen = choose(candidates, left)
            return next(unit for unit in others if unit.name == chosen.name) if chosen else None
        return next_slow

    def _behind(self, unit: Unit) -> bool:
        """Tell whether a unit of an emulated guest has its turn: first always, then within the share of all of them."""
        if not self._has_first(unit):
            return True
        spent, share = self._emulated()
        whole = spent + self._block_seconds(unit) + self.estimates.visit(unit)
        return spent <= share * self.used_seconds and whole <= share * self.plan.budget_seconds

    def _has_first(self, unit: Unit) -> bool:
        """Tell whether a unit of an emulated guest has what it gets in any case."""
        return self.ledger.accounts[unit].blocks >= (FEWEST_BLOCKS if unit.kind == "cold" else 1)

    def _emulated(self) -> tuple[float, float]:
        """Return the seconds that emulated guests have taken, and their share of the budget."""
        slow = [one for one in self.ledger.accounts.values() if one.unit.emulated]
        return sum(one.seconds for one in slow), emulated_share(len({one.unit.stream for one in slow}))

    def leaves(self, first: Unit) -> bool:
        """Tell whether a visit ends early: the budget is spent, or the guest's share is and it has an interval anyway."""
        if self.plan.blocks is not None:
            return False
        if not self.budget_left or self.plan.more_of:
            return not self.budget_left
        blocks = min(self.ledger.accounts[unit].blocks for unit in self._sharing(first))
        spent, share = self._emulated()
        return first.emulated and blocks >= FEWEST_BLOCKS and spent > share * self.plan.budget_seconds

    def visit(self, first: Unit) -> list[Unit]:
        """List the units that share an opening of the places of ``first``, each as often as it is measured in it."""
        accounts = self.ledger.accounts
        if self.plan.blocks is not None:
            each = math.ceil(self.plan.blocks / LEAST_OPENINGS)
            return [
                unit
                for unit in self._sharing(first)
                for _ in range(min(each, self.plan.blocks - accounts[unit].blocks))
            ]
        sharing = [unit for unit in self._sharing(first) if not self._over(accounts[unit])]
        block = sum(self._block_seconds(unit) for unit in sharing)
        if first.emulated:
            # Few visits fit into their share, and laying out files and loading programs takes as long as a block.
            return sharing * EMULATED_BLOCKS
        # As many blocks as balance the cost of an opening with theirs, if openings vary about as much as blocks.
        passes = max(1, round(math.sqrt(self.estimates.visit(first) / block))) if block else 1
        return sharing * passes

    def course(self) -> Course:
        """Sum up how the run used its budget, and why it ended."""
        return Course(
            ended=self.ended, used_seconds=round(self.used_seconds, 3), streams=self.ledger.streams()
        )

    def seconds_left(self) -> float:
        """Estimate how long the run will go on, from what blocks have cost."""
        if self.plan.blocks is not None:
            return sum(
                max(0, self._wanted(unit, self.plan.blocks) - account.blocks) * self._block_seconds(unit)
                for unit, account in self.ledger.accounts.items()
            )
        left = self.budget_left
        if self.plan.more_of:
            return left
        own, shared = [0.0] * FUTURES, [0.0] * FUTURES
        for number, (unit, account) in enumerate(self.ledger.accounts.items()):
            if not self._over(account):
                totals, seconds = shared if unit.shares_budget else own, self._block_seconds(unit)
                for i, blocks in enumerate(shuffled(self._futures(account), number)):
                    totals[i] += (blocks - account.blocks) * seconds
        spent, share = self._shared()
        room = max(0.0, share - spent)
        needed = likeliest(
            min(left, alone + min(within, room)) for alone, within in zip(own, shared, strict=True)
        )
        return max(needed, self._first_seconds())

    def _futures(self, account: Account) -> tuple[int, ...]:
        """List the numbers of blocks with which a unit may end; see :func:`futures`."""
        known = self._foreseen.get(account.unit)
        if known is None or known[0] != account.blocks:
            most = account.unit.most_blocks
            single = (
                math.sqrt(_presumed(account.unit)) * math.log1p(PRESUMED_PRECISION) / math.log1p(self.aim)
            )
            ends = futures(account.spreads(self.aim), single, account.blocks, account.fewest)
            known = account.blocks, ends if most is None else tuple(min(one, most) for one in ends)
            self._foreseen[account.unit] = known
        return known[1]

    def _first_seconds(self) -> float:
        """Estimate the first blocks of units that have none, which are measured whatever is left of the budget."""
        units = [unit for unit, account in self.ledger.accounts.items() if not account.blocks]
        visits = {unit.stream: self.estimates.visit(unit) for unit in units}
        return sum(self._block_seconds(unit) for unit in units) + sum(visits.values())

    def _in_rotation(self, blocks: int, kinds: Collection[Kind]) -> Unit | None:
        accounts = self.ledger.accounts
        rest = [
            unit
            for unit in self._order
            if unit.kind in kinds and accounts[unit].blocks < self._wanted(unit, blocks)
        ]
        if not rest:
            self.ended = "counted"
        return min(rest, key=lambda unit: accounts[unit].blocks / self._wanted(unit, blocks), default=None)

    def _sharing(self, first: Unit) -> Sequence[Unit]:
        sharing = [one for one in self._order if one.visiting and one.stream == first.stream]
        rest = self.plan.order(f"visit {self.ledger.next_block(first)} of {first.name}", sharing)
        return [first, *(unit for unit in rest if unit != first)]

    def _candidate(self, unit: Unit) -> Candidate:
        account, seconds = self.ledger.accounts[unit], self._block_seconds(unit)
        least = 1
        if not (unit.visiting or unit.kind == "experiment" or unit.stream):
            # An equal part of the first part of the budget, but no more blocks than show a difference of the threshold's size.
            cheap = sum(not one.emulated for one in self._order)
            part = FIRST_SHARE * self.plan.budget_seconds / max(cheap, 1)
            pilot = max(MODES[self.plan.mode].pilot_blocks, account.fewest)
            least = max(pilot, min(FULL_BLOCKS, int(part / seconds))) if seconds else pilot
        now, later = account.ratios(self.aim), account.later_ratios(self.aim)
        return Candidate(unit.name, now, account.blocks, seconds, least, _presumed(unit), later)

    def _block_seconds(self, unit: Unit) -> float:
        account = self.ledger.accounts[unit]
        return account.block_seconds or self.estimates.block(unit, self.plan.job_seconds)

    def _wanted(self, unit: Unit, blocks: int) -> int:
        return min(blocks, unit.most_blocks or blocks)

    def _over(self, account: Account) -> bool:
        """Tell whether a unit needs no more blocks, or would get nothing out of them."""
        if self.plan.more_of:  # It was asked for by name, whatever it has had.
            return account.barren
        most = account.unit.most_blocks
        return (most is not None and account.blocks >= most) or account.barren or account.decided(self.aim)

    def _affordable(self, account: Account, left: float) -> bool:
        """Tell whether the next block fits into what is left, at least half of it; the first is measured anyway."""
        if not account.blocks:
            return True
        unit = account.unit
        seconds = self._block_seconds(unit) + (self.estimates.visit(unit) if unit.visiting else 0.0)
        if left <= _SPENT_SECONDS or seconds / 2 > left:
            return False
        return not unit.shares_budget or bool(self.plan.more_of) or self._within_share(seconds)

    def _within_share(self, seconds: float) -> bool:
        """Tell whether the experiments stay within their share of the budget."""
        spent, share = self._shared()
        return spent + seconds <= share

    def _shared(self) -> tuple[float, float]:
        """Return the seconds that experiments have taken, and their share of the budget."""
        accounts = self.ledger.accounts.values()
        spent = sum(account.seconds for account in accounts if account.unit.shares_budget)
        if all(account.unit.shares_budget for account in accounts):
            return spent, math.inf
        return spent, MODES[self.plan.mode].experiment_share * self.plan.budget_seconds

    def _why_over(self) -> Ending:
        accounts = self.ledger.accounts.values()
        return "decided" if all(one.decided(self.aim) for one in accounts) else "exhausted"


def _presumed(unit: Unit) -> int:
    """Return the blocks that a unit's answers are presumed to need as long as nothing is known of them."""
    return PRESUMED_DUETS if unit.duet else PRESUMED_BLOCKS
