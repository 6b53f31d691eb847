"""Allocate a time budget: how many blocks of cold starts, of steady state and of each experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.planning.plan import Blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.bench.measurable import Kind
    from tare.bench.planning.estimates import Estimates
    from tare.bench.planning.modes import Mode
    from tare.bench.planning.plan import Case

_CHEAP_OPENING_SECONDS = 0.1
"""Runners whose places take less than this to make and to tear down are cheap."""

_CHEAP_SHARE = 0.4
"""At most this part of the budget goes to steady-state blocks of the cheap runners alone."""

_CHEAP_COLD_SHARE = 0.05
"""At most this part of the budget, on top of it, goes to cold starts of the cheap runners alone."""

_WARMUP_COST = 0.5
"""A warm-up job's cost relative to a measured one, as a rule of thumb: the tools' own start does not shrink."""

_LEAST_BLOCK_SECONDS = 1e-3
"""Least estimate of a block, so that cases that cost nothing do not get endless blocks."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Budget of time, with the mode and the estimates by which it is allocated."""

    mode: Mode
    estimates: Estimates
    asked: int | None
    """Blocks that the user asked for. ``None``: as many as the budget affords."""

    def block(self, cases: Sequence[Case]) -> float:
        """Estimate one block of these cases, in seconds."""
        return self.estimates.block(cases, self.mode.job_seconds)

    def blocks(self, seconds: float, block_seconds: float) -> int:
        """Fit blocks into some seconds, within the mode's bounds."""
        if self.asked:
            return self.asked
        return max(self.mode.least_blocks, min(self.mode.most_blocks, _fitting(seconds, block_seconds)))


@dataclass(frozen=True, slots=True)
class Allocation:
    """Blocks of each kind, with their estimated time and number of trials."""

    cold: Blocks
    steady: Blocks
    experiments: Mapping[str, int]
    """Experiment → its blocks."""
    rounds: int
    """Openings of the steady-state places, at least 1."""
    reopened: frozenset[str]
    """Runner keys whose steady-state places are made anew for every block."""
    estimate_seconds: float
    trials: int
    """Warm-ups included, skips not."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Share of cold starts, or of steady state, in the budget."""

    blocks: Blocks
    full_seconds: float
    """Seconds of the blocks that all runners take part in, openings and warm-ups included."""
    extra_seconds: float
    """Seconds of the further blocks, which the cheap runners have alone."""
    trials: int


@dataclass(frozen=True, slots=True)
class _ExperimentPart:
    """Share of one experiment in the budget."""

    blocks: int
    cases: int
    block_seconds: float


def allocate(cases: Sequence[Case], budget: Budget) -> Allocation:
    """Choose how many blocks of each kind the budget affords."""
    mode = budget.mode
    cold, steady = _of(cases, "cold"), _of(cases, "steady")
    cheap = _cheap_runners((*cold, *steady), budget.estimates)
    experiments = _allocate_experiments(cases, budget)
    experiment_seconds = sum(part.blocks * part.block_seconds for part in experiments.values())
    seconds = max(0.0, mode.budget_seconds - experiment_seconds)
    cold_seconds = seconds * (mode.cold_share if cold and steady else 1.0)
    cold_part = _allocate_cold(cold, cheap, budget, cold_seconds)
    steady_part = _allocate_steady(steady, cheap, budget, seconds - cold_part.full_seconds)
    parts = (cold_part, steady_part)
    return Allocation(
        cold=cold_part.blocks,
        steady=steady_part.blocks,
        experiments={name: part.blocks for name, part in experiments.items()},
        rounds=max(1, min(mode.rounds, steady_part.blocks.count)),
        reopened=cheap,
        estimate_seconds=experiment_seconds + sum(part.full_seconds + part.extra_seconds for part in parts),
        trials=sum(part.trials for part in parts)
        + sum(part.blocks * part.cases for part in experiments.values()),
    )


