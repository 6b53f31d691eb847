"""Measure a plan in interleaved blocks: steps 3 to 5, launch, collect and store.

A round measures its share of the cold starts and of the experiments first, while no place is open: nothing of the
suite's is alive beside a start that is timed. Then it opens the steady-state places and measures its blocks in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.campaign.cold_starts import ColdStarts
from tare.bench.campaign.deadline import Deadline
from tare.bench.campaign.experiments import Experiments
from tare.bench.campaign.failures import Failures
from tare.bench.campaign.steady_state import SteadyState
from tare.bench.planning.plan import share

if TYPE_CHECKING:
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.recorder import Recorder
    from tare.bench.campaign.remaining import Remaining


@dataclass(frozen=True, slots=True)
class Campaign:
    """One execution of a plan. :meth:`run` may be interrupted anywhere; what was stored stays."""

    remaining: Remaining
    provisioned: Provisioned
    recorder: Recorder

    def run(self) -> None:
        """Measure everything that remains of the plan."""
        plan, progress = self.remaining.plan, self.recorder.progress
        progress.begin(plan.trials - len(self.remaining.done), plan.estimate_seconds)
        if not self.remaining.done:
            self.recorder.store_skips(plan.skips)
        openings = Failures("failed openings", progress.say)
        performances = Failures("failures", progress.say)
        deadline = Deadline.of_plan(plan, progress.say)
        shared = self.remaining, self.provisioned, self.recorder, openings
        cold_starts = ColdStarts(*shared, deadline)
        experiments = Experiments(*shared, performances, deadline)
        steady_state = SteadyState(*shared, deadline)
        for number in range(plan.rounds):
            cold_starts.measure(share(plan.cold.count, plan.rounds, number))
            experiments.measure(number)
            steady_state.measure(number)
        progress.end()
