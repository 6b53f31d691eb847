"""The essential figures of the simulation of the time left, with few draws."""

import numpy as np
import pytest

from tare.bench.tools.simulations.scheduling import NOISES
from tare.bench.tools.simulations.time_left import Told, comparison, default_run, knowable


def test_what_was_shown_last_is_compared_with_what_was_left():
    told = Told(20.0, "decided", ((0.0, 30.0), (4.0, 8.0), (15.0, 5.0)))
    assert told.ratio(0.0) == 1.5
    assert told.ratio(0.25) == pytest.approx(7 / 15)
    assert told.ratio(0.75) == 1.0


@pytest.mark.slow
def test_runs_that_end_early_say_so_early():
    random = np.random.default_rng(1)
    runs = [
        comparison(random, noise, 550.0, duets=duets)
        for noise in NOISES.values()
        for duets in (False, True)
        for _ in range(12)
    ]
    early = [run for run in runs if run.ended == "decided"]
    assert len(early) > 60
    for part in (0.1, 1 / 3, 2 / 3):
        ratios = np.array([run.ratio(part) for run in early])
        assert 0.7 < np.median(ratios) < 1.4
        assert np.mean(abs(ratios - 1) <= 0.25) > 0.25
        assert np.mean(ratios > 5) < 0.1


@pytest.mark.slow
def test_a_run_that_spends_its_budget_says_so_from_the_start():
    told = default_run(np.random.default_rng(1), NOISES["normal"], 60.0)
    assert told.ended == "budget"
    assert [told.ratio(part) for part in (0.0, 0.1, 0.5)] == pytest.approx([1, 1, 1], rel=0.05)


@pytest.mark.slow
def test_no_single_figure_is_right_for_all_runs_of_a_known_spread():
    shares = [float(line.rsplit("|", 2)[1].split()[0]) for line in knowable(20, 1).splitlines()[2:]]
    assert all(35 < one < 95 for one in shares)
