"""Measure steady-state workloads: many jobs, one after the other, in places that stay open for a round.

Block by block and workload by workload, one job runs in each place in shuffled order while the other places lie idle in
``read``. What it costs to make a place is so kept out of what it costs to work in it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.campaign.open_places import OpenPlaces
from tare.bench.planning.estimates import job_key
from tare.bench.planning.modes import WARMUP_SHARE
from tare.bench.workloads.base import Site
from tare.runners.collectors import default_collectors
from tare.runners.errors import PlaceFailure, TareError, as_failure

if TYPE_CHECKING:
    from tare.bench.campaign.deadline import Deadline
    from tare.bench.campaign.failures import Failures
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.recorder import Recorder
    from tare.bench.campaign.remaining import Remaining, Slot
    from tare.bench.workloads.base import Workload
    from tare.results.record import Metric
    from tare.runners.model import Place, Vantage


@dataclass(frozen=True, slots=True)
class SteadyState:
    """Measure rounds of steady-state blocks."""

    remaining: Remaining
    provisioned: Provisioned
    recorder: Recorder
    openings: Failures
    """Failed openings by runner key; shared with the cold starts."""
    deadline: Deadline

    def measure(self, round_number: int) -> None:
        """Open the round's places, warm them up and measure the round's blocks in them."""
        plan = self.remaining.plan
        blocks = plan.round_of(round_number)
        workloads = self.remaining.workloads("steady", blocks.start)
        keys = dict.fromkeys(
            slot.case.runner
            for block in blocks
            for workload in workloads
            for slot in self.remaining.slots(workload, block)
        )
        if not keys:
            return
        with OpenPlaces(self.provisioned, self.recorder, self.openings) as places:
            for key in plan.order(f"openings of round {round_number}", keys):
                # A failure is counted; the first trial that wants the place tries again.
                places.open(key)
            warmed = workloads if plan.warmups else ()
            for workload in plan.order(f"warm-ups of round {round_number}", warmed):
                self._block(workload, blocks[0], places, warmup=True)
            self._blocks(blocks, workloads, places)

    def _blocks(self, blocks: range, workloads: tuple[Workload, ...], places: OpenPlaces) -> None:
        plan = self.remaining.plan
        for block in blocks:
            workloads = self.remaining.wanted(workloads, block)
            if not workloads or self.deadline.passed(f"steady-state block {block}"):
                return
            if block != blocks[0]:
                wanted = {case.runner for workload in workloads for case in plan.block(workload, block)}
                for key in places.keys & plan.reopened | places.keys - wanted:
                    places.close(key)
            for workload in plan.order(f"workloads of block {block}", workloads):
                self._block(workload, block, places, warmup=False)

    def _block(self, workload: Workload, block: int, places: OpenPlaces, *, warmup: bool) -> None:
        for slot in self.remaining.slots(workload, block, warmup=warmup):
            self._trial(workload, slot, places)

    def _trial(self, workload: Workload, slot: Slot, places: OpenPlaces) -> None:
        key = slot.case.runner
        builder = self.recorder.begin(slot, self.provisioned.runner(key))
        if why := self.openings.why_given_up(key):
            self.recorder.store_skipped(builder, why)
            return
        opened = places.get(key)
        if isinstance(opened, PlaceFailure):
            self.recorder.store_failed(builder, opened)
            return
        place, builder.invocation = opened.place, opened.invocation
        job = workload.job(self._site(key, place), self._job_seconds(slot))
        began = time.monotonic()
        observation = Observation(place.vantage)
        try:
            result = place.run(job)
        except (TareError, OSError) as error:
            # The place is lost: the next trial of this case opens another.
            places.close(key)
            self.recorder.store_failed(builder, as_failure(error))
            return
        observation.end()
        builder.unavailable.update(observation.unavailable)
        builder.set_timeline(
            {"started": result.started_ns, "finished": result.finished_ns}, place.clock_error
        )
        builder.context.update(place.context)
        builder.finish(workload, result)
        if builder.outcome == "ok":
            builder.metrics += observation.metrics
        seconds = time.monotonic() - began
        self.recorder.store(builder)
        if not slot.warmup:
            self.recorder.costs.add(job_key(slot.case, self.remaining.plan.job_seconds), seconds)

    def _site(self, key: str, place: Place) -> Site:
        limits = self.provisioned.limits
        # In a guest CPUs count from 0; elsewhere a job may only pin itself to what the limits and we ourselves allow.
        own = min(limits.cpuset or os.sched_getaffinity(0))
        first_cpu = 0 if place.vantage.vmm else own
        return Site(self.provisioned.image_of(key), place.root, place.scratch, limits.cpus, first_cpu)

    def _job_seconds(self, slot: Slot) -> float:
        seconds = self.remaining.plan.job_seconds
        return seconds * WARMUP_SHARE if slot.warmup else seconds


class Observation:
    """Read every collector that can see something of a place before and after one job."""

    def __init__(self, vantage: Vantage) -> None:
        self._collectors = default_collectors(vantage)
        self._states = [collector.begin(vantage) for collector in self._collectors]
        self.metrics: tuple[Metric, ...] = ()
        """Costs of the job seen from outside its place; set by :meth:`end`."""
        self.unavailable: dict[str, str] = {}
        """Metric or source → why there is no number; set by :meth:`end`."""

    def end(self) -> None:
        """Read every collector again, after the job."""
        for collector, state in zip(self._collectors, self._states, strict=True):
            self.metrics += collector.end(state)
            self.unavailable |= collector.unavailable
