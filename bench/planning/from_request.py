"""Make a plan from a request: choose the workloads, adapt the mode, refuse to measure the base alone."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench.catalogue import measurables
from tare.bench.errors import EnvironmentMissing
from tare.bench.measurable import Terms
from tare.bench.own.expand import expand, terms_of
from tare.bench.planning.estimates import read_estimates
from tare.bench.planning.matrix import Aim, Selection, cross, make_plan
from tare.bench.planning.modes import MODES
from tare.bench.request.keyword import compile_keyword
from tare.bench.workloads.command import Command, CommandTerms
from tare.bench.workloads.null import Null
from tare.results.judgement.claims.declared import selections
from tare.results.record import BASE, CONTROL
from tare.results.said import joined, listed, say
from tare.runners.errors import SettingRefused, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.bench.experiments.base import Experiment
    from tare.bench.planning.modes import Mode
    from tare.bench.planning.plan import Plan
    from tare.bench.planning.runners import Bench
    from tare.bench.request.keyword import Match
    from tare.bench.request.request import Request
    from tare.bench.workloads.base import Workload


def choose_workloads(request: Request) -> tuple[Workload | Experiment, ...]:
    """Choose all workloads and experiments, or ``null`` and the user's own command, or the versions to compare."""
    image = request.settings.run.image
    around = (
        terms_of(request.around, {}, show_output=request.show_output) if request.around else CommandTerms()
    )
    if request.versions:
        return tuple(
            Command(command, around, name=name, program=name, image=image)
            for name, command in request.versions
        )
    if request.command:
        return Null(), Command(request.command, around, image=image)
    own = expand(request.own, image=image, show_output=request.show_output)
    ours = (Null(),) if request.only_own else measurables()
    names = {one.name for one in ours} | (set() if request.only_own else {one.family for one in ours})
    if clash := sorted(names & {name for one in own for name in (one.name, *one.aliases)}):
        raise UsageError(say(
            "own.clash", "{clash} is the name of one of the suite's workloads or families: give yours another name.",
            clash=clash[0],
        ))  # fmt: skip
    return *ours, *own


def plan(request: Request, bench: Bench, missing: Mapping[str, tuple[str, str]] | None = None) -> Plan:
    """Step 1: cross what is asked for with the runners, and fit it into the budget.

    Args:
        request: what is asked for.
        bench: the runners and their probes.
        missing: program → (reason, remedy), for programs that could not be had.

    Raises:
        SettingRefused: the request matches no workload.
    """
    wanted = request.settings.run
    terms = Terms(request.limits(), request.settings.crowd, wanted.image)
    selection = Selection(choose_workloads(request), _match(request), request.mode, missing or {}, terms)
    accelerators = {key: runner.accelerator for key, runner in bench.runners.items()}
    estimates = read_estimates(bench.supplies.context.cache, accelerators)
    made = make_plan(
        cross(selection, bench.runners, bench.probes),
        Aim(_mode(request), estimates, wanted.blocks, together=bool(request.versions)),
        secrets.randbelow(1 << 32) if wanted.seed is None else wanted.seed,
    )
    if request.versions:
        # The noise floor is the host's, so measuring the first version twice is enough to show it.
        made = made.without({(name, CONTROL) for name, _ in request.versions[1:]})
    if request.cases is not None:
        made = made.restricted(request.cases)
    if not made.cases and not made.skips:
        raise SettingRefused("-k", say(
            "keyword.selects_none", "{keyword!r} selects no workload; `tare plan` lists those that need not be named.",
            keyword=wanted.keyword,
        ))  # fmt: skip
    return made


def _mode(request: Request) -> Mode:
    """Adapt the mode to what is asked for."""
    wanted, mode = request.settings.run, MODES[request.mode]
    return replace(
        mode,
        budget_seconds=wanted.budget_seconds or mode.budget_seconds,
        precision=wanted.precision or mode.precision,
    )


def _match(request: Request) -> Match:
    """Match the names that ``-k`` or the cases name; nothing is named by cases that a mode selects."""
    keyword = request.settings.run.keyword
    if request.cases is None:
        if not keyword.strip():  # no name is asked for, and so nothing imported
            return compile_keyword("")
        known = (*measurables(), *choose_workloads(request))
        names = [name for one in known for name in (one.name, one.family, *one.aliases)]
        return compile_keyword(keyword, names, selections())
    wanted = {name for name, _ in request.cases}

    def match(names: Iterable[str]) -> bool:
        names = tuple(names)
        return any(name in wanted for name in names) or not (names or request.cases_named)

    return match


def worth_measuring(request: Request, plan: Plan) -> Plan:
    """Return the plan, unless it would measure the base alone for somebody who asked for other runners only.

    Raises:
        EnvironmentMissing: nothing that was asked for can be measured; the text has each runner's reason and remedy.
    """
    asked = request.settings.run.runners
    implied = {BASE, CONTROL} if asked and BASE not in asked else set()
    if not any(case.runner not in implied for case in plan.cases):
        raise EnvironmentMissing(nothing_to_measure(plan))
    return plan


def nothing_to_measure(plan: Plan) -> str:
    """Explain why a plan has nothing but skips and the base: each runner's reason and remedy."""
    reasons = dict.fromkeys(
        listed((skip.runner, joined(skip.reason, skip.remedy)), ": ") for skip in plan.skips
    )
    nothing = say("plan.nothing", "nothing that was asked for can be measured here.")
    return listed((nothing, *reasons), "\n  ")
