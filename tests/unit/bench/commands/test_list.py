"""``tare list``, ``tare show`` and ``tare open``: what is stored, and its answers again."""

import json
import os
import shutil
import sys
import webbrowser

import pytest

from support.results_making import metric, trial, write_run
from tare.bench.__main__ import main
from tare.bench.analysis.listing import VERDICTS, VerdictCounts, keep_verdicts, read_verdicts
from tare.bench.analysis.pages import write_index
from tare.reports.text.columns import width
from tare.results.record import Provenance

HOSTS = {"a": {"cpu": {"model": "Alpha", "allowed": 2}}, "b": {"cpu": {"model": "Beta", "allowed": 4}}}


def blocks(run, factor):
    for number in range(60):
        runner = ("bare", "bare-again", "box")[number % 3]
        value = (1 + number % 7 / 1000) * (factor if runner == "box" else 1)
        yield trial(number, metric(value, primary=True), run=run, runner=runner, control=runner == "bare-again",
                    block=number // 3, invocation=number)  # fmt: skip


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "runs"
    for number, (host, label) in enumerate([("a", "one"), ("b", "two"), ("a", "two")]):
        run = f"2026112{number}-000000-aaaaa"
        origin = Provenance(commit=f"{number}" * 40, branch="main", dirty=number == 2, labels={"k": label})
        write_run(folder, blocks(run, 1.5), run=run, name=f"n{number}", created=f"2026-11-2{number}T00:00:00+00:00",
                  status="complete", host=HOSTS[host], provenance=origin)  # fmt: skip
    (folder / "broken").mkdir()
    (folder / "broken" / "manifest.json").write_text("{")
    return folder


def ids(capsys, *words):
    assert main(["list", "--json", *words]) == 0
    return [
        one["run"][7] if one["status"] != "damaged" else one["run"]
        for one in json.loads(capsys.readouterr().out)
    ]


def test_every_manifest_is_read_once(runs, capsys, monkeypatch):
    read, opened = [], os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: read.append(str(path)) or opened(path, *rest, **more)
    )
    assert main(["list"]) == 0
    assert "n2" in capsys.readouterr().out
    manifests = [path for path in read if path.endswith("manifest.json") and "broken" not in path]
    assert len(manifests) == len(set(manifests)) == 3


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_narrow_terminal_gets_rows_of_two_lines(runs, capsys, monkeypatch, language):
    assert main(["list", "--lang", language]) == 0
    whole = capsys.readouterr().out.splitlines()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["list", "--lang", language]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(width, whole)) > 80 >= max(map(width, lines))
    assert len(lines) == 2 * len(whole)
    assert [line.startswith("    ") for line in lines] == [False, True] * len(whole)
    assert [" ".join(pair).split() for pair in zip(lines[::2], lines[1::2], strict=True)] == [
        line.split() for line in whole
    ], "nothing is cut"


def test_runs_are_chosen_by_what_is_known_of_them(runs, capsys):
    assert ids(capsys) == ["0", "1", "2", "broken"]
    assert ids(capsys, "--label", "k=two") == ["1", "2"]
    assert ids(capsys, "--label", "k=two", "--last", "1") == ["2"]
    assert ids(capsys, "--commit", "1111") == ["1"]
    assert ids(capsys, "--branch", "other") == []
    assert ids(capsys, "--mode", "quick") == []
    assert main(["list", "--json", "--commit", "0"]) == 0
    own = json.loads(capsys.readouterr().out)[0]["host_class"]
    assert ids(capsys, "--host-class", own) == ["0", "2"]


def test_copies_of_a_run_are_told_apart_by_their_folders(runs, capsys):
    shutil.copytree(runs / "20261120-000000-aaaaa", runs / "a copy")
    assert main(["list"]) == 0
    first, copy, *others = capsys.readouterr().out.splitlines()[1:]
    assert first.endswith("in results/runs/20261120-000000-aaaaa")
    assert copy.endswith("in results/runs/a copy")
    assert first.split()[0] == copy.split()[0]
    assert not any("in results" in line for line in others)
    assert main(["list", "--lang", "ko", "--last", "4"]) == 0
    assert "results/runs/a copy에 있음" in capsys.readouterr().out
    page = write_index(runs, runs.parent / "out", "en").read_text()
    assert f'data-key="&#39;{runs}/a copy&#39;"' in page, "it is part of a command"
    assert f'data-key="{runs}/20261120-000000-aaaaa"' in page
    assert 'data-key="20261121-000000-aaaaa"' in page


