"""Read a run's request and plan back, to go on with it where it was interrupted, or to extend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench.planning.record import plan_from_record
from tare.bench.request.keyword import compile_keyword
from tare.bench.request.record import request_from_record
from tare.results.errors import ResultError
from tare.results.plan import plan_record
from tare.results.record import FORMAT_VERSION
from tare.results.said import say
from tare.results.statistics.phrases import count
from tare.results.storage.find import find_run
from tare.results.storage.load import load_run
from tare.runners.errors import SettingRefused, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tare.bench.planning.plan import Plan
    from tare.bench.request.request import Request
    from tare.results.plan import PlanRecord
    from tare.results.record import Manifest


def resumed(request: Request) -> tuple[Request, Plan]:
    """Restore what a run was asked and had planned, with the measuring time that is added to it.

    Where reports go, and what concerns this call alone (offline, profile, report), is taken from ``request``.

    Raises:
        ResultError: there is no such run, or its manifest cannot be read.
        UsageError: the plan is damaged, or names what does not exist here (the text names the field); or the run is
            finished and not extended, or cannot be extended.
    """
    folder = find_run(request.resume, request.settings.output.results_dir)
    run = load_run(folder)
    manifest = run.manifest
    try:
        _check_format(run.stored_format)
        record = plan_record(manifest)
        _check_manifest(record, manifest)
        again = replace(_again(request, record, folder), pulled_images=_pulled_images(manifest))
        plan = plan_from_record(record, again)
    except (ResultError, UsageError) as error:
        raise UsageError(say(
            "resume.refused", "run {run} cannot be resumed: {error}. Start a new run.",
            run=manifest.run, error=error,
        )) from error  # fmt: skip
    return again, _extended(plan, request, manifest)


def _extended(plan: Plan, request: Request, manifest: Manifest) -> Plan:
    """Add measuring time to a plan, for all of its units or those that are asked for."""
    seconds = request.extension_seconds
    if not seconds:
        if manifest.status == "complete":
            raise UsageError(say(
                "resume.finished", "run {run} is finished. Extend it by some measuring time: --resume {run} --budget 6m",
                run=manifest.run,
            ))  # fmt: skip
        return plan
    if plan.blocks is not None:
        raise UsageError(say(
            "resume.exact_blocks",
            "run {run} cannot be extended: it measures exactly {blocks}, as was asked. Start a new run with a --budget.",
            run=manifest.run, blocks=count(plan.blocks, "block"),
        ))  # fmt: skip
    budget = plan.budget_seconds + seconds
    more_of = _units_named(plan, request.extension_keyword) if request.extension_keyword else frozenset[str]()
    return replace(plan, budget_seconds=budget, estimate_seconds=budget, extended=True, more_of=more_of)


def _units_named(plan: Plan, keyword: str) -> frozenset[str]:
    """Name the units that an extension is for: ``disk-seq``, or ``disk-seq@qemu-microvm`` beside a costly runner.

    A word that is a workload's name is no family's: ``cpu`` is not ``cpu-all``.
    """
    units = plan.units()
    workloads = {one.name for unit in units for one in unit.workloads}
    names: dict[str, list[str]] = {}
    for unit in units:
        families = {one.family for one in unit.workloads} - workloads
        at = f"@{unit.stream}" if unit.stream else ""
        names[unit.name] = [f"{name}{at}" for name in (*(one.name for one in unit.workloads), *families)]
    match = compile_keyword(keyword, [name for own in names.values() for name in own])
    found = frozenset(name for name, own in names.items() if match(own))
    if not found:
        raise SettingRefused("-k", say(
            "resume.selects_none", "{keyword!r} selects nothing that the run measures.", keyword=keyword,
        ))  # fmt: skip
    return found


def _check_format(stored: int) -> None:
    if stored != FORMAT_VERSION:
        raise UsageError(say(
            "resume.older", "it has the older format {stored}, which can be read but not continued",
            stored=stored,
        ))  # fmt: skip


def _check_manifest(record: PlanRecord, manifest: Manifest) -> None:
    if record.seed != manifest.seed:
        raise UsageError(say(
            "resume.seed", "plan.seed: {seed} is not the run's, {seed2}",
            seed=record.seed, seed2=manifest.seed,
        ))  # fmt: skip
    if not record.mode == record.request.mode == manifest.mode:
        raise UsageError(say(
            "resume.mode", "plan.mode: {mode!r} is not the run's, {mode2!r}, or not the one asked for",
            mode=record.mode, mode2=manifest.mode,
        ))  # fmt: skip


def _pulled_images(manifest: Manifest) -> tuple[str, ...]:
    return manifest.provenance.images if manifest.provenance else ()


def _again(request: Request, record: PlanRecord, folder: Path) -> Request:
    asked = request_from_record(record.request)
    output = replace(request.settings.output, results_dir=folder.parent)
    settings = replace(asked.settings, output=output, commands=request.settings.commands)
    return replace(
        asked,
        settings=settings,
        offline=request.offline,
        profile=request.profile,
        report=request.report,
        show_output=request.show_output,
        resuming=request.resuming,
        resume=folder.name,
        extension_seconds=request.extension_seconds,
    )
