"""Measure a plan into a run's folder: open the store, run the campaign, close it in order even if interrupted."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from tare.bench.campaign.agenda import Agenda
from tare.bench.campaign.cold_starts import ColdStarts
from tare.bench.campaign.deadline import Deadline
from tare.bench.campaign.ending import closing_line
from tare.bench.campaign.experiments import Experiments
from tare.bench.campaign.failures import Failures
from tare.bench.campaign.ledger import Ledger
from tare.bench.campaign.loop import Campaign
from tare.bench.campaign.manifest import make_manifest, with_steal
from tare.bench.campaign.recorder import Recorder
from tare.bench.campaign.recovery import Recovery
from tare.bench.campaign.spreads import remember_spreads
from tare.bench.campaign.steady_state import SteadyState
from tare.bench.planning.estimates import read_estimates
from tare.results.errors import NotWritten
from tare.results.record import BASE, CONTROL_SUFFIX
from tare.results.said import say
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter, amend, resume
from tare.runners.launcher.processes import LauncherLostError
from tare.runners.undoing import UndoLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.bench.campaign.provision import Provisioned
    from tare.bench.planning.plan import Plan
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.results.record import Accelerator, Trial
    from tare.runners.context import Runner

SETTLE_SECONDS = 0.04
"""Idle time between provisioning and measuring. Without it, starts of processes took 2 to 5 % longer and ends of containers 15 %,
over hundreds of blocks. Why is not known: 20 ms were too little, 42 ms enough."""


class Measured(msgspec.Struct, frozen=True):
    """A run that was measured, wholly or in part."""

    run_dir: Path
    interrupted: bool
    """Ended before the plan was done: by Ctrl-C, by SIGTERM, or because the launcher was killed again."""
    undo_log: UndoLog = msgspec.field(default_factory=UndoLog)
    """Failures of clean-up, those of taking the runners down included once that is done."""


def record_undoing(measured: Measured) -> tuple[str, ...]:
    """Write what could not be undone into the manifest of a run whose runners are taken down; return it."""
    if measured.undo_log.failures:
        amend(measured.run_dir, not_undone=tuple(measured.undo_log.failures))
    return load_run(measured.run_dir).manifest.not_undone


def measure(request: Request, provisioned: Provisioned, plan: Plan, progress: Progress) -> Measured:
    """Measure the plan (steps 3 to 5), and store each trial before the next one begins.

    Ctrl-C and SIGTERM end the run in order: places are torn down and what was measured is kept.
    """
    with _writer(request, provisioned, plan) as writer:
        recorder = Recorder(writer.manifest.run, writer.append, progress)
        keys = dict.fromkeys(case.runner for case in plan.cases if not case.control)
        recovery = Recovery(provisioned, tuple(filter(provisioned.works, keys)), progress.say)
        campaign = make_campaign(plan, provisioned, recorder, recovery)
        agenda = campaign.agenda
        if request.resume:
            for notice in writer.notices:
                progress.say(notice)
            before = writer.manifest.course
            take_up(campaign, load_run(writer.path).trials(), before.used_seconds if before else 0.0)
            progress.say(
                say(
                    "progress.going_on",
                    "going on with {run} at trial {number}",
                    run=writer.manifest.run,
                    number=recorder.number,
                )
            )
        try:
            time.sleep(SETTLE_SECONDS)
            campaign.run()
        except KeyboardInterrupt:
            agenda.ended = "interrupted"
            progress.end()
        except LauncherLostError as error:
            agenda.ended = "interrupted"
            progress.end()
            progress.say(say("progress.run_ends", "the run cannot go on: {error}", error=error))
        except BaseException:
            # What ended the measuring is to be told, even if the manifest cannot be written either.
            with suppress(NotWritten):
                writer.finish("interrupted")
            raise
        finally:
            cache = provisioned.bench.supplies.context.cache
            recorder.costs.remember(cache)
            remember_spreads(cache, agenda.ledger, plan.job_seconds)
        course, precise = agenda.course(), agenda.ledger.precise(plan.precision)
        interrupted = course.ended == "interrupted"
        notes = {"recovered": "; ".join(recovery.told)} if recovery.told else {}
        since = None if request.resume else provisioned.bench.cpu_before
        writer.finish(
            "interrupted" if interrupted else "complete",
            course=course,
            precise_after_blocks=precise,
            notes=writer.manifest.notes | notes,
            host=with_steal(writer.manifest.host, since) if since else writer.manifest.host,
        )
        progress.say(closing_line(plan, course, precise, request.resuming.format(run=writer.manifest.run)))
        return Measured(writer.path, interrupted, provisioned.bench.supplies.context.undo_log)


def _writer(request: Request, provisioned: Provisioned, plan: Plan) -> RunWriter:
    folder = request.settings.output.results_dir
    if not request.resume:
        return RunWriter.create(folder, make_manifest(request, provisioned, plan))
    added = request.extension_seconds
    writer = resume(folder / request.resume, budget_seconds=added, units=sorted(plan.more_of))
    if request.extension_seconds:
        recorded = writer.manifest.plan
        writer.update(
            plan={
                **recorded,
                "budget_seconds": plan.budget_seconds,
                "estimate_seconds": plan.estimate_seconds,
            }
        )
    return writer


def make_campaign(
    plan: Plan, provisioned: Provisioned, recorder: Recorder, recovery: Recovery | None = None
) -> Campaign:
    """Wire the parts of a campaign; the recorder's trials go to its ledger."""
    runners, say = provisioned.bench.runners, recorder.progress.say
    keys = {
        runner.label + again: key + again for key, runner in runners.items() for again in ("", CONTROL_SUFFIX)
    }
    ledger = Ledger(plan, runners[BASE].label if BASE in runners else BASE, keys)
    recorder.account = ledger.add
    estimates = read_estimates(provisioned.bench.supplies.context.cache, accelerators(runners))
    shared = plan, provisioned, recorder, Failures("failed openings", say, recovery)
    return Campaign(
        Agenda(plan, ledger, estimates, now=recorder.now),
        recorder,
        Deadline.of_plan(plan, say),
        ColdStarts(*shared),
        Experiments(*shared, Failures("failures", say)),
        SteadyState(*shared),
    )


def accelerators(runners: Mapping[str, Runner]) -> dict[str, Accelerator]:
    """List the accelerator of each runner by its key."""
    return {key: runner.accelerator for key, runner in runners.items()}


def take_up(campaign: Campaign, trials: Iterable[Trial], used_seconds: float = 0.0) -> None:
    """Go on where a run ended.

    Args:
        campaign: has not begun.
        trials: the stored ones.
        used_seconds: measuring time as the run itself recorded it; 0 if it was killed.
    """
    recorder, agenda = campaign.recorder, campaign.agenda
    for trial in trials:
        agenda.ledger.add(trial)
        recorder.number = max(recorder.number, trial.number + 1)
        recorder.invocation = max(recorder.invocation, trial.invocation + 1)
    agenda.used_before = max(agenda.ledger.spent_seconds, used_seconds)
