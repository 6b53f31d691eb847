"""Step 1, plan: which cases, in which order, how often, and how long it will take.

Everything that could bias a comparison is decided here, before anything is measured, and stored: the
seed of every shuffle and the number of blocks. Order and count never look at a result.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tare.bench.experiments.base import Experiment, Unsuitable
from tare.bench.registry import BASE, CONTROL
from tare.results.record import CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from tare.bench.request.keyword import Match
    from tare.bench.workloads.base import Workload
    from tare.results.record import Accelerator
    from tare.runners.model import Limits, Probe, Runner


ModeName = Literal["quick", "default", "rigorous"]


@dataclass(frozen=True, slots=True)
class Mode:
    """How thoroughly to measure."""

    name: ModeName
    budget_seconds: float
    """Measuring time that the number of blocks is fitted into."""
    rounds: int
    """How often the steady-state places are made anew: what varies between invocations needs several."""
    job_seconds: float
    least_blocks: int
    most_blocks: int
    most_cold_blocks: int
    """Cold starts of places that are cheap to make: seconds buy what small differences need."""
    cold_share: float = 0.35
    """Part of the budget that goes to cold starts, if both kinds are measured."""
    warmups: bool = True
    """Run every steady-state case once, marked and not counted, in each newly opened place of a round."""
    experiment_share: float = 0.2
    """Part of the budget that goes to experiments, if anything else is measured; each has its least blocks anyway."""


BASE_VARIANT = "@base"
"""At the end of a runner's key where it is measured in two variants: this one is measured twice."""

_CHEAP_OPENING_SECONDS = 0.1

_CHEAP_SHARE = 0.4
"""At most this part of the budget goes to blocks without the slow runners."""

_CHEAP_COLD_SHARE = 0.05
"""At most this part of the budget, on top, goes to cold starts without the slow runners."""

WARMUP_SHARE = 0.1
"""Length of a warm-up job, relative to a measured one: it loads programs and files, which length does not matter to."""

_WARMUP_COST = 0.5
"""What such a job costs beside a measured one, as a rule of thumb: the tools' own start does not shrink."""

