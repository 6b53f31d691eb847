"""The number of blocks that a budget affords: recorded for many made-up plans, and held."""

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tare.bench.experiments.base import Experiment
from tare.bench.planning.allocation import Budget, allocate
from tare.bench.planning.estimates import Estimates
from tare.bench.planning.modes import MODES
from tare.bench.planning.plan import Case
from tare.bench.workloads.base import Workload
from tare.bench.workloads.null import Null
from tare.results.record import Accelerator

RECORDED = Path(__file__).with_name("allocations.json")
ACCELERATORS: dict[str, Accelerator] = {
    "bare": "none",
    "box": "none",
    "engine": "none",
    "guest": "kvm",
    "slow": "tcg",
}


@dataclass(frozen=True)
class Fixed(Workload):
    name: str
    seconds: float

    def job(self, site, seconds):
        raise NotImplementedError

    def metrics(self, result):
        raise NotImplementedError

    def nominal_seconds(self, opening_seconds, job_seconds):
        return self.seconds + job_seconds


@dataclass(frozen=True, kw_only=True)
class Trick(Experiment):
    name: str
    most_blocks: int
    seconds: float

    def nominal_seconds(self, opening_seconds, job_seconds):
        return 2 * opening_seconds + self.seconds + job_seconds

    def perform(self, lab):
        raise NotImplementedError


def made_up(number):
    """Invent what there is to measure: workloads, runners, costs, and what was asked for."""
    draw = random.Random(f"allocation {number}")  # noqa: S311 - not a secret
    mode = MODES[draw.choice(list(MODES))]
    if draw.random() < 0.3:
        mode = replace(mode, budget_seconds=draw.choice([1.0, 5.0, 90.0, 20000.0]))
    if draw.random() < 0.2:
        mode = replace(mode, most_blocks=600, most_cold_blocks=600, rounds=max(6, mode.rounds))
    keys = ["bare", *draw.sample(["box", "engine", "guest", "slow"], draw.randint(0, 4))]
    measurables: list[Any] = [Null(name=f"cold-{n}") for n in range(draw.randint(0, 2))]
    measurables += [Fixed(f"steady-{n}", draw.choice([0.0, 0.02, 1.5])) for n in range(draw.randint(0, 5))]
    measurables += [
        Trick(name=f"trick-{n}", most_blocks=draw.choice([1, 7, 15]), seconds=draw.choice([0.01, 3.0]))
        for n in range(draw.randint(0, 2))
    ]
    cases = [Case(one, key) for one in measurables for key in (*keys, "bare-again") if draw.random() < 0.95]
    seen = {f"open@{key}": draw.choice([0.004, 0.05, 0.3, 7.0]) for key in keys if draw.random() < 0.6}
    seen |= {
        f"{case.workload.name}@{case.runner}/{mode.job_seconds:g}": draw.choice([0.01, 0.5, 4.0])
        for case in cases
        if draw.random() < 0.3
    }
    blocks = draw.choice([None, None, None, 1, 3, 40])
    return tuple(cases), Budget(mode, Estimates(ACCELERATORS, seen), blocks)


def allocated(number):
    made = allocate(*made_up(number))
    return {
        "cold": made.cold.count,
        "full_cold": made.cold.full,
        "steady": made.steady.count,
        "full_steady": made.steady.full,
        "experiments": dict(made.experiments),
        "rounds": made.rounds,
        "reopened": sorted(made.reopened),
        "trials": made.trials,
        "estimate": round(made.estimate_seconds, 6),
    }


def recorded():
    return json.loads(RECORDED.read_text())


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_numbers_stay_as_they_were(first):
    rows = recorded()
    for number in range(first, first + 100):
        assert allocated(number) == rows[number], number


def test_what_was_recorded_has_every_branch_in_it():
    rows = recorded()
    assert any(row["full_cold"] is not None and row["full_steady"] is not None for row in rows)
    assert any(row["full_cold"] is None and row["cold"] for row in rows)
    assert any(row["full_steady"] is None and row["steady"] for row in rows)
    assert any(row["cold"] and not row["steady"] and not row["experiments"] for row in rows)
    assert any(row["experiments"] and not row["cold"] and not row["steady"] for row in rows)
