"""Histories of a host class, first bad runs, and ``tare history``."""

import csv
import json

import numpy as np
import pytest

from support.results_making import metric, trial, write_run
from tare.bench.__main__ import main
from tare.bench.analysis.baselines import ThisHost
from tare.results.record import Provenance
from tare.runners.host.facts import host_class


def draws(n, seed, noise=0.02):
    return np.exp(np.random.default_rng(seed).normal(0, noise, n))


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
        write_run(tmp_path / "results" / "runs", trials, run=run, host=FACTS, status="complete", name=f"r{i}",
                  provenance=Provenance(commit=f"{i:010x}{0:030x}", labels={"half": "later" if i >= 6 else "earlier"}))  # fmt: skip
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
    assert "commit 0000000008, after 0000000007 in the run before" in out
    assert "first bad run: 20261123-191708-aaaa" in out
    assert "20261124-000000-aaaa is a quick run" in out
    assert "imported (1)" in out
    assert "cut or damaged" in out
    assert (runs / "h.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((runs / "h.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == [f"r{i}" for i in range(12)]


def test_what_changed_is_counted_and_stands_first(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, level in enumerate(draws(12, 5, 0.005) * np.where(np.arange(12) >= 8, 1.2, 1.0)):
        run = f"20261123-1917{i:02}-aaaa"
        trials = [
            trial(k, metric(value, primary=True), run=run, workload=workload, block=k % 3)
            for k, (workload, value) in enumerate(
                [("steady", 1.0 + i % 2 / 1000)] * 3 + [("slower", float(level))] * 3
            )
        ]
        write_run(tmp_path / "results" / "runs", trials, run=run, host=FACTS, status="complete")
    assert main(["history", "--host-class", host_class(FACTS)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("12 runs of host class ")
    assert lines[0].endswith("; changed: 1 of 2 series")
    assert [line.split()[0] for line in lines[2:] if not line.startswith(" ")] == ["slower", "steady"]
    assert main(["history", "--host-class", host_class(FACTS), "--lang", "ko"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(", 계열 2개 중 1개에서 변화")


def test_json_and_all_metrics(runs, capsys):
    assert main(["history", "--json", "--all-metrics"]) == 0
    series = {one["metric"]: one for one in json.loads(capsys.readouterr().out)["series"]}
    assert series["wall"]["first_bad_run"] == "20261123-191708-aaaa"
    assert [(c["index"], c["commit"], c["commit_before"]) for c in series["wall"]["changes"]] == [
        (8, f"{8:010x}{0:030x}", f"{7:010x}{0:030x}")
    ]
    assert series["m"]["changes"] == []


@pytest.mark.parametrize(("language", "name"), [("en", "start-up (null)"), ("ko", "시작(null)")])
def test_start_up_is_called_so(runs, capsys, language, name):
    assert main(["history", "--lang", language]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if " bare " in line]
    assert row.startswith(f"{name}  wall")


def test_a_run_whose_trials_cannot_be_read_is_left_out_and_named(runs, capsys):
    odd = runs / "results/runs/20261123-191703-aaaa/trials.jsonl"
    odd.unlink()
    odd.mkdir()
    assert main(["history", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (series,) = found["series"]
    assert [p["name"] for p in series["points"]] == [f"r{i}" for i in range(12) if i != 3]
    assert any("191703-aaaa/trials.jsonl: Is a directory" in text for text in found["left_out"])


def test_named_runs_only(runs, capsys):
    assert main(["history", "r0", "r1", "r2", "--json"]) == 0
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert [p["name"] for p in series["points"]] == ["r0", "r1", "r2"]


def test_runs_with_a_label_only(runs, capsys):
    assert main(["history", "--label", "half=later", "--json"]) == 0
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert [p["name"] for p in series["points"]] == [f"r{i}" for i in range(6, 12)]


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


def test_a_zero_does_not_hide_a_step_and_is_told_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for i, level in enumerate(draws(20, 6, 0.005) * np.where(np.arange(20) >= 10, 2.0, 1.0)):
        run = f"20261123-1917{i:02}-aaaa"
        value = 0.0 if i == 4 else float(level)
        write_run(tmp_path / "results" / "runs", [trial(0, metric(value, primary=True), run=run)], run=run, host={},
                  mode="imported")  # fmt: skip
    assert main(["history"]) == 0
    out = capsys.readouterr().out
    assert "worse since 20261123-191710-aaaa: 2.0" in out
    assert out.count("since") == 1
    assert "wall of start-up (null) on bare is 0 or less in 1 of 20 runs" in out


def test_a_step_from_zero_has_no_ratio(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for i, level in enumerate(draws(24, 7, 0.005) * (np.arange(24) >= 12)):
        run = f"20261123-1917{i:02}-aaaa"
        write_run(tmp_path / "results" / "runs", [trial(0, metric(float(level), primary=True), run=run)], run=run,
                  host={}, mode="imported")  # fmt: skip
    assert main(["history", "--json"]) == 0
    (series,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["series"]
    assert [(c["index"], c["ratio"], c["verdict"]) for c in series["changes"]] == [(12, None, "worse")]
