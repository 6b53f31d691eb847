"""Cross what can be measured with runners into cases, and record what is skipped and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tare.bench.measurable import Unsuitable
from tare.bench.planning.case import Case, Refusal, Skip
from tare.bench.planning.modes import EMULATED_IF_NAMED, EMULATED_QUICKLY, LEAST_OPENINGS, is_planned
from tare.bench.planning.plan import BASE_VARIANT, PERIOD, Plan
from tare.bench.workloads.command import FAMILY as COMMAND_FAMILY
from tare.results.record import BASE, CONTROL_SUFFIX
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.bench.experiments.base import Experiment
    from tare.bench.measurable import Terms
    from tare.bench.planning.estimates import Estimates
    from tare.bench.planning.modes import Mode
    from tare.bench.request.keyword import Match
    from tare.bench.request.request import ModeName
    from tare.bench.workloads.base import Workload
    from tare.runners.context import Runner
    from tare.runners.model import Probe


class Selection(msgspec.Struct, frozen=True):
    """Selection of workloads and experiments, with what is known against measuring them."""

    measurables: Sequence[Workload | Experiment]
    """All known ones, in report order."""
    match: Match
    """``-k`` as a predicate."""
    mode: ModeName = "default"
    """Mode of the run, which decides about everything that ``-k`` does not name."""
    missing: Mapping[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    """Program → (reason, remedy), for programs that could not be had."""
    terms: Terms | None = None
    """Terms by which experiments decide whether a runner suits them. ``None``: all runners suit."""

    def wanted(self) -> list[Workload | Experiment]:
        """List what is asked for. An expression that matches no name at all, such as ``not cpu``, names nothing."""
        naming = not self.match(())
        matching = [one for one in self.measurables if self.match((one.name, one.family, *one.aliases))]
        return [one for one in matching if is_planned(one, self.mode, named=naming)]

    def _spared(self, measurable: Workload | Experiment) -> Refusal | None:
        """Say why something is not measured where CPUs are emulated, of which nobody asked for it by name."""
        if measurable.family == COMMAND_FAMILY or not self.match(()):
            return None
        if self.mode == "quick" and measurable.name not in EMULATED_QUICKLY:
            return _TOO_SLOW_TO_BE_QUICK
        return _TOO_SLOW if measurable.family in EMULATED_IF_NAMED else None

    def refusal(self, measurable: Workload | Experiment, runner: Runner, probe: Probe) -> Refusal | None:
        """Say why something will not be measured under a runner; ``None``: it will be."""
        needed = (*measurable.programs, *measurable.commands)
        lacking = next((name for name in needed if name in self.missing), None)
        if lacking is not None:
            return Refusal(*self.missing[lacking])
        if not probe.ok:
            return Refusal(probe.reason, probe.remedy)
        if runner.accelerator == "tcg" and (spared := self._spared(measurable)):
            return spared
        if self.terms is not None:
            try:
                measurable.admit(runner, self.terms)
            except Unsuitable as error:
                return Refusal(error.reason, error.remedy)
        return None


_TOO_SLOW_TO_BE_QUICK = Refusal(
    say(
        "plan.emulated_quickly",
        "a quick run measures only {names} where CPUs are emulated",
        names=", ".join(EMULATED_QUICKLY),
    ),
    say("remedy.not_quick", "leave out --quick, or name the workload by -k"),
)
_TOO_SLOW = Refusal(
    say(
        "plan.emulated_if_named",
        "where CPUs are emulated it would take a tenth of the run, and tell about the emulation only",
    ),
    say("remedy.name_it", "name it by -k"),
)


class Matrix(msgspec.Struct, frozen=True):
    """The cases of a plan, and those that are left out."""

    cases: tuple[Case, ...]
    skips: tuple[Skip, ...]


def cross(selection: Selection, runners: Mapping[str, Runner], probes: Mapping[str, Probe]) -> Matrix:
    """Collect the cases.

    Args:
        selection: what is wanted.
        runners: key → runner, the base among them.
        probes: key → what the runner said of this host.
    """
    cases: list[Case] = []
    skips: list[Skip] = []
    for one in selection.wanted():
        for key, runner in runners.items():
            if refused := selection.refusal(one, runner, probes[key]):
                skips.append(Skip(one.name, one.family, runner.label, runner.accelerator, *refused))
                continue
            cases.append(Case(one, key))
            if key == BASE or (key.endswith(BASE_VARIANT) and one.kind != "experiment"):
                cases.append(Case(one, key + CONTROL_SUFFIX))
    return Matrix(tuple(cases), tuple(skips))


class Aim(msgspec.Struct, frozen=True):
    """Precision to reach, and the time in which to reach it."""

    mode: Mode
    """Mode of the run, with the budget and the precision that were asked for."""
    estimates: Estimates
    blocks: int | None = None
    """Blocks that the user asked for. ``None``: as many as the aim needs and the budget affords."""
    together: bool = False
    """Steady-state workloads are compared with one another."""


def make_plan(matrix: Matrix, aim: Aim, seed: int) -> Plan:
    """Plan the matrix.

    Args:
        matrix: the cases.
        aim: mode, estimates, and the number of blocks if one is asked for.
        seed: seed of all shuffles.
    """
    mode = aim.mode
    runners = dict.fromkeys(case.runner for case in matrix.cases)
    made = Plan(
        mode=mode.name,
        seed=seed,
        cases=matrix.cases,
        skips=matrix.skips,
        blocks=aim.blocks,
        precision=mode.precision,
        together=aim.together,
        job_seconds=mode.job_seconds,
        warmups=mode.warmups,
        budget_seconds=mode.budget_seconds,
        estimate_seconds=mode.budget_seconds,
        cheap=aim.estimates.cheap(runners),
        emulated=aim.estimates.emulated(runners),
    )
    if not aim.blocks:
        return made
    return replace(made, estimate_seconds=round(_counted_seconds(made, aim.blocks, aim.estimates), 1))


def _counted_seconds(plan: Plan, blocks: int, estimates: Estimates) -> float:
    """Estimate so many blocks of every unit, with the openings of places that several of them share."""
    seconds = 0.0
    for unit in plan.units():
        wanted = min(blocks, unit.most_blocks or blocks)
        costs = [
            estimates.block(replace(unit, cases=tuple(plan.block(unit, number))), plan.job_seconds)
            for number in range(min(wanted, PERIOD))
        ]
        seconds += sum(costs[number % PERIOD] for number in range(wanted))
    visits = {key: estimates.opening(key) for unit in plan.units() if unit.visiting for key in unit.kept}
    return seconds + min(blocks, LEAST_OPENINGS) * sum(visits.values())
