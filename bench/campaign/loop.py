"""Steps 3 to 5, launch, collect and store: measure a plan in interleaved blocks.

A round makes every steady-state place once; then, block by block and workload by workload, one job runs in each
place in shuffled order while the others lie idle in ``read``. Cold-start blocks and experiments come before the round's
places are made, so that nothing of the suite's is alive beside a start that is timed.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tare.bench.campaign.launch_metrics import launch_metrics
from tare.bench.campaign.trial_builder import Draft
from tare.bench.experiments.base import Lab, Unsuitable
from tare.bench.planning.budget import job_key
from tare.bench.planning.modes import WARMUP_SHARE
from tare.bench.planning.plan import share
from tare.bench.workloads.base import Site
from tare.results.record import CONTROL_SUFFIX, Trial
from tare.runners.collectors import default_collectors, usage_metrics
from tare.runners.errors import PlaceFailure, TareError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tare.bench.campaign.stopping import Precision
    from tare.bench.experiments.base import Experiment
    from tare.bench.planning.plan import Case, Plan
    from tare.bench.progress import Progress
    from tare.bench.workloads.base import Workload
    from tare.results.record import Metric
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Limits, Place
    from tare.runners.registry import Supplies

GIVE_UP_AFTER = 2
"""Failed openings in a row after which a runner's remaining cases are recorded as skipped."""


@dataclass(slots=True)
class Opened:
    """A steady-state place that is open, and which opening it is."""

    place: Place
    invocation: int


