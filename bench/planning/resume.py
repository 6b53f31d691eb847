"""Read an interrupted run's request and plan back, to go on with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from tare.bench.planning.from_request import choose_workloads
from tare.bench.planning.modes import MODES
from tare.bench.planning.plan import Case, Plan
from tare.bench.request.record import request_from_record
from tare.results.plan import RequestRecord
from tare.results.storage.find import find_run
from tare.results.storage.load import load_run
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from tare.bench.request.request import Request


def resumed(request: Request) -> tuple[Request, Plan]:
    """What an interrupted run was asked and had planned.

    Raises:
        UsageError: the run's plan is not one that this version can go on with.
    """
    folder = find_run(request.resume, request.settings.output.results_dir)
    manifest = load_run(folder).manifest
    try:
        asked = request_from_record(msgspec.convert(manifest.plan["request"], RequestRecord))
        output = replace(request.settings.output, results_dir=folder.parent)
        again = replace(
            asked,
            settings=replace(asked.settings, output=output),
            offline=request.offline,
            profile=request.profile,
            report=request.report,
            resuming=request.resuming,
            resume=manifest.run,
        )
        known = {workload.name: workload for workload in choose_workloads(again)}
        kept = Plan(
            mode=replace(MODES[asked.mode], rounds=manifest.plan["rounds"]),
            seed=manifest.seed,
            cases=tuple(Case(known[case["workload"]], case["runner"]) for case in manifest.plan["cases"]),
            skips=(),
            cold_blocks=manifest.plan["cold_blocks"],
            steady_blocks=manifest.plan["steady_blocks"],
            full_blocks=manifest.plan["full_blocks"],
            full_cold_blocks=manifest.plan["full_cold_blocks"],
            estimate_seconds=manifest.plan["estimate_seconds"],
            trials=manifest.plan["trials"],
            reopened=frozenset(manifest.plan["reopened"]),
            experiment_blocks=manifest.plan["experiment_blocks"],
        )
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"run {manifest.run} cannot be resumed: its plan lacks {error}. Start a new run."
        ) from error
    return again, kept
