"""Word the line that says how a run ended and how to go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.progress import clock
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Collection

    from tare.bench.planning.plan import Plan
    from tare.results.record import Course, Ending


def closing_line(plan: Plan, course: Course, precise: Collection[str], again: str) -> str:
    """Tell what was used of the budget, if the plan has one, why the run ended, and the command that goes on with it."""
    used, why = clock(course.used_seconds), _why(course.ended, plan)
    text = say(
        "ending.measured", "measured for {used} of {budget}: {why}",
        used=used, budget=clock(plan.budget_seconds), why=why,
    ) if plan.blocks is None else say("ending.blocks", "measured for {used}: {why}", used=used, why=why)  # fmt: skip
    if course.ended in {"budget", "deadline", "exhausted"}:
        text = say(
            "ending.precise", "{text} ({precise} of {all} groups of a workload and its runners are within ±{aim} %)",
            text=text, precise=len(precise), all=len(plan.units()), aim=f"{plan.precision * 100:g}",
        )  # fmt: skip
    if course.ended == "interrupted":
        return say("ending.go_on", "{text}. Go on with: {command}", text=text, command=again)
    if course.ended in {"budget", "deadline"} and plan.blocks is None:
        command = f"{again} --budget {_minutes(plan.budget_seconds)}"
        return say("ending.more", "{text}. For more: {command}", text=text, command=command)
    return text


def _why(ended: Ending, plan: Plan) -> str:
    match ended:
        case "decided":
            return say("ending.decided", "all intervals are within ±{aim} %", aim=f"{plan.precision * 100:g}")
        case "counted":
            return say("ending.counted", "all blocks that were asked for are measured")
        case "exhausted":
            return say("ending.exhausted", "more blocks would add nothing")
        case "budget":
            return say("ending.budget", "the budget is spent")
        case "deadline":
            return say("ending.deadline", "time was up")
        case "interrupted":
            return say("ending.interrupted", "interrupted; all that was measured is kept")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f}m" if seconds >= 60 else f"{seconds:g}s"
