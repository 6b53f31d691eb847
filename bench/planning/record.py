"""Keep a plan in a run's manifest as JSON, and read it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.planning.case import Case
from tare.bench.planning.from_request import choose_workloads
from tare.bench.planning.plan import Plan
from tare.bench.planning.runners import runner_keys
from tare.bench.request.record import request_to_record
from tare.results.plan import CaseRecord, PlanRecord
from tare.results.record import CONTROL_SUFFIX
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from tare.bench.request.request import Request


def plan_to_record(plan: Plan, request: Request) -> PlanRecord:
    """Keep the plan and what it was made from, without the skips: they are trials."""
    return PlanRecord(
        mode=plan.mode,
        seed=plan.seed,
        blocks=plan.blocks,
        precision=plan.precision,
        together=plan.together,
        job_seconds=plan.job_seconds,
        warmups=plan.warmups,
        budget_seconds=plan.budget_seconds,
        estimate_seconds=plan.estimate_seconds,
        cheap=tuple(sorted(plan.cheap)),
        emulated=tuple(sorted(plan.emulated)),
        cases=tuple(CaseRecord(workload=case.workload.name, runner=case.runner) for case in plan.cases),
        request=request_to_record(request),
    )


def plan_from_record(record: PlanRecord, request: Request) -> Plan:
    """Make the plan that was recorded, for the request that was recorded with it.

    Raises:
        UsageError: it names what does not exist, or contradicts itself; the text names the field.
    """
    return Plan(
        mode=record.mode,
        seed=record.seed,
        cases=_cases(record, request),
        blocks=record.blocks,
        precision=record.precision,
        together=record.together,
        job_seconds=record.job_seconds,
        warmups=record.warmups,
        budget_seconds=record.budget_seconds,
        estimate_seconds=record.estimate_seconds,
        cheap=frozenset(record.cheap),
        emulated=frozenset(record.emulated),
    )


def _cases(record: PlanRecord, request: Request) -> tuple[Case, ...]:
    known = {workload.name: workload for workload in choose_workloads(request)}
    keys = runner_keys(request)
    cases = []
    for number, case in enumerate(record.cases):
        where = f"plan.cases[{number}]"
        if case.workload not in known:
            raise UsageError(say(
                "plan.no_workload", "{where}.workload: there is no {workload!r} in this run",
                where=where, workload=case.workload,
            ))  # fmt: skip
        if case.runner.removesuffix(CONTROL_SUFFIX) not in keys:
            raise UsageError(say(
                "plan.no_runner", "{where}.runner: {runner!r} is none of the run's: {keys}",
                where=where, runner=case.runner, keys=", ".join(keys),
            ))  # fmt: skip
        cases.append(Case(known[case.workload], case.runner))
    if not cases or len(set(cases)) < len(cases):
        raise UsageError(say("plan.no_cases", "plan.cases: there are none, or some are repeated"))
    return tuple(cases)
