"""Measure a plan into a run's folder: open the store, run the campaign, close it in order even if interrupted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tare.bench.campaign.loop import Campaign
from tare.bench.campaign.manifest import make_manifest
from tare.bench.campaign.recorder import Recorder
from tare.bench.campaign.remaining import Remaining, done_slots
from tare.bench.campaign.stopping import EVERY_BLOCK, Precision
from tare.results.errors import NotWritten
from tare.results.record import BASE, CONTROL_SUFFIX, CPU_TIME
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter, amend, resume
from tare.runners.undoing import UndoLog

if TYPE_CHECKING:
    from pathlib import Path

    from tare.bench.campaign.provision import Provisioned
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.runners import Bench
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request


@dataclass(frozen=True, slots=True)
class Measured:
    """A run that was measured, wholly or in part."""

    run_dir: Path
    interrupted: bool
    """Ended before the plan was done: by Ctrl-C, by SIGTERM, or because the launcher was killed again."""
    undo_log: UndoLog = field(default_factory=UndoLog)
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
        precision = _precision(request, provisioned.bench)
        campaign = _campaign(plan, provisioned, writer, precision, progress)
        if request.resume:
            campaign = _take_up(campaign, writer)
        interrupted = False
        try:
            campaign.run()
            if precision:
                writer.update(precise_after_blocks=precision.reached())
        except KeyboardInterrupt:
            interrupted = True
            progress.end()
            progress.say(
                "interrupted; all that was measured is kept. Go on with: "
                + request.resuming.format(run=writer.manifest.run)
            )
        except BaseException:
            # What ended the measuring is to be told, even if the manifest cannot be written either.
            with suppress(NotWritten):
                writer.finish("interrupted")
            raise
        finally:
            campaign.recorder.costs.remember(provisioned.bench.supplies.context.cache)
        writer.finish("interrupted" if interrupted else "complete")
        return Measured(writer.path, interrupted, provisioned.bench.supplies.context.undo_log)


def _writer(request: Request, provisioned: Provisioned, plan: Plan) -> RunWriter:
    folder = request.settings.output.results_dir
    if request.resume:
        return resume(folder / request.resume)
    return RunWriter.create(folder, make_manifest(request, provisioned, plan))


def _precision(request: Request, bench: Bench) -> Precision | None:
    """Make the rule that ends sampling early, if the request aims at a precision."""
    target = request.settings.run.precision
    if not target:
        return None
    versions = tuple(name for name, _ in request.versions)
    base = versions[0] if versions else "" if request.variants else bench.runners[BASE].label
    also = (CPU_TIME,) if versions or request.variants else ()
    return Precision(target, base, versions, also)


def _campaign(
    plan: Plan, provisioned: Provisioned, writer: RunWriter, precision: Precision | None, progress: Progress
) -> Campaign:
    stopping = precision or EVERY_BLOCK
    recorder = Recorder(writer.manifest.run, writer.append, progress, stopping)
    return Campaign(Remaining(plan, stopping=stopping), provisioned, recorder)


def _take_up(campaign: Campaign, writer: RunWriter) -> Campaign:
    """Go on where an interrupted run ended."""
    recorder, runners = campaign.recorder, campaign.provisioned.bench.runners
    for notice in writer.notices:
        recorder.progress.say(notice)
    trials = list(load_run(writer.path).trials())
    for trial in trials:
        recorder.stopping.add(trial)
    recorder.number = writer.next_number
    recorder.invocation = 1 + max((trial.invocation for trial in trials), default=-1)
    recorder.progress.say(f"going on with {writer.manifest.run} at trial {recorder.number}")
    keys = {
        runner.label + again: key + again for key, runner in runners.items() for again in ("", CONTROL_SUFFIX)
    }
    return replace(campaign, remaining=replace(campaign.remaining, done=done_slots(trials, keys)))
