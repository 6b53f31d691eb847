"""Implement ``tare plan``: list what would run and what the budget can decide. Measures and fetches nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tare.bench.commands.shared.options import add_request_options, request_from
from tare.bench.commands.shared.own_options import add_own_options, with_own
from tare.bench.errors import Exit
from tare.bench.progress import Lines, clock, teller
from tare.reports.summaries.names import titled
from tare.reports.text.columns import padded, right, width
from tare.reports.text.words import quotable
from tare.results.said import Name, say
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from tare.bench.analysis.forecast import Forecast
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.units import Unit
    from tare.bench.request.request import Request


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a request, and the format."""
    add_request_options(parser)
    add_own_options(parser, several=True)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Plan and print the plan with its forecast; the exit code is 0."""
    from tare.bench.analysis.forecast import forecast  # noqa: PLC0415 - options are declared without it
    from tare.bench.campaign.run import accelerators  # noqa: PLC0415
    from tare.bench.campaign.session import opened  # noqa: PLC0415
    from tare.bench.planning.estimates import read_estimates  # noqa: PLC0415
    from tare.bench.planning.from_request import plan as make_plan  # noqa: PLC0415

    request = with_own(request_from(arguments), arguments)
    with opened(request, Lines(language=request.settings.output.language)) as bench:
        plan = make_plan(request, bench)
        cache = bench.supplies.context.cache
        expected = forecast(plan, read_estimates(cache, accelerators(bench.runners)), cache)
    print(
        json.dumps(_as_json(plan, request, expected), indent=2)
        if arguments.json
        else _as_text(plan, expected, teller(request.settings.output.language))
    )
    return Exit.OK


_HEADS = (
    say("terminal.workload", "workload"),
    say("terminal.family", "family"),
    say("terminal.blocks", "blocks"),
    say("terminal.time", "time"),
    "CPU",
    say("terminal.needs", "needs"),
    say("terminal.columns_runners", "runners"),
)


def _as_json(plan: Plan, request: Request, expected: Sequence[Forecast]) -> dict[str, object]:
    import msgspec  # noqa: PLC0415 - options are declared without it

    from tare.bench.planning.record import plan_to_record  # noqa: PLC0415

    skips = [
        {"workload": s.workload, "runner": s.runner, "reason": s.reason, "remedy": s.remedy}
        for s in plan.skips
    ]
    units = [
        {
            "unit": one.unit.name,
            "stream": one.unit.stream,
            "runners": list(dict.fromkeys(case.runner for case in one.unit.cases)),
            "blocks": one.blocks,
            "block_seconds": round(one.block_seconds, 4),
            "half_widths": {judged: round(width, 5) for judged, width in one.half_widths.items()},
            "other_length": one.other_length,
            "seconds_needed": None if one.seconds_needed is None else round(one.seconds_needed, 1),
        }
        for one in expected
    ]
    return {**msgspec.to_builtins(plan_to_record(plan, request)), "skips": skips, "units": units}


def _as_text(plan: Plan, expected: Sequence[Forecast], tell: Callable[[str], str]) -> str:
    heads = [tell(head) for head in _HEADS]
    names = [_unit(one.unit, tell) for one in expected]
    wide = max(map(width, (heads[0], *names))) + 2
    broad = max(map(width, (heads[1], *(one.unit.workloads[0].family for one in expected)))) + 1
    lines = [
        padded(heads[0], wide)
        + padded(heads[1], broad)
        + right(heads[2], 7)
        + "".join(right(one, 10) for one in heads[3:6])
        + f"  {heads[6]}"
    ]
    for name, one in zip(names, expected, strict=True):
        time, cpu = (tell(_width(one, judged)) for judged in ("time", "cpu"))
        needs = "?" if one.seconds_needed is None else clock(one.seconds_needed)
        runners = ", ".join(dict.fromkeys(case.runner for case in one.unit.cases))
        family = one.unit.workloads[0].family
        about = f"{padded(name, wide)}{padded(family, broad)}{one.blocks:>7}"
        lines.append(f"{about}{time:>10}{cpu:>10}{needs:>10}  {runners}")
    lines += _skips(plan, tell)
    if plan.blocks is not None:
        how = say(
            "terminal.counted", "{blocks} of everything in about {time}",
            blocks=count(plan.blocks, "block"), time=clock(plan.estimate_seconds),
        )  # fmt: skip
    else:
        how = say(
            "terminal.until", "until all intervals are within ±{aim} %, {time} at most",
            aim=f"{plan.precision * 100:g}", time=clock(plan.budget_seconds),
        )  # fmt: skip
    last = say("terminal.mode", "mode {mode}, seed {seed}: {how}", mode=plan.mode, seed=plan.seed, how=how)
    return "\n".join([*lines, *map(tell, (*_explained(plan, expected), last))])


def _unit(unit: Unit, tell: Callable[[str], str]) -> str:
    """Name a unit by its workloads, what sets it apart behind them."""
    names = "+".join(_named(one.name, tell) for one in unit.workloads)
    return names + unit.name.removeprefix(unit.group)


def _named(workload: str, tell: Callable[[str], str]) -> str:
    return tell(titled(workload, Name(workload), quotable()))


def _width(one: Forecast, judged: str) -> str:
    widths = {str(name): width for name, width in one.half_widths.items()}
    return f"±{widths[judged] * 100:.1f} %" if judged in widths else "?"


def _skips(plan: Plan, tell: Callable[[str], str]) -> list[str]:
    by_reason: dict[tuple[str, str, str], list[str]] = {}
    for skip in plan.skips:
        by_reason.setdefault((skip.runner, skip.reason, skip.remedy), []).append(_named(skip.workload, tell))
    lines = []
    for (runner, reason, remedy), workloads in by_reason.items():
        lines.append(
            tell(
                say(
                    "terminal.skipped",
                    "skipped on {runner}: {names}",
                    runner=runner,
                    names=", ".join(workloads),
                )
            )
        )
        lines.append(f"    {tell(say('terminal.why', 'why: {reason}', reason=reason))}")
        lines += [f"    {tell(say('terminal.remedy', 'remedy: {remedy}', remedy=remedy))}"] if remedy else []
    return lines


def _explained(plan: Plan, expected: Sequence[Forecast]) -> list[str]:
    """Say what the columns are, what is unknown, and what more time would decide."""
    lines = [
        say(
            "terminal.expected",
            "blocks, time, CPU: what the budget is expected to give, by the costs and spreads of this host's last run",
        ),
        say(
            "terminal.needs_explained",
            "needs: measuring time of the row alone until both are within ±{aim} %",
            aim=f"{plan.precision * 100:g}",
        ),
    ]
    known = [one for one in expected if one.seconds_needed is not None]
    if len(known) < len(expected):
        lines.append(
            say(
                "terminal.unknown",
                "?: not measured on this host yet ({n} of {all})",
                n=len(expected) - len(known),
                all=count(len(expected), "row"),
            )
        )
    if other := [one for one in known if one.other_length]:
        lines.append(
            say(
                "terminal.other_length",
                "by jobs of another length, such as those of quick runs, and so a guess: {n} of {all}",
                n=len(other),
                all=count(len(expected), "row"),
            )
        )
    if known and plan.blocks is None:
        needed = sum(one.seconds_needed or 0.0 for one in known)
        lines.append(
            say(
                "terminal.target",
                "within the target in all rows that are known: after about {time} of measuring",
                time=clock(needed),
            )
        )
    return lines
