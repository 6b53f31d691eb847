"""Time and CPU are paired by workload, parameters and runner, and both count when chance is accounted for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.results_making import metric, trial, write_run
from tare.results.judgement.answers import pair_answers, withdraw_chance
from tare.results.judgement.gate import judged
from tare.results.judgement.price import MOST_TIMES, blocks_needed
from tare.results.judgement.within_run import compare_within
from tare.results.record import CPU_TIME, DUET_CPU_TIME, HOST_CPU_TIME, Metric
from tare.results.statistics.estimates import Interval
from tare.results.statistics.lasting import lasting_state
from tare.results.statistics.ratios import LogRatio
from tare.results.storage.load import load_run

if TYPE_CHECKING:
    from pathlib import Path

    from tare.results.judgement.comparison import Comparison


def compared(
    folder: Path, costs: dict[str, dict[str, float]], *, spread: float = 0.001, **changes: Any
) -> list[Comparison]:
    """Compare boxes that cost so many times the base: runner → metric → ratio."""
    dice = np.random.default_rng(3)

    def metrics(ratios: dict[str, float]) -> list[Metric]:
        return [
            metric(ratio * math.exp(dice.normal(0, spread)), name=name, primary=name == "wall")
            for name, ratio in ratios.items()
        ]

    base = {name: 1.0 for ratios in costs.values() for name in ratios}
    trials = []
    for block in range(60):
        for runner, ratios in {"bare": base, **costs}.items():
            kind = "tcg" if runner == "guest" else "none"
            trials.append(
                trial(
                    len(trials),
                    *metrics(ratios),
                    runner=runner,
                    block=block,
                    invocation=block,
                    accelerator=kind,
                )
            )
    return compare_within(load_run(write_run(folder, trials)))


def test_cpu_is_the_hosts_and_for_guests_beside_the_inside_view(tmp_path: Path) -> None:
    both = {"wall": 1.0, CPU_TIME: 1.0, HOST_CPU_TIME: 1.1}
    box, guest, old, mute = pair_answers(
        compared(
            tmp_path, {"box": both, "guest": both, "old": {"wall": 1.0, CPU_TIME: 1.1}, "mute": {"wall": 1.1}}
        )
    )
    assert [one.cpu and one.cpu.metric for one in (box, guest, old, mute)] == [
        HOST_CPU_TIME,
        HOST_CPU_TIME,
        CPU_TIME,
        None,
    ]
    assert [one.inside and one.inside.metric for one in (box, guest, old, mute)] == [
        None,
        CPU_TIME,
        None,
        None,
    ]
    assert [one.by for one in (box, guest, old, mute)] == ["both", "both", "both", "time"]


def test_cpu_is_that_of_duets_where_there_are_any(tmp_path: Path) -> None:
    both = {"wall": 1.0, CPU_TIME: 1.0, HOST_CPU_TIME: 1.1, DUET_CPU_TIME: 1.2}
    (box,) = pair_answers(compared(tmp_path, {"box": both}))
    assert box.cpu is not None
    assert box.cpu.metric == DUET_CPU_TIME


def test_a_row_is_decided_by_cpu_where_time_is_not(tmp_path: Path) -> None:
    found = compared(tmp_path, {"box": {"wall": 1.02, HOST_CPU_TIME: 1.0}}, spread=0.004)
    (answers,) = pair_answers(found)
    assert (answers.time.verdict, answers.by) == ("undecided", "cpu")
    assert answers.cpu is not None
    assert answers.cpu.verdict == "same"
    assert judged(found, answers_only=True) == [answers.time, answers.cpu]


def test_the_control_of_chance_counts_both_answers(tmp_path: Path) -> None:
    """One weak call among few is kept; among many answers of either kind it is withdrawn."""
    found = compared(tmp_path, {f"box{i}": {"wall": 1.0, HOST_CPU_TIME: 1.0} for i in range(3)})

    def with_call(answers: list[Comparison], p: float) -> list[Comparison]:
        rest = [msgspec.structs.replace(c, fine_p_worse=0.9) for c in answers[1:]]
        return [msgspec.structs.replace(answers[0], verdict="worse", fine_p_worse=p), *rest]

    assert [c.metric for c in found] == ["wall", HOST_CPU_TIME] * 3
    assert withdraw_chance(with_call(found[:2], 0.03))[0].verdict == "worse"
    withdrawn = withdraw_chance(with_call(found, 0.03))
    assert withdrawn[0].verdict == "undecided"
    assert "among 6 comparisons" in withdrawn[0].because


def ratio(value: float, half: float, **changes: Any) -> LogRatio:
    interval = Interval(value, value - half, value + half, 20, "made up")
    return LogRatio(interval, "block", 20, changes.pop("allowed", 0.0), (np.zeros(20),), **changes)


@given(st.floats(-0.2, 0.2), st.floats(0.0005, 0.2), st.floats(0, 0.05))
def test_the_price_is_that_of_the_width_that_decides(value: float, half: float, noise: float) -> None:
    cost, floor, limit = ratio(value, half), ratio(noise, 0.01), math.log1p(0.02)
    needed = blocks_needed(cost, floor, 0.02, 0.0, 20)
    if needed is None:
        return
    assert 20 < needed <= 20 * MOST_TIMES + 1
    narrower = half * math.sqrt(20 / needed)
    low, high = value - narrower, value + narrower
    margin = max(limit, noise)
    assert low >= margin - 1e-9 or high <= -margin + 1e-9 or (-limit - 1e-9 <= low and high <= limit + 1e-9)
    # Nor may a lasting state do unseen what would then be called.
    assert max(low, -high) < margin - 1e-9 or max(low, -high) >= lasting_state(needed) - 1e-9


@pytest.mark.parametrize(
    ("cost", "floor"),
    [
        (None, None),
        (ratio(0.0, 0.1, allowed=0.03), None),
        (ratio(math.log1p(0.02), 0.01), None),
        (ratio(0.0, 0.03), ratio(0.05, 0.01)),
        (ratio(0.05, 0.04, dependent=True), None),
        (ratio(0.0, 0.04, coarseness=0.03), None),
        (LogRatio(Interval(0.0, None, None, 3, "few"), "block", 3, 0.0, (np.zeros(3),)), None),
    ],
)
def test_no_price_where_more_blocks_do_not_help(cost: LogRatio | None, floor: LogRatio | None) -> None:
    assert blocks_needed(cost, floor, 0.02, 0.0, 20) is None
