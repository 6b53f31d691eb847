"""Columns say what the trials say, and questions about all runs at once are answered from them."""

import numpy as np
import pytest

from support.results_making import metric, trial, write_run
from support.store_making import repository, run_id, stored_run
from tare.results.errors import ResultError
from tare.results.statistics.series import good_series
from tare.results.storage.load import load_run
from tare.results.stores import columns, queries
from tare.results.stores.git import GitFiles
from tare.results.stores.store import Store, open_store
from tare.results.tables.frame import read_frame


@pytest.fixture
def connection(tmp_path):
    pytest.importorskip("duckdb", reason="the extra `sql`")
    with columns.connect(tmp_path / "spill") as opened:
        yield opened


def rows(connection, query):
    return queries.ask(connection, query).fetchall()


def varied_run(folder):
    run = run_id(3)
    values = [
        trial(k, metric(1 + k / 7, primary=True, error=0.1 if k % 2 else None), metric(k, name="m", direction="none"),
              run=run, runner=("bare", "bare-again", "box's")[k % 3], control=k % 3 == 1, block=k // 3,
              warmup=k < 3, parameters={"size": k % 2}, outcome="failed" if k == 8 else "ok",
              reason="it failed" if k == 8 else "")
        for k in range(24)
    ]  # fmt: skip
    values.append(trial(24, metric(-1.0, primary=True), run=run))
    values.append(trial(25, run=run, outcome="skipped", reason="no KVM"))
    return write_run(folder, [*values, b"damaged\n"], run=run, status="complete")


def test_columns_say_what_the_tables_say(tmp_path, connection):
    path = varied_run(tmp_path / "runs")
    (found,) = columns.local_columns(connection, [(path, "host")], tmp_path / "runs")
    queries.open_tables(connection, [found])
    frame = read_frame(load_run(path))
    for table, expected in (("trials", frame.trials), ("metrics", frame.metrics)):
        names = list(columns.column_types(table))
        selected = ", ".join(f'"{name}"' for name in names)
        read = rows(connection, f"SELECT {selected} FROM {table}")  # noqa: S608
        assert len(read) == len(expected)
        for name, column in zip(names, zip(*read, strict=True), strict=True):
            if name == "run":
                assert set(column) == {run_id(3)}
            elif name == "error":
                assert [value if value is not None else "?" for value in column] == [
                    "?" if np.isnan(value) else value for value in expected[name]
                ]
            else:
                assert list(column) == expected[name].tolist()
    assert rows(connection, "SELECT DISTINCT host_class, month FROM metrics") == [("host", "2026-11")]


def test_medians_are_those_of_the_series(tmp_path, connection):
    path = varied_run(tmp_path / "runs")
    (found,) = columns.local_columns(connection, [(path, "host")], tmp_path / "runs")
    expected = {
        (key.workload, key.parameters, key.metric, key.runner): (float(np.median(one.value)), len(one.value))
        for key, one in good_series(read_frame(load_run(path))).items()
        if not key.control and one.direction != "none" and one.primary
    }
    assert len(expected) > 3
    read = {one[:4]: one[6:] for one in queries.medians(connection, found, all_metrics=True)}
    assert read.keys() == expected.keys()
    for key, (value, values) in expected.items():
        assert read[key][1] == values
        assert read[key][0] == pytest.approx(value)


def test_columns_are_made_once_and_again_when_the_run_changes(tmp_path, connection, monkeypatch):
    made = []
    real = columns.write_columns
    monkeypatch.setattr(columns, "write_columns", lambda *words: (made.append(1), real(*words)))
    path = stored_run(tmp_path / "runs", 1)

    def ask():
        (found,) = columns.local_columns(connection, [(path, "host")], tmp_path / "runs")
        return found.files["trials"], len(made)

    first, count = ask()
    assert ask() == (first, 1)
    with (path / "trials.jsonl").open("ab") as file:
        file.write(b"\n")
    second, count = ask()
    assert (count, second != first) == (2, True)
    assert len(list((tmp_path / "runs" / ".columns").rglob("*.parquet"))) == 2


@pytest.mark.parametrize("kind", ["folder", "objects", "git"])
def test_columns_of_a_store_are_found_or_made(kind, tmp_path, connection):
    store = {
        "folder": lambda: open_store(str(tmp_path / "store")),
        "objects": lambda: open_store(f"memory://{tmp_path.name}/columns"),
        "git": lambda: Store(GitFiles("runs", folder=repository(tmp_path))),
    }[kind]()
    paths = [stored_run(tmp_path / "runs", number) for number in (1, 2)]
    pushed = [one.kept for one in store.push((path, "host") for path in paths)]
    columns.push_columns(connection, store, pushed[0], paths[0])
    cache = tmp_path / "cache"
    found = list(columns.stored_columns(connection, store, store.runs(), cache))
    queries.open_tables(connection, found)
    assert rows(connection, "SELECT run, count(*) FROM metrics GROUP BY run ORDER BY run") == [
        (run_id(1), 8), (run_id(2), 8),
    ]  # fmt: skip
    made = {path.name.partition(".")[0] for path in cache.rglob("*.parquet")}
    assert made == ({run_id(1), run_id(2)} if kind == "git" else {run_id(2)})
    assert rows(connection, "SELECT labels['n'], commit, created::DATE::VARCHAR FROM runs ORDER BY run")[0] == (
        "1", f"{1:040x}", "2026-11-02",
    )  # fmt: skip
    # What is removed from the store takes its columns with it.
    store.prune(1)
    assert [name for name in store.files.names("columns") if run_id(1) in name] == []


def test_no_run_makes_empty_tables(connection):
    queries.open_tables(connection, [])
    assert rows(connection, "SELECT count(*), max(value) FROM metrics") == [(0, None)]
    assert rows(connection, "SELECT count(*) FROM trials NATURAL JOIN runs") == [(0,)]


def test_what_duckdb_cannot_answer_is_a_sentence(tmp_path, connection):
    queries.open_tables(connection, [])
    with pytest.raises(ResultError, match="nowhere"):
        queries.ask(connection, "SELECT * FROM nowhere")
    with columns.connect(tmp_path / "spill", 4 << 20) as small, pytest.raises(ResultError, match="--memory"):
        queries.ask(small, "SELECT count(*) FROM (SELECT DISTINCT range FROM range(300000))").fetchall()


def test_nothing_is_drawn_into_the_answer(connection):
    assert rows(connection, "SELECT current_setting('enable_progress_bar')") == [(False,)]


def test_nothing_is_downloaded(connection):
    with pytest.raises(ResultError, match=r"(?i)extension|httpfs|http"):
        queries.ask(connection, "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')")
    assert rows(connection, "SELECT current_setting('autoinstall_known_extensions')") == [(False,)]
