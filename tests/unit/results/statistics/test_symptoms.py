"""Drift and two modes: said where they are, not where they are not."""

import numpy as np
import pytest

from support.results_making import metric, trial, write_run
from tare.results.judgement.between_runs import compare_runs
from tare.results.judgement.within_run import compare_within
from tare.results.statistics.symptoms import trend, two_modes
from tare.results.storage.load import load_run

WORLDS = {
    "normal": lambda r, n: r.normal(0, 0.03, n),
    "heavy tails": lambda r, n: r.standard_t(3, n) * 0.03,
    "skewed": lambda r, n: r.exponential(0.1, n),
    "outliers": lambda r, n: np.where(r.random(n) < 0.05, r.uniform(0.3, 1, n), r.normal(0, 0.03, n)),
}


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("n", [40, 200])
def test_silence_where_nothing_is_odd(world, n):
    random = np.random.default_rng(3)
    draws = [WORLDS[world](random, n) for _ in range(400)]
    for detect, most in ((trend, 4), (two_modes, 8)):
        assert sum(detect(draw) is not None for draw in draws) <= most


def test_a_drift_is_told_with_its_size():
    logs = np.random.default_rng(1).normal(0, 0.02, 60) + np.linspace(0, 0.10, 60)
    assert trend(logs) == pytest.approx(0.067, abs=0.02)
    assert trend(logs[:8]) is None


def test_two_modes_are_told_with_distance_and_share():
    random = np.random.default_rng(1)
    found = [two_modes(random.normal(0, 0.02, 60) + 0.2 * (random.random(60) < 0.3)) for _ in range(50)]
    seen = [one for one in found if one is not None]
    assert len(seen) >= 45
    assert np.median([one.distance for one in seen]) == pytest.approx(0.2, abs=0.02)
    assert np.median([one.share for one in seen]) == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("detect", [trend, two_modes])
@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 100])
def test_too_few_or_constant_values_say_nothing(detect, values):
    assert detect(np.array(values)) is None


def test_a_comparison_carries_them_as_values_and_as_notes(tmp_path):
    random = np.random.default_rng(2)
    trials = []
    for block in range(60):
        for runner, mode in (("bare", 0.0), ("box", 0.3 * (random.random() < 0.4))):
            value = float(np.exp(0.2 * block / 60 + mode + random.normal(0, 0.01)))
            one = metric(value, primary=True)
            trials.append(trial(len(trials), one, runner=runner, block=block, invocation=block))
    (found,) = compare_within(load_run(write_run(tmp_path, trials, status="complete")))
    assert {(s.kind, s.side) for s in found.symptoms} >= {("drift", "base"), ("two-modes", "subject")}
    assert all(symptom.text in found.notes for symptom in found.symptoms)


def test_between_runs_a_drift_within_one_is_noise(tmp_path):
    random = np.random.default_rng(2)

    def run(name, level, drift):
        values = [level * (1 + drift * i / 60) * float(np.exp(random.normal(0, 0.01))) for i in range(60)]
        trials = [trial(i, metric(value, primary=True)) for i, value in enumerate(values)]
        return load_run(write_run(tmp_path / name, trials, status="complete"))

    base = run("base", 1.0, 0.0)
    (steady,) = compare_runs(base, run("steady", 1.2, 0.0)).comparisons
    (drifting,) = compare_runs(base, run("drifting", 1.0, 0.4)).comparisons
    assert steady.verdict == "worse"
    assert drifting.cost.value == pytest.approx(1.2, abs=0.02)
    assert drifting.verdict == "undecided"
    assert "drift" in drifting.because
