"""Measure cold starts: each trial makes a place, runs one job in it and takes it down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import msgspec

from tare.bench.campaign.launch_metrics import launch_metrics
from tare.bench.workloads.base import Site
from tare.results.said import say
from tare.runners.collectors import usage_metrics
from tare.runners.errors import PlaceFailure, TareError, as_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.bench.campaign.failures import Failures
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.recorder import Recorder
    from tare.bench.campaign.slots import Slot
    from tare.bench.campaign.trial_builder import TrialBuilder
    from tare.bench.planning.plan import Plan
    from tare.bench.workloads.base import Workload


class ColdStarts(msgspec.Struct, frozen=True):
    """Measure blocks of cold starts. Nothing else of the suite's is alive beside a start that is timed."""

    plan: Plan
    provisioned: Provisioned
    recorder: Recorder
    openings: Failures
    """Failed openings by runner key; shared with the steady state."""

    def block(self, slots: Sequence[Slot]) -> None:
        """Measure the trials of a block."""
        for slot in slots:
            self._trial(slot)

    def _trial(self, slot: Slot) -> None:
        workload = cast("Workload", slot.case.workload)
        key = slot.case.runner
        runner = self.provisioned.runner(key)
        builder = self.recorder.begin(slot, runner)
        self.recorder.next_invocation()
        if why := self.openings.why_given_up(key):
            self.recorder.store_skipped(builder, why)
            return
        log = self.provisioned.undo_log
        began = time.monotonic()
        try:
            # The job is made before the place is known: cold workloads take nothing from the place.
            site = Site(self.provisioned.image_of(key), "/", "/scratch", self.provisioned.limits.cpus)
            job = workload.job(site, self.plan.job_seconds)
            opened = log.leaving(
                say("left.place", "a place of {name}", name=runner.label), runner.open(first=job)
            )
            with opened as place:
                result = place.run(job)
        except (TareError, OSError) as error:
            self._failed(builder, as_failure(error))
            return
        if "gone" not in place.timeline:
            why = str(opened.failure or say("run.end_unseen", "nobody saw its end"))
            self._failed(
                builder,
                PlaceFailure(say("run.not_taken_down", "the place could not be taken down: {why}", why=why)),
            )
            return
        self.openings.succeeded(key)
        builder.set_timeline(place.timeline, place.clock_error)
        builder.context.update(place.context)
        builder.finish(workload, result)
        if builder.outcome == "ok":
            builder.metrics += launch_metrics(builder.timeline, builder.clock_error)
            builder.metrics += usage_metrics(place.usage, source="launcher") if place.usage else ()
            builder.metrics += place.metrics
        seconds = time.monotonic() - began
        self.recorder.store(builder)
        self.recorder.costs.add(f"open@{key}", seconds)

    def _failed(self, builder: TrialBuilder, failure: PlaceFailure) -> None:
        self.recorder.store_failed(builder, failure)
        self.openings.failed(builder.case.runner, failure)