@dataclass(slots=True)
class Campaign:
    """One execution of a plan. :meth:`run` may be interrupted anywhere; what was stored stays."""

    run_id: str
    plan: Plan
    runners: Mapping[str, Runner]
    image: Image
    own_images: Mapping[str, Image] = field(kw_only=True, default_factory=dict)
    """Runner key → its own image, where images are what is compared."""
    limits: Limits
    store: Callable[[Trial], object]
    progress: Progress
    supplies: Supplies | None = None
    """What experiments may draw on; needed if the plan has any."""
    done: frozenset[tuple[str, str, int, bool]] = frozenset()
    """What a resumed run has already: (workload, runner key, block, warm-up)."""
    precision: Precision | None = None
    """Says which workloads have been measured enough; all planned blocks are measured without it."""
    number: int = 0
    """Of the next trial."""
    invocation: int = 0
    """Of the next opening."""
    seen: dict[str, list[float]] = field(default_factory=dict)
    """What cases cost, for the next plan's estimate; keys as in :class:`tare.bench.planning.budget.Seconds`."""
    _failures: dict[str, int] = field(default_factory=dict)
    _gone: dict[str, str] = field(default_factory=dict)
    """Runner key, or ``<experiment>@<runner key>`` → why it was given up."""
    _unsuitable: dict[str, Unsuitable] = field(default_factory=dict)
    """``<experiment>@<runner key>`` → what lastingly speaks against it."""
    _deadline: float = float("inf")
    _stored: int = 0
    """Trials of this campaign: without the plan's skips, and without what a resumed run had."""

    def run(self) -> None:
        """Measure everything that is not done yet."""
        self.progress.begin(self.plan.trials - len(self.done), self.plan.estimate_seconds)
        # A plan that was estimated far too low must end all the same; blocks are stopped whole and by
        # time alone, never by what was measured.
        self._deadline = (
            time.monotonic() + 2 * max(self.plan.estimate_seconds, self.plan.mode.budget_seconds) + 30
        )
        if not self.done:
            self._store_skips()
        rounds = self.plan.rounds
        for number in range(rounds):
            self._cold_blocks(share(self.plan.cold_blocks, rounds, number))
            self._experiments(number)
            self._steady_round(number, self.plan.round_of(number))
        self.progress.end()

    # -- cold starts ------------------------------------------------------------------------------

    def _cold_blocks(self, blocks: range) -> None:
        for block in blocks:
            for workload in self.plan.order(
                f"workloads of cold block {block}", self._wanted(self.plan.workloads(cold=True), block)
            ):
                if self._out_of_time(f"cold block {block} of {workload.name}"):
                    return
                for position, case in enumerate(self.plan.block(workload, block)):
                    if not self._is_done(case, block, warmup=False):
                        self._cold_trial(workload, case, block, position)

    def _cold_trial(self, workload: Workload, case: Case, block: int, position: int) -> None:
        draft = self._draft(case, block, position)
        self.invocation += 1
        if self._given_up(case, draft):
            return
        runner = self._runner(case)
        began = time.monotonic()
        try:
            # The job is made before the place is known: cold workloads take nothing from the place.
            job = workload.job(
                Site(self._image(case), "/", "/scratch", self.limits.cpus), self.plan.mode.job_seconds
            )
            with runner.open(first=job) as place:
                result = place.run(job)
        except (TareError, OSError) as error:
            failure = as_failure(error)
            self._opening_failed(case.runner, failure)
            self._place_failed(case, draft, failure)
            return
        self._failures[case.runner] = 0
        draft.timeline = dict(place.timeline)
        draft.clock_error = place.clock_error
        draft.context.update(place.context)
        draft.judge(workload, result)
        if draft.outcome == "ok":
            draft.metrics += launch_metrics(draft.timeline, draft.clock_error)
            draft.metrics += usage_metrics(place.usage, source="launcher") if place.usage else ()
            draft.metrics += place.metrics
        self._store(draft, case, f"open@{case.runner}", time.monotonic() - began)

    # -- experiments ------------------------------------------------------------------------------

    def _experiments(self, number: int) -> None:
        """The round's blocks of all experiments, in turn."""
        experiments = self.plan.experiments()
        shares = {
            experiment: share(self.plan.experiment_blocks[experiment.name], self.plan.rounds, number)
            for experiment in experiments
        }
        for block in sorted({block for blocks in shares.values() for block in blocks}):
            for experiment in self.plan.order(f"experiments of block {block}", experiments):
                if block not in shares[experiment]:
                    continue
                if self._out_of_time(f"block {block} of {experiment.name}"):
                    return
                for position, case in enumerate(self.plan.block(experiment, block)):
                    if not self._is_done(case, block, warmup=False):
                        self._experiment(experiment, case, block, position)

    def _experiment(self, experiment: Experiment, case: Case, block: int, position: int) -> None:
        draft = self._draft(case, block, position)
        self.invocation += 1
        key = f"{experiment.name}@{case.runner}"
        if self._given_up(case, draft) or self._given_up(case, draft, key):
            return
        if key in self._unsuitable:  # it will say the same again, and a guest takes seconds to ask
            self._skip_unsuitable(draft, case, self._unsuitable[key])
            return
        began = time.monotonic()
        try:
            findings = experiment.perform(self._lab(case))
        except Unsuitable as error:
            if error.lasting:
                self._unsuitable[key] = error
            self._skip_unsuitable(draft, case, error)
            return
        except (TareError, OSError) as error:
            failure = as_failure(error)
            self._opening_failed(key, failure)
            self._place_failed(case, draft, failure)
            return
        draft.found(findings)
        if findings.failure:
            self._opening_failed(key, findings.failure)
            self.progress.say(f"{experiment.name} on {draft.runner}: {draft.outcome}: {draft.reason}")
        else:
            self._failures[key] = 0
        self._store(draft, case, job_key(case, self.plan.mode.job_seconds), time.monotonic() - began)

    def _skip_unsuitable(self, draft: Draft, case: Case, error: Unsuitable) -> None:
        draft.skipped(error.reason, error.remedy)
        self._store(draft, case)

    def _lab(self, case: Case) -> Lab:
        if self.supplies is None:
            raise TypeError("a campaign with experiments needs supplies")
        return Lab(
            runner=self._runner(case),
            image=self._image(case),
            limits=self.limits,
            context=self.supplies.context,
            provision=self.supplies.provision,
            settings=self.supplies.settings,
            job_seconds=self.plan.mode.job_seconds,
            say=self.progress.say,
        )

    # -- steady state -----------------------------------------------------------------------------

    def _steady_round(self, number: int, blocks: range) -> None:
        workloads = self._wanted(self.plan.workloads(cold=False), blocks.start)
        keys = dict.fromkeys(
            case.runner
            for block in blocks
            for workload in workloads
            for case in self.plan.block(workload, block)
            if not self._is_done(case, block, warmup=False)
        )
        if not keys:
            return
        with ExitStack() as stack:
            places: dict[str, Opened] = {}
            for key in self.plan.order(f"openings of round {number}", keys):
                self._open(key, places, stack)
            warmed = workloads if self.plan.mode.warmups else ()
            for workload in self.plan.order(f"warm-ups of round {number}", warmed):
                self._steady_block(workload, blocks[0], places, stack, warmup=True)
            for block in blocks:
                workloads = self._wanted(workloads, block)
                if not workloads or self._out_of_time(f"steady-state block {block}"):
                    return
                if block != blocks[0]:
                    wanted = {
                        case.runner for workload in workloads for case in self.plan.block(workload, block)
                    }
                    for key in places.keys() & self.plan.reopened | places.keys() - wanted:
                        places.pop(key).place.close()
                for workload in self.plan.order(f"workloads of block {block}", workloads):
                    self._steady_block(workload, block, places, stack, warmup=False)

    def _steady_block(
        self, workload: Workload, block: int, places: dict[str, Opened], stack: ExitStack, *, warmup: bool
    ) -> None:
        for position, case in enumerate(self.plan.block(workload, block)):
            if not self._is_done(case, block, warmup=warmup):
                self._steady_trial(workload, case, block, position, places, stack, warmup=warmup)

    def _open(self, key: str, places: dict[str, Opened], stack: ExitStack) -> PlaceFailure | None:
        began = time.monotonic()
        invocation, self.invocation = self.invocation, self.invocation + 1
        try:
            place = stack.enter_context(self.runners[_base_of(key)].open())
        except (TareError, OSError) as error:
            failure = as_failure(error)
            self._opening_failed(key, failure)
            return failure
        self._failures[key] = 0
        places[key] = Opened(place, invocation)
        self.seen.setdefault(f"open@{key}", []).append(time.monotonic() - began)
        return None

    def _steady_trial(
        self,
        workload: Workload,
        case: Case,
        block: int,
        position: int,
        places: dict[str, Opened],
        stack: ExitStack,
        *,
        warmup: bool,
    ) -> None:
        draft = self._draft(case, block, position, warmup=warmup)
        if self._given_up(case, draft):
            return
        if case.runner not in places and (error := self._open(case.runner, places, stack)):
            self._place_failed(case, draft, error)
            return
        opened = places[case.runner]
        place = opened.place
        draft.invocation = opened.invocation
        # In a guest CPUs count from 0; elsewhere a job may only pin itself to what the limits and we ourselves allow.
        own = min(self.limits.cpuset or os.sched_getaffinity(0))
        first_cpu = 0 if place.vantage.vmm else own
        site = Site(self._image(case), place.root, place.scratch, self.limits.cpus, first_cpu)
        length = self.plan.mode.job_seconds
        job = workload.job(site, length * WARMUP_SHARE if warmup else length)
        began = time.monotonic()
        collectors = default_collectors(place.vantage)
        states = [collector.begin(place.vantage) for collector in collectors]
        try:
            result = place.run(job)
        except (TareError, OSError) as error:
            # The place is lost: the next trial of this case opens a new one, under a new invocation.
            del places[case.runner]
            place.close()
            self._place_failed(case, draft, as_failure(error))
            return
        outside: tuple[Metric, ...] = ()
        for collector, state in zip(collectors, states, strict=True):
            outside += collector.end(state)
            if collector.unavailable:
                draft.notes.setdefault("unavailable", {}).update(collector.unavailable)
        draft.timeline = {"started": result.started_ns, "finished": result.finished_ns}
        draft.clock_error = place.clock_error
        draft.context.update(place.context)
        draft.judge(workload, result)
        if draft.outcome == "ok":
            draft.metrics += outside
        self._store(draft, case, "" if warmup else job_key(case, length), time.monotonic() - began)

    # -- one trial's record -----------------------------------------------------------------------

    def _draft(self, case: Case, block: int, position: int, *, warmup: bool = False) -> Draft:
        runner = self._runner(case)
        return Draft(
            runner=runner.label + CONTROL_SUFFIX if case.control else runner.label,
            accelerator=runner.accelerator,
            case=case,
            block=block,
            position=position,
            warmup=warmup,
            invocation=self.invocation,
        )

    def _place_failed(self, case: Case, draft: Draft, error: PlaceFailure) -> None:
        draft.place_failed(error)
        self.progress.say(f"{case.workload.name} on {draft.runner}: {draft.outcome}: {error.reason}")
        self._store(draft, case)

    def _opening_failed(self, key: str, error: PlaceFailure) -> None:
        """Count it, and give the runner up, or the experiment on it, if it was one too many in a row."""
        self._failures[key] = self._failures.get(key, 0) + 1
        if self._failures[key] >= GIVE_UP_AFTER:
            self._gone[key] = error.reason
            what = "failures" if "@" in key else "failed openings"
            self.progress.say(f"{key}: given up after {GIVE_UP_AFTER} {what} in a row: {error.reason}")

    def _given_up(self, case: Case, draft: Draft, key: str = "") -> bool:
        why = self._gone.get(key or case.runner)
        if why is None:
            return False
        what = "failures" if key else "failed openings"
        draft.skipped(f"given up after {GIVE_UP_AFTER} {what} in a row, the last one because: {why}")
        self._store(draft, case)
        return True

    def _wanted(self, workloads: tuple[Workload, ...], blocks: int) -> tuple[Workload, ...]:
        """Those that need more than so many blocks."""
        precision = self.precision
        if precision is None:
            return workloads
        return tuple(workload for workload in workloads if not precision.enough(workload.name, blocks))

    def _store(self, draft: Draft, case: Case, cost: str = "", seconds: float = 0.0) -> None:
        trial = draft.trial(self.run_id, self.number)
        self.store(trial)
        if self.precision:
            self.precision.add(trial)
        self.number += 1
        self._stored += 1
        if cost:
            self.seen.setdefault(cost, []).append(seconds)
        self.progress.trial(self._stored, f"{case.workload.name} on {draft.runner}")

    def _store_skips(self) -> None:
        for skip in self.plan.skips:
            self.store(
                Trial(
                    run=self.run_id,
                    number=self.number,
                    workload=skip.workload,
                    family=skip.family,
                    runner=skip.runner,
                    accelerator=skip.accelerator,
                    block=-1,
                    outcome="skipped",
                    reason=skip.reason,
                    remedy=skip.remedy,
                )
            )
            self.number += 1

    def _image(self, case: Case) -> Image:
        """The one that its runner was prepared with."""
        return self.own_images.get(_base_of(case.runner), self.image)

    def _runner(self, case: Case) -> Runner:
        return self.runners[_base_of(case.runner)]

    def _is_done(self, case: Case, block: int, *, warmup: bool) -> bool:
        return (case.workload.name, case.runner, block, warmup) in self.done

    def _out_of_time(self, what: str) -> bool:
        if time.monotonic() < self._deadline:
            return False
        self.progress.say(
            f"time is up (twice the estimate): stopped before {what}; all that was measured counts"
        )
        return True


def as_failure(error: Exception) -> PlaceFailure:
    """Whatever a runner raised, as the failure of a place: a full disk or a lost launcher ends a trial, not the run."""
    return error if isinstance(error, PlaceFailure) else PlaceFailure(str(error))


def _base_of(key: str) -> str:
    return key.removesuffix(CONTROL_SUFFIX)


def done_trials(trials: Iterable[Trial], labels: Mapping[str, str]) -> frozenset[tuple[str, str, int, bool]]:
    """What a run has measured already, as :attr:`Campaign.done` wants it.

    Args:
        trials: the stored ones.
        labels: runner label → key.
    """
    return frozenset(
        (trial.workload, labels.get(trial.runner, trial.runner), trial.block, trial.warmup)
        for trial in trials
        if trial.block >= 0
    )
