"""Cross what can be measured with runners into cases, and record what is skipped and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tare.bench.measurable import Unsuitable
from tare.bench.planning.allocation import Budget, allocate
from tare.bench.planning.plan import BASE_VARIANT, Case, Plan, Refusal, Skip
from tare.results.record import BASE, CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.bench.experiments.base import Experiment
    from tare.bench.measurable import Terms
    from tare.bench.request.keyword import Match
    from tare.bench.workloads.base import Workload
    from tare.runners.context import Runner
    from tare.runners.model import Probe


@dataclass(frozen=True, slots=True)
class Selection:
    """Selection of workloads and experiments, with what is known against measuring them."""

    measurables: Sequence[Workload | Experiment]
    """All known ones, in report order."""
    match: Match
    """``-k`` as a predicate."""
    missing: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Program → (reason, remedy), for programs that could not be had."""
    terms: Terms | None = None
    """Terms by which experiments decide whether a runner suits them. ``None``: all runners suit."""

    def wanted(self) -> list[Workload | Experiment]:
        """List what is asked for; what has to be named is not asked for by an expression that matches no name, too."""
        named = [one for one in self.measurables if self.match((one.name, one.family))]
        return [one for one in named if not (one.opt_in and self.match(()))]

    def refusal(self, measurable: Workload | Experiment, runner: Runner, probe: Probe) -> Refusal | None:
        """Say why something will not be measured under a runner; ``None``: it will be."""
        lacking = next((name for name in measurable.programs if name in self.missing), None)
        if lacking is not None:
            return Refusal(*self.missing[lacking])
        if not probe.ok:
            return Refusal(probe.reason, probe.remedy)
        if self.terms is not None:
            try:
                measurable.admit(runner, self.terms)
            except Unsuitable as error:
                return Refusal(error.reason, error.remedy)
        return None


@dataclass(frozen=True, slots=True)
class Matrix:
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


def make_plan(matrix: Matrix, budget: Budget, seed: int) -> Plan:
    """Fit the matrix into a budget.

    Args:
        matrix: the cases.
        budget: mode, estimates, and the number of blocks if one is asked for.
        seed: seed of all shuffles.
    """
    mode, allocation = budget.mode, allocate(matrix.cases, budget)
    return Plan(
        mode=mode.name,
        seed=seed,
        cases=matrix.cases,
        skips=matrix.skips,
        cold=allocation.cold,
        steady=allocation.steady,
        experiment_blocks=allocation.experiments,
        rounds=allocation.rounds,
        job_seconds=mode.job_seconds,
        warmups=mode.warmups,
        budget_seconds=mode.budget_seconds,
        estimate_seconds=round(allocation.estimate_seconds, 1),
        trials=allocation.trials,
        reopened=allocation.reopened,
    )
