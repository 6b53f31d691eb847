"""Measure a plan block by block: steps 3 to 5, launch, collect and store.

Cold starts and experiments are measured while no place is open: nothing of the suite's is alive beside a start that is
timed. The places of a costly runner are opened for a visit, in which each of its workloads is measured; blocks of the
cheap runners fill as much time between its blocks, and its places lie idle in ``read`` meanwhile. One visit ends before
another begins, and what waits for the end of a visit has fallen behind by then, so that it is chosen next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.bench.campaign.duet import Duets
from tare.bench.campaign.slots import slots
from tare.bench.planning.modes import FILL_SHARE
from tare.results.said import say

if TYPE_CHECKING:
    from tare.bench.campaign.agenda import Agenda
    from tare.bench.campaign.cold_starts import ColdStarts
    from tare.bench.campaign.deadline import Deadline
    from tare.bench.campaign.experiments import Experiments
    from tare.bench.campaign.open_places import OpenPlaces
    from tare.bench.campaign.recorder import Recorder
    from tare.bench.campaign.steady_state import SteadyState
    from tare.bench.measurable import Kind
    from tare.bench.planning.units import Unit


FILLING: frozenset[Kind] = frozenset({"steady"})
"""Kinds that are measured while places of a costly runner are open."""


class Campaign(msgspec.Struct, frozen=True):
    """One execution of a plan. :meth:`run` may be interrupted anywhere; what was stored stays."""

    agenda: Agenda
    recorder: Recorder
    deadline: Deadline
    cold_starts: ColdStarts
    experiments: Experiments
    steady_state: SteadyState

    def run(self) -> None:
        """Measure until the agenda is done: first the blocks that an interruption cut short."""
        plan, ledger = self.agenda.plan, self.agenda.ledger
        self.agenda.begin()
        self.recorder.progress.begin(self.agenda.seconds_left)
        self.recorder.begin_measuring()
        if not self.recorder.number:
            self.recorder.store_skips(plan.skips)
        for begun, block in ledger.incomplete():
            self._block(begun, block)
        while unit := self.agenda.next():
            if self._time_is_up(unit):
                self.agenda.ended = "deadline"
                break
            if unit.visiting:
                self._visit(unit)
            else:
                self._block(unit)
        self.recorder.progress.end()

    def _visit(self, first: Unit) -> None:
        """Open the places of a costly runner once, for a block or some of each of its workloads."""
        with self.recorder.aside(), self.steady_state.places() as places:
            for key in self.agenda.plan.order(f"openings for {first.name}", first.kept):
                # A failure is counted; the first trial that wants the place tries again.
                places.open(key)
            for unit in self.agenda.visit(first):
                if self._time_is_up(unit):
                    return
                seconds = self._block(unit, places=places)
                self._fill(FILL_SHARE * seconds if first.emulated else seconds)
                if self.agenda.leaves(first):
                    return

    def _fill(self, seconds: float) -> None:
        """Measure cheap runners beside a costly one, so that both see all of the run."""
        if self.agenda.plan.blocks is not None:
            return
        while seconds > 0 and (unit := self.agenda.next(FILLING, visits=False)):
            if self._time_is_up(unit):
                return
            seconds -= self._block(unit)

    def _time_is_up(self, unit: Unit) -> bool:
        return self.deadline.passed(say("progress.block_of", "a block of {name}", name=unit.name))

    def _block(self, unit: Unit, block: int | None = None, places: OpenPlaces | None = None) -> float:
        """Measure a block, the next one unless ``block`` names one that was cut short; return its seconds."""
        ledger, began = self.agenda.ledger, self.agenda.now()
        number = ledger.next_block(unit) if block is None else block
        done = ledger.accounts[unit].done.get(number, ())
        wanted = slots(self.agenda.plan, unit, number, done)
        if unit.kind == "cold":
            self.cold_starts.block(wanted)
        elif unit.kind == "experiment":
            self.experiments.block(wanted)
        elif unit.duet:
            Duets(self.steady_state).block(wanted)
        else:
            self.steady_state.block(unit, wanted, places)
        return self.agenda.now() - began
