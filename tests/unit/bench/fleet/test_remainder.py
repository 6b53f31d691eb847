"""What a lost host has left of its plan."""

import msgspec

from support.fleet_double import REQUEST
from support.results_making import trial, write_run
from tare.bench.fleet.remainder import remainder


def run(folder, *trials, **changes):
    plan = {
        "mode": "quick", "seed": 7, "precision": 0.01, "cases": [], "budget_seconds": 40.0, "estimate_seconds": 40.0,
        "job_seconds": 1.0, "warmups": False, "cheap": ["bare"], "request": msgspec.to_builtins(REQUEST),
    }  # fmt: skip
    return write_run(folder, trials, mode="quick", plan={**plan, **changes})


def test_nothing_came_in(tmp_path):
    assert remainder(REQUEST, None) == REQUEST
    assert remainder(REQUEST, tmp_path / "none") == REQUEST


def test_time_is_left(tmp_path):
    left = remainder(REQUEST, run(tmp_path, *(trial(at, 1.0, spent_seconds=4.0) for at in range(3))))
    assert left.settings == {**REQUEST.settings, "run.budget": 28.0}


def test_no_time_is_left(tmp_path):
    assert remainder(REQUEST, run(tmp_path, trial(0, 1.0, spent_seconds=39.5))) is None


def test_blocks_are_left_and_the_last_one_of_each_workload_is_made_again(tmp_path):
    trials = [trial(at, 1.0, block=at) for at in range(3)] + [trial(3, 1.0, block=0, workload="cpu")]
    assert remainder(REQUEST, run(tmp_path, *trials, blocks=4)).settings["run.blocks"] == 4
    assert remainder(REQUEST, run(tmp_path / "b", *trials[:3], blocks=4)).settings["run.blocks"] == 2
