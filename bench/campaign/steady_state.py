"""Measure steady-state workloads: jobs in places that are open before they begin.

In a block one job runs in each place in shuffled order while the other places lie idle in ``read``. What it costs to
make a place is so kept out of what it costs to work in it. Cheap places are made anew for every block. Where a job's
files may have to be loaded first, a short job that does not count precedes it: on the host's kernel in the first block
of a workload, in a place that is kept open (a guest has a page cache of its own) the first time in each opening.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec.structs import replace

from tare.bench.campaign.open_places import OpenPlaces
from tare.bench.campaign.pinning import block_cpus, pin_alike
from tare.bench.campaign.shared_files import SharedFiles
from tare.bench.measurable import allowed_cpus
from tare.bench.planning.estimates import job_key, job_length
from tare.bench.planning.modes import WARMUP_SHARE
from tare.bench.planning.units import plain
from tare.bench.workloads.base import Site
from tare.bench.workloads.command import clean_up_aside, prepare_aside
from tare.results.record import BASE
from tare.results.said import say
from tare.runners.collectors import default_collectors
from tare.runners.errors import PlaceFailure, TareError, as_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.bench.campaign.failures import Failures
    from tare.bench.campaign.open_places import OpenPlace
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.recorder import Recorder
    from tare.bench.campaign.slots import Slot
    from tare.bench.campaign.trial_builder import TrialBuilder
    from tare.bench.planning.case import Case
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Unit
    from tare.bench.workloads.base import Workload
    from tare.results.record import Metric
    from tare.runners.model import Job, JobResult, Place, Vantage


_SHARED = -1
"""Stands for all openings of a runner whose places share the host's page cache."""


class Ready(msgspec.Struct, frozen=True):
    """A trial whose place is open and whose job can begin."""

    builder: TrialBuilder
    workload: Workload
    site: Site
    job: Job
    place: Place
    places: OpenPlaces
    """They have the place."""


class _Ended(msgspec.Struct, frozen=True):
    """A trial whose job has ended."""

    ready: Ready
    result: JobResult
    observation: Observation
    seconds: float
    """Wall time of the job with the collectors around it."""