def _allocate_cold(cases: Sequence[Case], cheap: frozenset[str], budget: Budget, seconds: float) -> _Part:
    """Fit cold starts into some seconds, and further ones of the cheap runners into a share of their own."""
    if not cases:
        return _Part(Blocks(0), 0.0, 0.0, 0)
    mode = budget.mode
    block_seconds = budget.block(cases)
    full = budget.blocks(seconds, block_seconds)
    cheap_cases = [case for case in cases if case.runner in cheap]
    cheap_seconds = budget.block(cheap_cases)
    extra = 0
    if cheap_cases and not budget.asked:
        room = _fitting(_CHEAP_COLD_SHARE * mode.budget_seconds, cheap_seconds)
        extra = max(0, min(mode.most_cold_blocks - full, room))
    return _Part(
        Blocks(full + extra, full if extra else None),
        full * block_seconds,
        extra * cheap_seconds,
        full * len(cases) + extra * len(cheap_cases),
    )


def _allocate_steady(cases: Sequence[Case], cheap: frozenset[str], budget: Budget, seconds: float) -> _Part:
    """Fit steady-state blocks into some seconds, and further ones of the cheap runners into what they leave."""
    if not cases:
        return _Part(Blocks(0), 0.0, 0.0, 0)
    mode = budget.mode
    block_seconds = budget.block(cases)
    opening_seconds = sum(budget.estimates.opening(runner) for runner in {case.runner for case in cases})
    # Each round repeats the openings and one warm-up pass.
    warmups = int(mode.warmups)
    round_seconds = opening_seconds + warmups * _WARMUP_COST * block_seconds
    rounds = min(mode.rounds, budget.asked or mode.rounds)
    full = budget.blocks(seconds - rounds * round_seconds, block_seconds)
    if not budget.asked:
        # Whole blocks per round, so that every invocation carries the same weight.
        full = full // mode.rounds * mode.rounds or full
    rounds = min(rounds, full)
    full_seconds = rounds * round_seconds + full * block_seconds
    cheap_cases = [case for case in cases if case.runner in cheap]
    cheap_seconds = budget.block(cheap_cases)
    extra = 0
    if not budget.asked and 0 < len(cheap_cases) < len(cases):
        room = min(seconds - full_seconds, _CHEAP_SHARE * mode.budget_seconds)
        fitting = max(0, min(mode.most_blocks - full, _fitting(room, cheap_seconds)))
        extra = fitting // rounds * rounds
    return _Part(
        Blocks(full + extra, full if extra else None),
        full_seconds,
        extra * cheap_seconds,
        (warmups * rounds + full) * len(cases) + extra * len(cheap_cases),
    )


def _allocate_experiments(cases: Sequence[Case], budget: Budget) -> dict[str, _ExperimentPart]:
    """Share a part of the budget equally among the experiments, or all of it if there is nothing else."""
    by_name: dict[str, list[Case]] = {}
    for case in _of(cases, "experiment"):
        by_name.setdefault(case.workload.name, []).append(case)
    alone = all(case.workload.kind == "experiment" for case in cases)
    share = 1.0 if alone else budget.mode.experiment_share
    seconds = budget.mode.budget_seconds * share / max(len(by_name), 1)
    parts = {}
    for name, own in by_name.items():
        block_seconds = budget.block(own)
        blocks = budget.blocks(seconds, block_seconds)
        most = own[0].workload.most_blocks
        parts[name] = _ExperimentPart(blocks if most is None else min(most, blocks), len(own), block_seconds)
    return parts


def _of(cases: Sequence[Case], kind: Kind) -> list[Case]:
    return [case for case in cases if case.workload.kind == kind]


def _cheap_runners(cases: Sequence[Case], estimates: Estimates) -> frozenset[str]:
    runners = {case.runner for case in cases}
    return frozenset(one for one in runners if estimates.opening(one) < _CHEAP_OPENING_SECONDS)


def _fitting(seconds: float, block_seconds: float) -> int:
    return int(seconds / max(block_seconds, _LEAST_BLOCK_SECONDS))
