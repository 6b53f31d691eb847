"""Series are read out of a run's tables without a look-up of pandas for each."""

import pandas as pd

from support.results_making import trial, write_run
from tare.results.statistics.series import good_series
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame


def test_texts_of_series_are_not_looked_up_cell_by_cell_in_pandas(tmp_path, monkeypatch):
    trials = [trial(0, 1.0), trial(1, 2.0, runner="box"), trial(2, 1.5)]
    frame = read_frame(load_run(write_run(tmp_path, trials)))

    def slow(_self):
        raise AssertionError("a look-up in pandas takes a hundred times as long")

    monkeypatch.setattr(pd.Series, "iloc", property(slow))
    found = good_series(frame)
    assert [(key.runner, one.value.tolist(), one.unit) for key, one in found.items()] == [
        ("bare", [1.0, 1.5], "s"),
        ("box", [2.0], "s"),
    ]