class SteadyState(msgspec.Struct, frozen=True):
    """Measure blocks of steady-state workloads."""

    plan: Plan
    provisioned: Provisioned
    recorder: Recorder
    openings: Failures
    """Failed openings by runner key; shared with the cold starts."""
    _loaded: set[tuple[str, str, int]] = msgspec.field(default_factory=set)
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
            if unit.has_duet:
                self._close_together(slots, places)
                return
            for slot in slots:
                key = slot.case.runner
                stays = kept is not None and key in unit.kept
                chosen = kept if kept is not None and stays else places
                self._load(slot, chosen, chosen.opening(key) if stays else _SHARED)
                self._store(self._measure(self.make_ready(slot, chosen)))

    def _close_together(self, slots: Sequence[Slot], places: OpenPlaces) -> None:
        """Measure the jobs of a block right after one another, with all places open and all records made afterwards.

        The host's slow moments last for tens of milliseconds on one CPU: what runs within one of them differs least. So
        jobs that need one CPU are kept on the same one, as in duets.
        """
        for slot in slots:
            self._load(slot, places, _SHARED)
        limits = self.provisioned.limits
        cpus = block_cpus(slots[0], limits)
        ready = [self.make_ready(slot, places, first_cpu=min(cpus)) for slot in slots]
        pin_alike([one.place for one in ready if one is not None], cpus, allowed_cpus(limits))
        for one in [self._measure(one) for one in ready]:
            self._store(one)

    def _load(self, slot: Slot, places: OpenPlaces, opening: int | None) -> None:
        """Run the short job that does not count, where files may have to be loaded."""
        if self.plan.warmups and self._unloaded(slot, opening):
            self._store(self._measure(self.make_ready(replace(slot, warmup=True), places)))

    def _unloaded(self, slot: Slot, opening: int | None) -> bool:
        """Return whether a job's files may have to be loaded, and remember that they will have been."""
        if opening is None:  # It could not be opened.
            return False
        loaded = slot.case.workload.name, slot.case.runner, opening
        if loaded in self._loaded:
            return False
        self._loaded.add(loaded)
        return True

    def _measure(self, ready: Ready | None) -> _Ended | None:
        """Run a trial's job; ``None`` if there is none, or if it is lost, which is recorded."""
        if ready is None:
            return None
        began = time.monotonic()
        observation = Observation(ready.place.vantage)
        try:
            result = ready.place.run(ready.job)
            observation.end()
        except (TareError, OSError) as error:
            self.lose(ready, as_failure(error))
            return None
        return _Ended(ready, result, observation, time.monotonic() - began)

    def _store(self, ended: _Ended | None) -> None:
        """Record a trial whose job has ended; nothing if it was lost."""
        if ended is None or not self.finish(ended.ready, ended.result):
            return
        builder, workload = ended.ready.builder, ended.ready.workload
        builder.unavailable.update(ended.observation.unavailable)
        if builder.outcome == "ok":
            builder.metrics += ended.observation.metrics
        self.recorder.store(builder)
        if workload.shows_output:
            self._show(builder.runner, workload, ended.result)
        if not builder.warmup:
            self.recorder.costs.add(job_key(builder.case, self.plan.job_seconds), ended.seconds)

    def make_ready(self, slot: Slot, places: OpenPlaces, first_cpu: int | None = None) -> Ready | None:
        """Open a slot's place and do all that precedes its job; ``None`` if that failed, which is recorded.

        Args:
            slot: the trial.
            places: has the place, or opens it.
            first_cpu: CPU for jobs that pin themselves to one; ``None``: the first that the limits allow.
        """
        key = slot.case.runner
        builder = self.recorder.begin(slot, self.provisioned.runner(key))
        if why := self.openings.why_given_up(key):
            self.recorder.store_skipped(builder, why)
            return None
        opened = places.get(key)
        if isinstance(opened, PlaceFailure):
            self.recorder.store_failed(builder, opened)
            return None
        builder.invocation = opened.invocation
        site = self._site(key, opened.place)
        if first_cpu is not None:
            site = replace(site, first_cpu=first_cpu)
        workload = cast("Workload", slot.case.workload)
        ready = Ready(
            builder, workload, site, workload.job(site, self._job_seconds(slot)), opened.place, places
        )
        try:
            self._prepare(opened, slot.case, site)
            prepare_aside(opened.place, workload.before(site), workload.name)
        except (TareError, OSError) as error:
            self.lose(ready, as_failure(error))
            return None
        return ready

    def finish(self, ready: Ready, result: JobResult) -> bool:
        """Do what follows a job and describe it; if that fails, record so and return ``False``."""
        builder, place, workload = ready.builder, ready.place, ready.workload
        try:
            clean_up_aside(place, workload.after(ready.site), workload.name)
        except (TareError, OSError) as error:
            self.lose(ready, as_failure(error))
            return False
        builder.set_timeline(
            {"started": result.started_ns, "finished": result.finished_ns}, place.clock_error
        )
        builder.context.update(place.context)
        builder.finish(workload, result)
        return True

    def lose(self, ready: Ready, failure: PlaceFailure) -> None:
        """Record that a place is lost, and close it: the next trial of this case opens another."""
        ready.places.close(ready.builder.case.runner)
        self.recorder.store_failed(ready.builder, failure)
        self.openings.check_launcher()

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
                why = (
                    result.error
                    or said
                    or (
                        say("command.too_long", "it took too long")
                        if result.timed_out
                        else say("run.killed", "it was killed")
                    )
                )
                raise PlaceFailure(
                    say(
                        "run.not_prepared",
                        "{name} could not be prepared: {why}",
                        name=workload.name,
                        why=why,
                    )
                )
            if name and plain(case.runner) == BASE:
                files.keep(name, scratch)
        opened.prepared.add(job.argv)

    def _show(self, runner: str, workload: Workload, result: JobResult) -> None:
        for line in (result.stdout + result.stderr).decode("utf-8", "replace").splitlines():
            self.recorder.progress.say(
                say(
                    "progress.on_runner",
                    "{name} on {runner}: {line}",
                    name=workload.name,
                    runner=runner,
                    line=line,
                )
            )

    def _site(self, key: str, place: Place) -> Site:
        limits = self.provisioned.limits
        # In a guest CPUs count from 0; elsewhere a job may only pin itself to what the limits and we ourselves allow.
        own = min(allowed_cpus(limits))
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
