"""Fit the number of blocks to a time budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tare.bench.experiments.base import Experiment
from tare.bench.planning.plan import Case, Plan, Skip
from tare.results.record import CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.planning.modes import Mode
    from tare.results.record import Accelerator


_CHEAP_OPENING_SECONDS = 0.1


_CHEAP_SHARE = 0.4
"""At most this part of the budget goes to blocks without the slow runners."""


_CHEAP_COLD_SHARE = 0.05
"""At most this part of the budget, on top, goes to cold starts without the slow runners."""


_WARMUP_COST = 0.5
"""What such a job costs beside a measured one, as a rule of thumb: the tools' own start does not shrink."""


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


def fit(
    cases: tuple[Case, ...],
    skips: tuple[Skip, ...],
    mode: Mode,
    seed: int,
    seconds: Seconds,
    blocks: int | None,
) -> Plan:
    """Choose how many blocks of each kind the budget affords."""
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
