"""Read an interrupted run's request and plan back, to go on with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tare.bench.planning.record import plan_from_record
from tare.bench.request.record import request_from_record
from tare.results.errors import ResultError
from tare.results.plan import plan_record
from tare.results.storage.find import find_run
from tare.results.storage.load import load_run
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tare.bench.planning.plan import Plan
    from tare.bench.request.request import Request
    from tare.results.plan import PlanRecord
    from tare.results.record import Manifest


def resumed(request: Request) -> tuple[Request, Plan]:
    """Restore what an interrupted run was asked and had planned.

    Where reports go, and what concerns this call alone (offline, profile, report), is taken from ``request``.

    Raises:
        ResultError: there is no such run, or its manifest cannot be read.
        UsageError: the plan is damaged, or names what does not exist here; the text names the field.
    """
    folder = find_run(request.resume, request.settings.output.results_dir)
    manifest = load_run(folder).manifest
    try:
        record = plan_record(manifest)
        _check_manifest(record, manifest)
        again = _again(request, record, folder)
        return again, plan_from_record(record, again)
    except (ResultError, UsageError) as error:
        raise UsageError(f"run {manifest.run} cannot be resumed: {error}. Start a new run.") from error


def _check_manifest(record: PlanRecord, manifest: Manifest) -> None:
    if record.seed != manifest.seed:
        raise UsageError(f"plan.seed: {record.seed} is not the run's, {manifest.seed}")
    if not record.mode == record.request.mode == manifest.mode:
        raise UsageError(
            f"plan.mode: {record.mode!r} is not the run's, {manifest.mode!r}, or not the one asked for"
        )


def _again(request: Request, record: PlanRecord, folder: Path) -> Request:
    asked = request_from_record(record.request)
    output = replace(request.settings.output, results_dir=folder.parent)
    return replace(
        asked,
        settings=replace(asked.settings, output=output),
        offline=request.offline,
        profile=request.profile,
        report=request.report,
        resuming=request.resuming,
        resume=folder.name,
    )
