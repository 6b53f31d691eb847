"""Measure steady-state workloads: jobs in places that are open before they begin.

In a block one job runs in each place in shuffled order while the other places lie idle in ``read``. What it costs to
make a place is so kept out of what it costs to work in it. Cheap places are made anew for every block. Where a job's
files may have to be loaded first, a short job that does not count precedes it: on the host's kernel in the first block
of a workload, in a place that is kept open (a guest has a page cache of its own) the first time in each opening.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from tare.bench.campaign.open_places import OpenPlaces
from tare.bench.campaign.shared_files import SharedFiles
from tare.bench.planning.estimates import job_key, job_length
from tare.bench.planning.modes import WARMUP_SHARE
from tare.bench.planning.units import plain
from tare.bench.workloads.base import Site
from tare.bench.workloads.command import run_aside
from tare.results.record import BASE
from tare.runners.collectors import default_collectors
from tare.runners.errors import PlaceFailure, TareError, as_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.bench.campaign.failures import Failures
    from tare.bench.campaign.open_places import OpenPlace
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.recorder import Recorder
    from tare.bench.campaign.slots import Slot
    from tare.bench.planning.case import Case
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Unit
    from tare.bench.workloads.base import Workload
    from tare.results.record import Metric
    from tare.runners.model import JobResult, Place, Vantage


_SHARED = -1
"""Stands for all openings of a runner whose places share the host's page cache."""


@dataclass(frozen=True, slots=True)
class SteadyState:
    """Measure blocks of steady-state workloads."""

    plan: Plan
    provisioned: Provisioned
    recorder: Recorder
    openings: Failures
    """Failed openings by runner key; shared with the cold starts."""
    _loaded: set[tuple[str, str, int]] = field(default_factory=set)
    """Workload, runner key and opening whose files have been loaded."""

    def places(self) -> OpenPlaces:
        """Return a context that keeps places open."""
        return OpenPlaces(self.provisioned, self.recorder, self.openings)

    def block(self, unit: Unit, slots: Sequence[Slot], kept: OpenPlaces | None = None) -> None:
        """Measure the trials of a block.

        Args:
            unit: what is measured.
            slots: the trials in their order.
            kept: places that stay open over several blocks.
        """
        with self.places() as places:
            for slot in slots:
                key = slot.case.runner
                stays = kept is not None and key in unit.kept
                chosen = kept if kept is not None and stays else places
                if self.plan.warmups and self._unloaded(slot, chosen.opening(key) if stays else _SHARED):
                    self._trial(replace(slot, warmup=True), chosen)
                self._trial(slot, chosen)

    def _unloaded(self, slot: Slot, opening: int | None) -> bool:
        """Return whether a job's files may have to be loaded, and remember that they will have been."""
        if opening is None:  # It could not be opened.
            return False
        loaded = slot.case.workload.name, slot.case.runner, opening
        if loaded in self._loaded:
            return False
        self._loaded.add(loaded)
        return True

    def _trial(self, slot: Slot, places: OpenPlaces) -> None:
        workload = cast("Workload", slot.case.workload)
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
        site = self._site(key, place)
        job = workload.job(site, self._job_seconds(slot))
        try:
            self._prepare(opened, slot.case, site)
            run_aside(place, workload.before(site), f"{workload.name} could not be prepared")
        except (TareError, OSError) as error:
            places.close(key)
            self.recorder.store_failed(builder, as_failure(error))
            self.openings.check_launcher()
            return
        began = time.monotonic()
        observation = Observation(place.vantage)
        try:
            result = place.run(job)
            observation.end()
            run_aside(place, workload.after(site), f"{workload.name} could not be cleaned up")
        except (TareError, OSError) as error:
            # The place is lost: the next trial of this case opens another.
            places.close(key)
            self.recorder.store_failed(builder, as_failure(error))
            self.openings.check_launcher()
            return
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
        if workload.shows_output:
            self._show(builder.runner, workload, result)
        if not slot.warmup:
            self.recorder.costs.add(job_key(slot.case, self.plan.job_seconds), seconds)

    def _prepare(self, opened: OpenPlace, case: Case, site: Site) -> None:
        """Do in an open place what the workload needs once, such as laying out its file.

        Raises:
            PlaceFailure: it could not be done.
        """
        workload = cast("Workload", case.workload)
        job = workload.preparation(site)
        if job is None or job.argv in opened.prepared:
            return
        name, scratch = workload.prepared_file, opened.place.vantage.scratch
        files = SharedFiles(self.provisioned.bench.supplies.context.workdir)
        if not name or not files.lend(name, scratch):
            result = opened.place.run(job)
            if result.exit_code != 0:
                said = result.stderr.decode("utf-8", "replace").strip()
                why = result.error or said or ("it took too long" if result.timed_out else "it was killed")
                raise PlaceFailure(f"{workload.name} could not be prepared: {why}")
            if name and plain(case.runner) == BASE:
                files.keep(name, scratch)
        opened.prepared.add(job.argv)

    def _show(self, runner: str, workload: Workload, result: JobResult) -> None:
        for line in (result.stdout + result.stderr).decode("utf-8", "replace").splitlines():
            self.recorder.progress.say(f"{workload.name} on {runner}: {line}")

    def _site(self, key: str, place: Place) -> Site:
        limits = self.provisioned.limits
        # In a guest CPUs count from 0; elsewhere a job may only pin itself to what the limits and we ourselves allow.
        own = min(limits.cpuset or os.sched_getaffinity(0))
        first_cpu = 0 if place.vantage.vmm else own
        return Site(self.provisioned.image_of(key), place.root, place.scratch, limits.cpus, first_cpu)

    def _job_seconds(self, slot: Slot) -> float:
        seconds = job_length(slot.case.workload, self.plan.job_seconds)
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
