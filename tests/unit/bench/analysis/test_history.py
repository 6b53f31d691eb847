"""Histories: false alarms and power of the search, first bad runs, and ``tare history``."""

import csv
import json

import numpy as np
import pytest

from support.results_making import metric, trial, write_run
from tare.bench.__main__ import main
from tare.bench.analysis.baselines import ThisHost
from tare.results.statistics.changepoints import ChangePoint, SearchMissing, change_points
from tare.runners.host.facts import host_class


def draws(n, seed, noise=0.02):
    return np.exp(np.random.default_rng(seed).normal(0, noise, n))


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 12, 30])
def test_quiet_histories_raise_no_alarm(n):
    alarms = sum(bool(change_points(draws(n, seed))) for seed in range(300))
    assert alarms <= 6  # 2 %; the level is 1 % at most


def test_lasting_changes_are_found_where_they_are():
    found = 0
    for seed in range(50):
        values = draws(30, seed) * np.where(np.arange(30) >= 18, 1.10, 1.0)
        found += [abs(c.index - 18) <= 1 for c in change_points(values)] == [True]
    assert found >= 47


def test_up_and_down_again():
    values = draws(40, 1) * np.where((np.arange(40) >= 12) & (np.arange(40) < 25), 1.2, 1.0)
    up, down = change_points(values)
    assert (up.index, down.index) == (12, 25)
    assert up.ratio > 1 > down.ratio


def test_a_single_odd_run_is_no_change():
    values = draws(20, 3)
    values[9] *= 1.5
    assert change_points(values) == []


def test_small_but_certain_changes_do_not_matter():
    values = draws(60, 4, 0.001) * np.where(np.arange(60) >= 30, 1.01, 1.0)
    assert change_points(values) == []
    assert [c.index for c in change_points(values, threshold=0.005)] == [30]


@pytest.mark.parametrize("values", [[], [1.0] * 5, [1.0] * 20, [0.0, 1.0] * 5])
def test_nothing_to_find(values):
    assert change_points(values) == []


def test_an_exact_step_is_certain():
    (found,) = change_points([1.0] * 5 + [2.0] * 5)
    assert found == ChangePoint(5, pytest.approx(2.0), 0.0)


def test_without_ruptures_it_says_so(monkeypatch):
    monkeypatch.setattr("tare.results.statistics.changepoints.available", lambda: False)
    with pytest.raises(SearchMissing, match="pip install ruptures"):
        change_points(draws(10, 0))


FACTS = {"cpu": {"model": "Example", "allowed": 2}}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = ThisHost(host_class(FACTS), {}, None)
    monkeypatch.setattr(ThisHost, "read", classmethod(lambda _cls, *_: here))
    for i, level in enumerate(draws(12, 5, 0.005) * np.where(np.arange(12) >= 8, 1.2, 1.0)):
        run = f"20261123-1917{i:02}-aaaa"
        trials = [
            trial(k, metric(float(level), primary=True), metric(7.0, name="m"), run=run) for k in range(3)
        ]
        write_run(tmp_path / "results" / "runs", trials, run=run, host=FACTS, status="complete", name=f"r{i}")
    quick = "20261124-000000-aaaa"
    write_run(tmp_path / "results" / "runs", [], run=quick, host=FACTS, mode="quick")
    write_run(tmp_path / "results" / "runs", [], run="20261125-000000-aaaa", host={}, mode="imported")
    (tmp_path / "results" / "runs" / "broken").mkdir()
    (tmp_path / "results" / "runs" / "broken" / "manifest.json").write_text("{")
    return tmp_path


def test_the_command_names_the_first_bad_run(runs, capsys):
    assert main(["history", "--plot", "h.png", "--otava", "h.csv"]) == 0
    out = capsys.readouterr().out
    assert "12 runs of host class" in out
    assert "worse since 20261123-191708-aaaa (r8): +" in out
    assert "first bad run: 20261123-191708-aaaa" in out
    assert "20261124-000000-aaaa is a quick run" in out
    assert "imported (1)" in out
    assert "cut or damaged" in out
    assert (runs / "h.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((runs / "h.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == [f"r{i}" for i in range(12)]


def test_json_and_all_metrics(runs, capsys):
    assert main(["history", "--json", "--all-metrics"]) == 0
    series = {one["metric"]: one for one in json.loads(capsys.readouterr().out)["series"]}
    assert series["wall"]["first_bad_run"] == "20261123-191708-aaaa"
    assert [c["index"] for c in series["wall"]["changes"]] == [8]
    assert series["m"]["changes"] == []


def test_named_runs_only(runs, capsys):
    assert main(["history", "r0", "r1", "r2", "--json"]) == 0
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert [p["name"] for p in series["points"]] == ["r0", "r1", "r2"]


def test_an_unknown_class_names_the_known_ones(runs, capsys):
    assert main(["history", "--host-class", "vax-1cpu-000000"]) == 2
    assert "imported (1)" in capsys.readouterr().err


def test_where_all_runs_are_imported_they_are_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for run in ("20261125-000000-aaaa", "20261125-000001-aaaa"):
        values = [trial(0, metric(2.5), run=run)]
        write_run(tmp_path / "results" / "runs", values, run=run, host={}, mode="imported")
    assert main(["history"]) == 0
    assert "2 runs of host class imported" in capsys.readouterr().out
