"""The essential figures of the simulation, with few draws."""

import numpy as np
import pytest

from tare.bench.tools.simulations import scheduling as simulation
from tare.bench.tools.simulations.scheduling import NOISES, RULES, simulate

SPREADS = 0.5
"""Factor that makes the made-up host so quiet that a short run decides something."""


def runs(times, seed=1, **how):
    random = np.random.default_rng(seed)
    return [simulate(random, budget=60.0, scale=SPREADS, **how) for _ in range(times)]


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_cover_although_sampling_stops_by_width(noise):
    every = [one for run in runs(25, noise=NOISES[noise]) for pair in run.values() for one in pair]
    assert np.mean([one.covered for one in every]) > 0.92
    assert np.mean([one.called for one in every]) < 0.015


def test_the_effect_changes_no_number_of_blocks():
    counts = [
        [time.blocks for time, _ in run.values()]
        for effect in (0.0, 0.05, 2.0)
        for run in runs(1, noise=simulation.normal, effect=effect)
    ]
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.slow
def test_our_rule_decides_more_than_an_uncapped_share_for_the_noisiest():
    random = np.random.default_rng(1)
    rules = list(RULES.values())[-1], RULES["ratio counts at most 5"]
    ours, capped = (
        np.mean(
            [
                sum(time.decided or cpu.decided for time, cpu in run.values())
                for run in (
                    simulate(random, noise=simulation.normal, budget=60.0, scale=2.0, rule=rule)
                    for _ in range(5)
                )
            ]
        )
        for rule in rules
    )
    assert ours > capped + 1
