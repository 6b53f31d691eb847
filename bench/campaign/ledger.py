"""Keep account of a run: what each unit has had, what it cost, and how precise it is.

Everything in it comes from the stored trials, so that a resumed run goes on with the same account.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from tare.bench.campaign.precision import Precision
from tare.bench.campaign.scheduler import reached
from tare.bench.planning.modes import MODES, PRECISE_SHARE
from tare.results.record import StreamTime
from tare.results.statistics.lasting import rounds_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.bench.campaign.precision import Spread
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Unit
    from tare.results.record import Trial

BARREN_BLOCKS = 3
"""Blocks in a row without two good trials after which a unit is given no more: there is nothing to compare."""

_LEAST_OK = 2
"""Good trials that a comparison needs in a block."""


class Account(msgspec.Struct):
    """Account of what one unit has had so far."""

    unit: Unit
    precision: Precision
    fewest: int = 0
    """Fewest blocks that may be enough."""
    seconds: float = 0.0
    """Wall time of its trials."""
    in_jobs_seconds: float = 0.0
    """Part of it inside measured jobs."""
    done: dict[int, set[tuple[str, str]]] = msgspec.field(default_factory=dict)
    """Block → workload and runner key of its stored trials, without warm-ups."""
    _duet_until: tuple[int, int] = (-1, 0)
    """Block of the last duet, and when the last of its jobs so far ended, in ns."""
    _good: dict[int, int] = msgspec.field(default_factory=dict)
    """Block → its trials that ended well."""
    _reached: float = math.inf
    """Narrowest target that was reached."""
    _ratios: tuple[int, float, tuple[float, ...]] = (-1, 0.0, ())
    """Number of blocks, the target, and the ratios then."""

    def add(self, trial: Trial, key: str) -> None:
        """Take note of a stored trial of the unit, under a runner of this key."""
        self.seconds += trial.spent_seconds
        if trial.warmup:
            return
        self.done.setdefault(trial.block, set()).add((trial.workload, key))
        self.precision.add(trial)
        if trial.outcome == "ok":
            self._good[trial.block] = self._good.get(trial.block, 0) + 1
            self.in_jobs_seconds += self._in_job(trial)

    def _in_job(self, trial: Trial) -> float:
        """Return the seconds that a trial spent inside what it measures, beyond those of its block so far."""
        if self.unit.kind == "experiment":
            return trial.spent_seconds
        first, last = ("requested", "gone") if self.unit.kind == "cold" else ("started", "finished")
        marks = trial.timeline
        if first not in marks or last not in marks:
            return 0.0
        begun, ended = marks[first], marks[last]
        if trial.duet:  # The jobs of its block run at the same time.
            block, until = self._duet_until
            begun = max(begun, until) if block == trial.block else begun
            self._duet_until = trial.block, max(begun, ended)
        return max(0, ended - begun) / 1e9

    @property
    def blocks(self) -> int:
        """Number of blocks that were begun."""
        return len(self.done)

    @property
    def block_seconds(self) -> float:
        """Mean wall time of a block; 0 before the first."""
        return self.seconds / self.blocks if self.blocks else 0.0

    @property
    def barren(self) -> bool:
        """Tell whether the last blocks have nothing to compare."""
        last = list(islice(reversed(self.done), BARREN_BLOCKS))
        return len(last) == BARREN_BLOCKS and all(self._good.get(block, 0) < _LEAST_OK for block in last)

    def ratios(self, target: float) -> tuple[float, ...]:
        """Return the half-widths over the unit's own target after the blocks so far; see :meth:`Precision.ratios`."""
        if self._ratios[:2] != (self.blocks, target):
            loose = target * self.unit.looseness
            self._ratios = self.blocks, target, self.precision.ratios(loose, self.blocks)
            if self.blocks >= self.fewest and reached(self._ratios[2]):
                self._reached = min(self._reached, target)
        return self._ratios[2]

    def later_ratios(self, target: float) -> tuple[float, ...]:
        """Return what further blocks are estimated from; see :meth:`Precision.later_ratios`."""
        return self.precision.later_ratios(target * self.unit.looseness, self.blocks)

    def spreads(self, target: float) -> tuple[Spread, ...]:
        """Return what is known of the widths of further blocks; see :meth:`Precision.spreads`."""
        return self.precision.spreads(target * self.unit.looseness, self.blocks)

    def decided(self, target: float) -> bool:
        """Return whether all intervals are within the target; once they are, the unit is measured no more."""
        self.ratios(target)
        return self._reached <= target


class Ledger:
    """The accounts of all units of a plan."""

    def __init__(self, plan: Plan, base: str, keys: Mapping[str, str]) -> None:
        """Open an account for each unit.

        Args:
            plan: has the units.
            base: label of the runner that the others are compared with.
            keys: label of a runner → its key, where the two differ.
        """
        self.accounts = {
            unit: Account(unit, Precision.of_unit(unit, base), _fewest(plan, unit)) for unit in plan.units()
        }
        self._plan = plan
        self._keys = keys
        self._of = {
            (one.name, account.unit.stream, account.unit.duet): account
            for account in self.accounts.values()
            for one in account.unit.workloads
        }
        self._next: dict[str, int] = {}
        self.spent_seconds = 0.0
        """Wall time of all stored trials."""

    def add(self, trial: Trial) -> None:
        """Take note of a stored trial; skips that were planned belong to no block."""
        self.spent_seconds += trial.spent_seconds
        account = self._of.get((trial.workload, trial.stream, trial.duet))
        if account is None or trial.block < 0:
            return
        account.add(trial, self.key(trial.runner))
        group = account.unit.group
        self._next[group] = max(self._next.get(group, 0), trial.block + 1)

    def key(self, label: str) -> str:
        """Return the key of the runner with this label."""
        return self._keys.get(label, label)

    def next_block(self, unit: Unit) -> int:
        """Return the number of the unit's next block, unique within its workloads."""
        return self._next.get(unit.group, 0)

    def incomplete(self) -> list[tuple[Unit, int]]:
        """List the blocks that an interruption cut short."""
        return [
            (unit, block)
            for unit, account in self.accounts.items()
            for block, done in account.done.items()
            if len(done) < len(self._plan.block(unit, block))
        ]

    def precise(self, target: float) -> dict[str, int]:
        """Return the number of blocks of each unit that is within the target."""
        return {
            unit.name: account.blocks for unit, account in self.accounts.items() if account.decided(target)
        }

    def streams(self) -> dict[str, StreamTime]:
        """Sum up how the time of each stream was used."""
        by_stream: dict[str, list[Account]] = {}
        for unit, account in self.accounts.items():
            by_stream.setdefault(unit.stream, []).append(account)
        return {stream: _stream_time(own) for stream, own in by_stream.items()}


def _fewest(plan: Plan, unit: Unit) -> int:
    """Return the fewest blocks that may be enough for a unit.

    Where versions are compared, a small difference is the answer that is looked for, and with fewer blocks it is not called
    however narrow its interval is (:func:`tare.results.statistics.lasting.lasting_state`).
    """
    fewest = MODES[plan.mode].pilot_duets if unit.duet else 0
    if plan.compares_versions:
        fewest = max(fewest, rounds_for(math.log1p(PRECISE_SHARE * plan.precision)))
    return fewest


def _stream_time(accounts: Iterable[Account]) -> StreamTime:
    own = list(accounts)
    return StreamTime(
        seconds=round(sum(one.seconds for one in own), 3),
        in_jobs_seconds=round(sum(one.in_jobs_seconds for one in own), 3),
        blocks=sum(one.blocks for one in own),
    )