MODES: dict[ModeName, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            "quick",
            budget_seconds=45,
            rounds=1,
            job_seconds=0.05,
            least_blocks=3,
            most_blocks=5,
            most_cold_blocks=20,
            cold_share=0.2,
            warmups=False,
        ),
        Mode(
            "default",
            budget_seconds=600,
            rounds=5,
            job_seconds=0.4,
            least_blocks=5,
            most_blocks=15,
            most_cold_blocks=300,
        ),
        Mode(
            "rigorous",
            budget_seconds=3000,
            rounds=8,
            job_seconds=1.0,
            least_blocks=8,
            most_blocks=64,
            most_cold_blocks=600,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the matrix: a workload, or an experiment, under a runner."""

    workload: Workload | Experiment
    runner: str
    """Key of the runner; with :data:`tare.results.record.CONTROL_SUFFIX` behind it for its second measurement."""

    @property
    def control(self) -> bool:
        """Whether this is the A/A control."""
        return self.runner.endswith(CONTROL_SUFFIX)


@dataclass(frozen=True, slots=True)
class Skip:
    """A case that will not be measured, and why."""

    workload: str
    family: str
    runner: str
    accelerator: Accelerator
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be measured."""

    mode: Mode
    seed: int
    cases: tuple[Case, ...]
    skips: tuple[Skip, ...]
    cold_blocks: int
    steady_blocks: int
    """In all rounds together."""
    estimate_seconds: float
    trials: int
    """How many trials the plan leads to, warm-ups included, skips not."""
    full_blocks: int = -1
    """Of the steady-state blocks, those that all runners take part in; negative: all of them. In the others only the
    runners in ``reopened`` do: while a block of a slow guest is measured, they fill several."""
    full_cold_blocks: int = -1
    """As above, of the cold starts' blocks."""
    reopened: frozenset[str] = frozenset()
    """Runner keys whose steady-state places are cheap enough to be made anew for every block, so that what
    varies between invocations is sampled as often as what varies between jobs."""
    experiment_blocks: Mapping[str, int] = field(default_factory=dict)
    """Experiment → its blocks, in all rounds together."""

    def workloads(self, *, cold: bool) -> tuple[Workload, ...]:
        """The planned workloads of one kind, in the registry's order."""
        planned = (case.workload for case in self.cases if not isinstance(case.workload, Experiment))
        return tuple(dict.fromkeys(workload for workload in planned if workload.cold is cold))

    def experiments(self) -> tuple[Experiment, ...]:
        """The planned experiments, in the registry's order."""
        return tuple(
            dict.fromkeys(case.workload for case in self.cases if isinstance(case.workload, Experiment))
        )

    def order(self, what: str, items: Iterable[Any]) -> list[Any]:
        """``items`` shuffled by the plan's seed and ``what`` is being ordered: the same for every resume."""
        shuffled = list(items)
        random.Random(f"{self.seed}:{what}").shuffle(shuffled)  # noqa: S311 - not a secret
        return shuffled

    def block(self, workload: Workload | Experiment, number: int) -> list[Case]:
        """The cases of one block in the order in which they are measured."""
        cases = [case for case in self.cases if case.workload == workload and self._takes_part(case, number)]
        return self.order(f"block {number} of {workload.name}", cases)

    def _takes_part(self, case: Case, number: int) -> bool:
        """The full blocks come first in every round, so that guests' places are not kept open for longer."""
        if isinstance(case.workload, Experiment) or case.runner in self.reopened:
            return True
        cold = case.workload.cold
        blocks, full = (
            (self.cold_blocks, self.full_cold_blocks) if cold else (self.steady_blocks, self.full_blocks)
        )
        if full < 0:
            return True
        rounds = (share(blocks, self.rounds, i) for i in range(self.rounds))
        return number - next(own.start for own in rounds if number in own) < max(1, full // self.rounds)

    def round_of(self, number: int) -> range:
        """The steady-state blocks of a round: as equal as whole blocks allow."""
        return share(self.steady_blocks, self.rounds, number)

    def restricted(self, wanted: Collection[tuple[str, str]]) -> Plan:
        """The plan with only some of its cases: (workload, runner key).

        Ratios need the base beside each, and the control beside the base, so these stay.
        """
        workloads = {name for name, _ in wanted}
        kept = tuple(
            case
            for case in self.cases
            if case.workload.name in workloads
            and (case.runner in {BASE, CONTROL} or (case.workload.name, case.runner) in wanted)
        )
        return replace(self._of(kept), skips=tuple(skip for skip in self.skips if skip.workload in workloads))

    def without(self, unwanted: Collection[tuple[str, str]]) -> Plan:
        """The plan without some of its cases: (workload, runner key)."""
        return self._of(tuple(c for c in self.cases if (c.workload.name, c.runner) not in unwanted))

    def _of(self, kept: tuple[Case, ...]) -> Plan:
        share = len(kept) / max(len(self.cases), 1)
        return replace(
            self,
            cases=kept,
            estimate_seconds=self.estimate_seconds * share,
            trials=round(self.trials * share),
        )

    def record(self) -> dict[str, Any]:
        """The plan as the manifest keeps it."""
        return {
            "mode": self.mode.name,
            "seed": self.seed,
            "rounds": self.rounds,
            "cold_blocks": self.cold_blocks,
            "steady_blocks": self.steady_blocks,
            "full_blocks": self.full_blocks,
            "full_cold_blocks": self.full_cold_blocks,
            "experiment_blocks": dict(self.experiment_blocks),
            "job_seconds": self.mode.job_seconds,
            "warmups": self.mode.warmups,
            "budget_seconds": self.mode.budget_seconds,
            "estimate_seconds": round(self.estimate_seconds, 1),
            "trials": self.trials,
            "reopened": sorted(self.reopened),
            "cases": [{"workload": case.workload.name, "runner": case.runner} for case in self.cases],
        }

    @property
    def rounds(self) -> int:
        """Openings of the steady-state places: never more than there are blocks to measure in them."""
        return max(1, min(self.mode.rounds, self.steady_blocks))


def make_plan(
    workloads: Sequence[Workload | Experiment],
    runners: Mapping[str, Runner],
    probes: Mapping[str, Probe],
    *,
    mode: Mode,
    seed: int,
    match: Match,
    seconds: Seconds,
    blocks: int | None = None,
    missing: Mapping[str, tuple[str, str]] | None = None,
    terms: Terms | None = None,
) -> Plan:
    """Collect the cases.

    Args:
        workloads: all known ones, in report order.
        runners: key → runner, the base among them.
        probes: key → what the runner said of this host.
        mode: how thoroughly.
        seed: of all shuffles.
        match: ``-k`` as a predicate.
        seconds: estimates the cost of a case.
        blocks: take exactly so many instead of fitting them into the budget.
        missing: program → (reason, remedy), for programs that could not be had.
        terms: what experiments decide by whether a runner suits them; all do if ``None``.
    """
    cases: list[Case] = []
    skips: list[Skip] = []
    for workload in workloads:
        if not match((workload.name, workload.family)):
            continue
        if isinstance(workload, Experiment) and workload.opt_in and match(()):
            continue  # what matches without any name has not been asked for by its own
        lack = next((missing[name] for name in workload.programs if missing and name in missing), None)
        for key, runner in runners.items():
            probe = probes[key]
            refusal = None if probe.ok else (probe.reason, probe.remedy)
            if refused := lack or refusal or _refused(workload, runner, terms):
                reason, remedy = refused
                skips.append(
                    Skip(workload.name, workload.family, runner.label, runner.accelerator, reason, remedy)
                )
                continue
            cases.append(Case(workload, key))
            if key == BASE or (key.endswith(BASE_VARIANT) and not isinstance(workload, Experiment)):
                cases.append(Case(workload, key + CONTROL_SUFFIX))
    return _fit(tuple(cases), tuple(skips), mode, seed, seconds, blocks)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a run is made, for experiments to say whether they can."""

    limits: Limits
    settings: Mapping[str, Any]


def _refused(workload: Workload | Experiment, runner: Runner, terms: Terms | None) -> tuple[str, str] | None:
    """Why an experiment will not be made under a runner, and the remedy."""
    if terms is None or not isinstance(workload, Experiment):
        return None
    try:
        workload.admit(runner, terms.limits, terms.settings)
    except Unsuitable as error:
        return error.reason, error.remedy
    return None


def share(blocks: int, rounds: int, number: int) -> range:
    """The blocks that fall to one of several rounds."""
    return range(blocks * number // rounds, blocks * (number + 1) // rounds)


def timings_file(cache: Path) -> Path:
    """Where the last runs' costs per case are kept: estimates only, never results."""
    return cache / "timings.json"


def job_key(case: Case, job_seconds: float) -> str:
    """Under which a job's cost is remembered: jobs of another length cost something else."""
    return f"{case.workload.name}@{case.runner}/{job_seconds:g}"


@dataclass(frozen=True, slots=True)
class Seconds:
    """Estimates what cases cost, from what they cost on this host before, else from rules of thumb."""

    accelerators: Mapping[str, Accelerator]
    """Runner key → accelerator."""
    seen: Mapping[str, float]
    """:func:`job_key` and ``open@<runner>`` → seconds, from the last run here."""

    def job(self, case: Case, job_seconds: float) -> float:
        """One job, one cold start, or one trial of an experiment."""
        workload = case.workload
        known = self.seen.get(job_key(case, job_seconds))
        if isinstance(workload, Experiment):
            guess = workload.nominal_seconds(self.opening(case.runner), job_seconds)
            return known if known is not None else guess
        if workload.cold:
            return self.opening(case.runner)
        slowdown = 8.0 if self.accelerators[case.runner.removesuffix(CONTROL_SUFFIX)] == "tcg" else 1.0
        guess = workload.nominal_seconds(job_seconds) + 0.05 * slowdown
        return known if known is not None else guess

    def opening(self, runner: str) -> float:
        """Making and tearing down a place."""
        rule = {"none": 0.01, "kvm": 2.0, "tcg": 6.0}[self.accelerators[runner.removesuffix(CONTROL_SUFFIX)]]
        return self.seen.get(f"open@{runner}", rule)


def _fit(
    cases: tuple[Case, ...],
    skips: tuple[Skip, ...],
    mode: Mode,
    seed: int,
    seconds: Seconds,
    blocks: int | None,
) -> Plan:
    cold = [case for case in cases if not isinstance(case.workload, Experiment) and case.workload.cold]
    steady = [case for case in cases if not isinstance(case.workload, Experiment) and not case.workload.cold]
    experiments = _experiments(cases, mode, seconds, blocks)
    experiment_cost = sum(part.blocks * part.cost for part in experiments.values())
    budget = max(0.0, mode.budget_seconds - experiment_cost)
    cold_block = sum(seconds.job(case, mode.job_seconds) for case in cold)
    steady_block = sum(seconds.job(case, mode.job_seconds) for case in steady)
    opening = sum(seconds.opening(runner) for runner in {case.runner for case in steady})
    cold_share = mode.cold_share if cold and steady else 1.0
    cold_blocks = _blocks(mode, blocks, budget * cold_share, cold_block) if cold else 0
    rest = budget - cold_blocks * cold_block
    # Each round repeats the openings and one warm-up pass.
    rounds = min(mode.rounds, blocks or mode.rounds)
    warmups = int(mode.warmups)
    round_cost = opening + warmups * _WARMUP_COST * steady_block
    steady_blocks = _blocks(mode, blocks, rest - rounds * round_cost, steady_block) if steady else 0
    # Whole blocks per round, so that every invocation carries the same weight.
    steady_blocks = steady_blocks if blocks else steady_blocks // mode.rounds * mode.rounds or steady_blocks
    rounds = min(rounds, steady_blocks)
    estimate = cold_blocks * cold_block + rounds * round_cost + steady_blocks * steady_block
    cheap = frozenset(
        r for r in {c.runner for c in (*cold, *steady)} if seconds.opening(r) < _CHEAP_OPENING_SECONDS
    )
    quick_ones = [case for case in steady if case.runner in cheap]
    cheap_block = sum(seconds.job(case, mode.job_seconds) for case in quick_ones)
    more = 0
    if not blocks and 0 < len(quick_ones) < len(steady):
        room = min(budget - estimate, _CHEAP_SHARE * mode.budget_seconds)
        more = (
            max(0, min(mode.most_blocks - steady_blocks, int(room / max(cheap_block, 1e-3))))
            // rounds
            * rounds
        )
    cheap_cold = [case for case in cold if case.runner in cheap]
    cheap_cold_block = sum(seconds.job(case, mode.job_seconds) for case in cheap_cold)
    room = int(_CHEAP_COLD_SHARE * mode.budget_seconds / max(cheap_cold_block, 1e-3))
    more_cold = 0 if blocks or not cheap_cold else max(0, min(mode.most_cold_blocks - cold_blocks, room))
    return Plan(
        mode=mode,
        seed=seed,
        cases=cases,
        skips=skips,
        cold_blocks=cold_blocks + more_cold,
        full_cold_blocks=cold_blocks if more_cold else -1,
        steady_blocks=steady_blocks + more,
        full_blocks=steady_blocks if more else -1,
        estimate_seconds=experiment_cost + estimate + more * cheap_block + more_cold * cheap_cold_block,
        trials=cold_blocks * len(cold)
        + more_cold * len(cheap_cold)
        + (warmups * rounds + steady_blocks) * len(steady)
        + more * len(quick_ones)
        + sum(part.blocks * part.cases for part in experiments.values()),
        reopened=cheap,
        experiment_blocks={name: part.blocks for name, part in experiments.items()},
    )


class _Part(NamedTuple):
    """What an experiment has of the plan."""

    blocks: int
    cases: int
    cost: float
    """Of one block, in seconds."""


def _experiments(
    cases: tuple[Case, ...], mode: Mode, seconds: Seconds, asked: int | None
) -> dict[str, _Part]:
    """Each experiment's blocks: those share a part of the budget equally, or all of it if there is nothing else."""
    by_name: dict[str, list[Case]] = {}
    for case in cases:
        if isinstance(case.workload, Experiment):
            by_name.setdefault(case.workload.name, []).append(case)
    alone = all(isinstance(case.workload, Experiment) for case in cases)
    budget = mode.budget_seconds * (1.0 if alone else mode.experiment_share) / max(len(by_name), 1)
    parts = {}
    for name, own in by_name.items():
        cost = sum(seconds.job(case, mode.job_seconds) for case in own)
        most = next(case.workload.most_blocks for case in own if isinstance(case.workload, Experiment))
        parts[name] = _Part(min(most, _blocks(mode, asked, budget, cost)), len(own), cost)
    return parts


def _blocks(mode: Mode, asked: int | None, budget: float, cost: float) -> int:
    if asked:
        return asked
    return max(mode.least_blocks, min(mode.most_blocks, int(budget / max(cost, 1e-3))))
