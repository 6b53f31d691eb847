"""``tare store``, ``tare sql`` and ``tare history --store``, on stores in temporary folders."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from support.results_making import metric, trial, write_run
from support.store_making import run_id, stored_run
from tare.bench.__main__ import main
from tare.bench.analysis.baselines import ThisHost
from tare.results.stores import columns

EXTRAS = {"duckdb", "fsspec", "pyarrow"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TARE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(ThisHost, "read", classmethod(lambda _cls, *_: ThisHost("imported", {}, None)))
    return tmp_path


@pytest.fixture
def runs(here):
    return [stored_run(here / "results" / "runs", number, name=f"n{number}") for number in range(3)]


@pytest.fixture
def without_extras(monkeypatch):
    """No package of an extra can be imported or found."""
    for name in [name for name in sys.modules if name.partition(".")[0] in EXTRAS]:
        monkeypatch.delitem(sys.modules, name)

    class Missing:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] in EXTRAS:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Missing, *sys.meta_path])
    monkeypatch.setattr(columns, "is_there", lambda: False)


def said(capsys, *words, code=0):
    assert main(words) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_what_cannot_be_read_is_left_out_of_a_push_with_its_reason(runs, capsys):
    (runs[0] / "manifest.json").unlink()
    assert main(["store", "push", "--all"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "left out: " in err
    assert f"{run_id(0)} has trials but no manifest.json" in err


def test_runs_are_pushed_listed_pulled_and_pruned(runs, here, capsys):
    assert said(capsys, "store", "push") == f"{run_id(2)}: stored\n"
    assert said(capsys, "store", "push", "--all").splitlines() == [
        f"{run_id(0)}: stored", f"{run_id(1)}: stored", f"{run_id(2)}: is there already",
    ]  # fmt: skip
    listed = said(capsys, "store", "list").splitlines()
    assert [line.split()[0] for line in listed] == ["run", *(run_id(number) for number in range(3))]
    assert listed[1].endswith("n0 n=0")
    assert [one["run"] for one in json.loads(said(capsys, "store", "list", "--json", "--label", "n=1"))] == [
        run_id(1)
    ]
    other = ("--results-dir", str(here / "other"))
    assert said(capsys, "store", "pull", *other).strip() == str(here / "other" / run_id(2))
    assert said(capsys, "store", "pull", "n1", "latest", *other).splitlines() == [
        str(here / "other" / run_id(1)), f"{here / 'other' / run_id(2)} is here already",
    ]  # fmt: skip
    assert len(said(capsys, "store", "prune", "--keep", "2", "--dry-run").splitlines()) == 2
    assert run_id(0) in said(capsys, "store", "prune", "--keep", "2")
    assert said(capsys, "store", "prune", "--keep", "2") == "there is nothing to remove\n"


def test_what_is_not_there_is_named(runs, capsys, monkeypatch):
    assert "no run in" in said(capsys, "store", "pull", "n9", code=2)
    assert "there is no such run" in said(capsys, "store", "pull")
    monkeypatch.delenv("TARE_STORE")
    assert "no store is named: give --store FOLDER" in said(capsys, "store", "list", code=2)


def test_sql_asks_about_the_folder_or_the_store(runs, here, capsys):
    pytest.importorskip("duckdb", reason="the extra `sql`")
    said(capsys, "store", "push", "n1")
    query = "SELECT run, count(*) AS n, max(value) AS v FROM metrics GROUP BY run ORDER BY run"
    assert said(capsys, "sql", query).splitlines()[0].split() == ["run", "n", "v"]
    assert [row["run"] for row in json.loads(said(capsys, "sql", query, "--json"))] == [
        run_id(i) for i in range(3)
    ]
    rows = list(csv.reader(io.StringIO(said(capsys, "sql", query, "--stored", "--format", "csv"))))
    assert rows == [["run", "n", "v"], [run_id(1), "8", "3.0"]]
    assert "labels map(varchar, varchar)" in said(capsys, "sql")
    assert '"2026-11-02T00:00:00"' in said(
        capsys, "sql", "SELECT created FROM runs ORDER BY run LIMIT 1 OFFSET 1", "--json"
    )
    assert "Error" in said(capsys, "sql", "SELEKT", code=2)
    assert "--memory" in said(capsys, "sql", "--memory", "lots", code=2)


_LEFT_AT_THE_END = """
import atexit, gc, sys
before = gc.get_freeze_count()
atexit.register(lambda: print("left" if gc.get_freeze_count() > before else "searched"))
from tare.bench.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("words", "garbage"), [(("sql", "SELECT count(*) FROM runs"), "searched"), (("list",), "left")]
)
def test_garbage_is_left_at_the_end_but_not_that_of_duckdb(runs, words, garbage):
    """From Python 3.14 on, a process that does not release DuckDB's objects before Python ends is aborted."""
    pytest.importorskip("duckdb", reason="the extra `sql`")
    ended = subprocess.run(
        [sys.executable, "-c", _LEFT_AT_THE_END, *words], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr, ended.stdout.split()[-1]) == (0, "", garbage)


def test_a_damaged_run_is_left_out_and_named(runs, capsys):
    pytest.importorskip("duckdb", reason="the extra `sql`")
    (runs[0] / "manifest.json").write_text("{")
    assert main(["sql", "SELECT count(*) AS n FROM runs"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == ["n", "2"]
    assert "left out" in err


@pytest.mark.slow
def test_a_month_of_nightly_runs_with_a_planted_change(here, capsys):
    """The change is found in the folder and in the store alike, and dated to its commit."""
    pytest.importorskip("duckdb", reason="the extra `sql`")
    noise = np.exp(np.random.default_rng(1).normal(0, 0.01, (30, 5)))
    for night in range(30):
        level = 1.1 if night >= 20 else 1.0
        run = run_id(night)
        path = stored_run(here / "made", night)
        values = [
            trial(k, metric(float(level * value), primary=True), run=run)
            for k, value in enumerate(noise[night])
        ]
        about = json.loads((path / "manifest.json").read_text())
        write_run(here / "results" / "runs", values, run=run, status="complete", created=about["created"],
                  provenance=about["provenance"])  # fmt: skip
    said(capsys, "store", "push", "--all")
    for where in ((), ("--stored",)):
        (series,) = json.loads(said(capsys, "history", "--json", *where))["series"]
        (change,) = series["changes"]
        assert (change["run"], change["commit"], change["verdict"]) == (run_id(20), f"{20:040x}", "worse")
    text = said(capsys, "history", "--store", str(here / "store"))
    assert "30 runs of host class imported" in text
    assert "commit 0000000000, after 0000000000 in the run before" in text
    assert "name none" in said(capsys, "history", "latest", "--stored", code=2)


def test_without_extras_a_folder_keeps_runs_and_the_rest_says_what_is_missing(runs, without_extras, capsys):
    assert said(capsys, "store", "push") == f"{run_id(2)}: stored\n"
    assert run_id(2) in said(capsys, "store", "list")
    assert "pip install 'tarebench[sql]'" in said(capsys, "sql", code=2)
    assert "pip install 'tarebench[sql]'" in said(capsys, "history", "--stored", code=2)
    assert "pip install 'tarebench[store]'" in said(
        capsys, "store", "list", "--store", "s3://bucket/x", code=2
    )
