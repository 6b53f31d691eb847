"""The derived index: the same tables, never of another file, never needed."""

import numpy as np
import pandas as pd
import pytest

from support.results_making import metric, trial, write_run
from tare.results.storage import load as load_module
from tare.results.storage.load import load_run
from tare.results.tables import frame as frame_module
from tare.results.tables.frame import read_frame
from tare.results.tables.index import NAME, read_index


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_module, "LEAST_TRIALS", 5)
    random = np.random.default_rng(1)
    trials = []
    for block in range(10):
        for runner in ("bare", "box"):
            values = [
                metric(float(random.random()), primary=True),
                metric(1.0, name="b", error=0.5, samples=3),
            ]
            bad = {"outcome": "failed", "reason": "x"} if block == 3 else {}
            own = {"context": {"n": block % 2}, "parameters": {"a": 1}, "warmup": block == 0}
            trials.append(trial(len(trials), *values, runner=runner, block=block, **own, **bad))
    return load_run(write_run(tmp_path, trials, status="complete"))


def same(one, other):
    pd.testing.assert_frame_equal(one.trials, other.trials)
    pd.testing.assert_frame_equal(one.metrics, other.metrics)


def test_the_index_gives_the_same_tables(run):
    first = read_frame(run)
    assert read_index(run) is not None
    same(first, read_frame(run))
    (run.path / NAME).unlink()
    same(first, read_frame(run))


def test_it_is_not_used_for_a_file_that_has_changed(run):
    read_frame(run)
    with run.trials_path.open("ab") as file:
        file.write(b"nonsense\n")
    assert read_index(run) is None
    found = read_frame(run)
    assert [problem.kind for problem in found.problems] == ["unreadable"]
    assert read_index(run) is None


def test_damage_to_it_is_no_damage_to_the_run(run):
    first = read_frame(run)
    path = run.path / NAME
    whole = path.read_bytes()
    for damaged in (b"", b"PK\x03\x04", whole[: len(whole) // 2], b"x" * 1000):
        path.write_bytes(damaged)
        same(first, read_frame(run))


def test_running_small_and_damaged_runs_have_none(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_module, "LEAST_TRIALS", 2)
    monkeypatch.setattr(load_module, "is_written", lambda _folder: True)
    for name, trials, status in (
        ("running", [trial(i, 1.0) for i in range(3)], "running"),
        ("small", [trial(0, 1.0)], "complete"),
        ("negative", [trial(0, 1.0), trial(1, -1.0)], "complete"),
    ):
        run = load_run(write_run(tmp_path / name, trials, status=status))
        read_frame(run)
        assert not (run.path / NAME).exists()
