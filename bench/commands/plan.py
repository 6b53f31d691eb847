"""Implement ``tare plan``: list what would run and how long it will take. Measures and fetches nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from tare.bench.campaign.session import opened
from tare.bench.commands.shared.options import add_request_options, request_from
from tare.bench.errors import Exit
from tare.bench.planning.from_request import plan as make_plan
from tare.bench.planning.record import plan_to_record
from tare.bench.progress import Lines, clock

if TYPE_CHECKING:
    import argparse

    from tare.bench.measurable import WorkloadKind
    from tare.bench.planning.plan import Blocks, Plan
    from tare.bench.request.request import Request


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a request, and the format."""
    add_request_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Plan and print the plan; the exit code is 0."""
    request = request_from(arguments)
    with opened(request, Lines()) as bench:
        plan = make_plan(request, bench)
    print(json.dumps(_as_json(plan, request), indent=2) if arguments.json else _as_text(plan))
    return Exit.OK


def _as_json(plan: Plan, request: Request) -> dict[str, object]:
    skips = [
        {"workload": s.workload, "runner": s.runner, "reason": s.reason, "remedy": s.remedy}
        for s in plan.skips
    ]
    return {**msgspec.to_builtins(plan_to_record(plan, request)), "skips": skips}


def _as_text(plan: Plan) -> str:
    lines = [f"{'workload':<14}{'family':<10}{'blocks':>7}  runners"]
    kinds: tuple[tuple[WorkloadKind, Blocks], ...] = (
        ("cold", plan.cold),
        ("steady", plan.steady),
    )
    for kind, planned in kinds:
        for workload in plan.workloads(kind):
            runners = ", ".join(case.runner for case in plan.cases if case.workload == workload)
            lines.append(f"{workload.name:<14}{workload.family:<10}{planned.count:>7}  {runners}")
    for experiment in plan.experiments():
        runners = ", ".join(case.runner for case in plan.cases if case.workload == experiment)
        blocks = plan.experiment_blocks[experiment.name]
        lines.append(f"{experiment.name:<14}{experiment.family:<10}{blocks:>7}  {runners}")
    for planned, what in ((plan.cold, "cold"), (plan.steady, "steady-state")):
        if planned.full is not None:
            lines.append(f"slow runners take part in {planned.full} of the {planned.count} {what} blocks")
    by_reason: dict[tuple[str, str, str], list[str]] = {}
    for skip in plan.skips:
        by_reason.setdefault((skip.runner, skip.reason, skip.remedy), []).append(skip.workload)
    for (runner, reason, remedy), workloads in by_reason.items():
        lines.append(f"skipped on {runner}: {', '.join(workloads)}\n    why: {reason}")
        lines += [f"    remedy: {remedy}"] if remedy else []
    lines.append(
        f"mode {plan.mode}, seed {plan.seed}: {plan.trials} trials in about {clock(plan.estimate_seconds)}"
        f" (steady-state places are opened {plan.rounds} time{'s' if plan.rounds > 1 else ''})"
    )
    return "\n".join(lines)
