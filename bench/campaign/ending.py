"""Word the line that says how a run ended and how to go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.progress import clock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tare.bench.planning.plan import Plan
    from tare.results.record import Course, Ending

_WHY: Mapping[Ending, str] = {
    "decided": "all intervals are within ±{aim:g} %",
    "counted": "all blocks that were asked for are measured",
    "exhausted": "more blocks would tell nothing more",
    "budget": "the budget is spent",
    "deadline": "time was up",
    "interrupted": "interrupted; all that was measured is kept",
}


def closing_line(plan: Plan, course: Course, precise: Collection[str], again: str) -> str:
    """Tell what was used of the budget, why the run ended, and the command that goes on with it."""
    text = f"measured for {clock(course.used_seconds)} of {clock(plan.budget_seconds)}: "
    text += _WHY[course.ended].format(aim=plan.precision * 100)
    if course.ended in {"budget", "deadline", "exhausted"}:
        text += f" ({len(precise)} of {len(plan.units())} workloads are within ±{plan.precision * 100:g} %)"
    if course.ended == "interrupted":
        return f"{text}. Go on with: {again}"
    if course.ended in {"budget", "deadline"} and plan.blocks is None:
        return f"{text}. For more: {again} --budget {_minutes(plan.budget_seconds)}"
    return text


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f}m" if seconds >= 60 else f"{seconds:.0f}"
