"""Make plans and their records without a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tare.bench.planning.plan import Plan
from tare.bench.planning.record import plan_to_record

if TYPE_CHECKING:
    from tare.bench.planning.case import Case
    from tare.bench.request.request import Request


def make_plan(*cases: Case, **changes: Any) -> Plan:
    """Give a plan of these cases: three blocks of everything, unless ``changes`` say otherwise."""
    fields: dict[str, Any] = {
        "mode": "quick",
        "seed": 7,
        "blocks": 3,
        "precision": 0.01,
        "job_seconds": 0.05,
        "warmups": False,
        "budget_seconds": 45.0,
        "estimate_seconds": 1.0,
    }
    return Plan(cases=cases, **fields | changes)


def plan_json(request: Request, plan: Plan | None = None) -> dict[str, Any]:
    """Give what a manifest holds of a plan."""
    made: dict[str, Any] = msgspec.to_builtins(plan_to_record(plan or make_plan(), request))
    return made
