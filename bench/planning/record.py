"""Keep a plan in a run's manifest as JSON, and read it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.planning.from_request import choose_workloads
from tare.bench.planning.plan import Blocks, Case, Plan
from tare.bench.planning.runners import runner_keys
from tare.bench.request.record import request_to_record
from tare.results.plan import CaseRecord, PlanRecord
from tare.results.record import CONTROL_SUFFIX
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from tare.bench.request.request import Request


def plan_to_record(plan: Plan, request: Request) -> PlanRecord:
    """Keep the plan and what it was made from, without the skips: they are trials."""
    return PlanRecord(
        mode=plan.mode,
        seed=plan.seed,
        rounds=plan.rounds,
        cold_blocks=plan.cold.count,
        steady_blocks=plan.steady.count,
        full_blocks=plan.steady.full,
        full_cold_blocks=plan.cold.full,
        experiment_blocks=dict(plan.experiment_blocks),
        job_seconds=plan.job_seconds,
        warmups=plan.warmups,
        budget_seconds=plan.budget_seconds,
        estimate_seconds=plan.estimate_seconds,
        trials=plan.trials,
        reopened=tuple(sorted(plan.reopened)),
        cases=tuple(CaseRecord(workload=case.workload.name, runner=case.runner) for case in plan.cases),
        request=request_to_record(request),
    )


def plan_from_record(record: PlanRecord, request: Request) -> Plan:
    """Make the plan that was recorded, for the request that was recorded with it.

    Raises:
        UsageError: it names what does not exist, or contradicts itself; the text names the field.
    """
    _check_blocks(record)
    cases = _cases(record, request)
    return Plan(
        mode=record.mode,
        seed=record.seed,
        cases=cases,
        cold=Blocks(record.cold_blocks, record.full_cold_blocks),
        steady=Blocks(record.steady_blocks, record.full_blocks),
        experiment_blocks=record.experiment_blocks,
        rounds=record.rounds,
        job_seconds=record.job_seconds,
        warmups=record.warmups,
        budget_seconds=record.budget_seconds,
        estimate_seconds=record.estimate_seconds,
        trials=record.trials,
        reopened=frozenset(record.reopened),
    )


def _check_blocks(record: PlanRecord) -> None:
    if record.rounds > max(1, record.steady_blocks):
        raise UsageError(
            f"plan.rounds: {record.rounds} are more than plan.steady_blocks, {record.steady_blocks}"
        )
    for name, full, count in (
        ("full_blocks", record.full_blocks, record.steady_blocks),
        ("full_cold_blocks", record.full_cold_blocks, record.cold_blocks),
    ):
        if full is not None and full > count:
            raise UsageError(f"plan.{name}: {full} are more than the {count} blocks of the kind")


def _cases(record: PlanRecord, request: Request) -> tuple[Case, ...]:
    known = {workload.name: workload for workload in choose_workloads(request)}
    keys = runner_keys(request)
    cases = []
    for number, case in enumerate(record.cases):
        where = f"plan.cases[{number}]"
        if case.workload not in known:
            raise UsageError(f"{where}.workload: there is no {case.workload!r} in this run")
        if case.runner.removesuffix(CONTROL_SUFFIX) not in keys:
            raise UsageError(f"{where}.runner: {case.runner!r} is none of the run's: {', '.join(keys)}")
        cases.append(Case(known[case.workload], case.runner))
    if not cases or len(set(cases)) < len(cases):
        raise UsageError("plan.cases: there are none, or some are there twice")
    experiments = {case.workload.name for case in cases if case.workload.kind == "experiment"}
    if lacking := sorted(experiments - set(record.experiment_blocks)):
        raise UsageError(f"plan.experiment_blocks: {', '.join(lacking)} is not there")
    if strange := sorted(set(record.experiment_blocks) - set(known)):
        raise UsageError(f"plan.experiment_blocks: there is no {', '.join(strange)} in this run")
    return tuple(cases)