def test_the_table_shows_commit_labels_and_verdicts_once_they_are_known(runs, capsys):
    assert main(["list", "--label", "k=two"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "run"
    assert [row.split()[-2:] for row in rows] == [["n1", "k=two"], ["n2", "k=two"]]
    assert "1111111111 " in rows[0]
    assert "2222222222+" in rows[1]
    assert " - " in rows[0]
    assert main(["list", "--judge"]) == 0
    assert capsys.readouterr().out.count("1 worse") == 3
    assert main(["list"]) == 0
    assert capsys.readouterr().out.count("1 worse") == 3


def test_what_cannot_be_read_is_listed_with_its_reason(runs, capsys):
    lost = runs / "20261125-000000-aaaaa"
    lost.mkdir()
    (lost / "trials.jsonl").write_text("")
    assert main(["list"]) == 0
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines() if "damaged" in line] == [lost.name, "broken"]
    assert f"{lost.name} has trials but no manifest.json: restore it from a copy" in said.err
    assert "broken/manifest.json is cut or damaged" in said.err
    assert main(["list", "--json"]) == 0
    reasons = {one["run"]: one["unreadable"] for one in json.loads(capsys.readouterr().out)}
    assert "no manifest" in reasons[lost.name]
    assert reasons["20261120-000000-aaaaa"] is None
    write_index(runs, runs / "out", "en")
    assert "has trials but no manifest.json" in (runs / "out" / "index.html").read_text().replace("<wbr>", "")


def test_verdicts_that_are_kept_hold_as_long_as_the_trials(runs):
    folder = next(runs.glob("2026*"))
    keep_verdicts(folder, VerdictCounts(worse=2))
    assert read_verdicts(folder) == VerdictCounts(worse=2)
    with (folder / "trials.jsonl").open("ab") as file:
        file.write(b"\n")
    assert read_verdicts(folder) is None
    (folder / VERDICTS).write_bytes(b"\xff")
    assert read_verdicts(folder) is None


def test_no_run_is_no_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "there is no run in results/runs yet. `tare run` makes one.\n"
    assert main(["list", "--branch", "main"]) == 0
    assert capsys.readouterr().out == "there is no such run in results/runs\n"


def test_the_answer_of_a_run_is_shown_again_and_nothing_is_written(runs, capsys):
    before = sorted(runs.parent.rglob("*"))
    assert main(["show", "n1"]) == 0
    assert "1.50" in capsys.readouterr().out
    assert sorted(runs.parent.rglob("*")) == before


@pytest.fixture
def page(runs, monkeypatch):
    """A report that is newer than its run, and no real browser."""
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    page = runs.parents[1] / "reports/out/20261121-000000-aaaaa/index.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page")
    return page, opened


def test_a_report_is_opened_where_there_is_a_browser(page, monkeypatch, capsys):
    path, opened = page
    monkeypatch.setenv("DISPLAY", ":0")
    assert main(["open", "n1"]) == 0
    out, err = capsys.readouterr()
    assert (opened, err) == ([path.as_uri()], "")
    assert out.strip() == str(path.relative_to(path.parents[3]))
    assert path.read_text() == "a page"


def test_without_a_browser_its_path_is_printed(page, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert main(["open", "n1"]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("index.html\n")
    assert "there is no browser" in err
    assert page[1] == []


def test_a_report_older_than_its_run_is_written_anew(page, runs, monkeypatch, capsys):
    asked = []

    def written(run_dir, *_, **__):
        asked.append(run_dir.name)
        return type("Written", (), {"index": page[0]})

    monkeypatch.setattr("tare.bench.analysis.report.report_run", written)
    later = page[0].stat().st_mtime + 1
    os.utime(runs / "20261121-000000-aaaaa" / "trials.jsonl", (later, later))
    assert main(["open", "n1"]) == 0
    assert main(["open", "n2"]) == 0
    assert asked == ["20261121-000000-aaaaa", "20261122-000000-aaaaa"]


def test_no_name_passes_for_a_run_of_its_own(runs, capsys):
    """Names and labels of runs made elsewhere may hold anything."""
    origin = Provenance(branch="b\nr", labels={"k": "v\n20991231-000000-zzzzz  complete"})
    about = {"name": "n\r\n20991231-000000-zzzzz\x1b[2K", "status": "complete", "provenance": origin}
    write_run(
        runs, [], run="20261128-000000-aaaaa", created="2026-11-28T00:00:00+00:00", host=HOSTS["a"], **about
    )
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("2")]) == 4
    assert not any(line.startswith("2099") for line in lines)


def test_many_defects_are_counted_and_not_all_listed(runs, capsys):
    write_run(runs, [b"{\n"] * 500, run="20261128-000000-aaaaa", status="complete", host=HOSTS["a"])
    assert main(["show", "20261128"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("Defects in the result file: 500" in line for line in lines)
    assert sum("unreadable" in line for line in lines) == 20
    assert "  480 more" in lines


def test_a_run_from_the_future_is_named_and_latest_is_another_one(runs, capsys):
    write_run(runs, [], run="29991231-000000-aaaaa", name="ahead", status="complete", host=HOSTS["a"])
    assert main(["list"]) == 0
    said = capsys.readouterr()
    assert "run 29991231-000000-aaaaa is dated in the future" in said.err
    assert "`latest` means" in said.err
    assert "29991231-000000-aaaaa" in said.out


def test_what_a_run_answers_is_json_with_the_numbers_of_the_table(runs, capsys):
    assert main(["show", "n0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["show", "n0"]) == 0
    table = capsys.readouterr().out
    assert " ".join(found["headline"]) in " ".join(table.split())
    (answer,) = [one for one in found["answers"] if one["runner"] == "box"]
    (row,) = [one for one in found["comparisons"] if one["runner"] == "box"]
    assert answer["time"] == {"metric": row["metric"], "verdict": "worse"}
    assert f"{row['cost']['value']:.4f}×" in table
    assert found["verdicts"]["worse"] == 1
    assert found["failures"] == []
