"""``tare workloads``: the list, and the explanation of files."""

import json

from tare.bench.__main__ import main

MINE = """
[workloads.mine]
command = "sort {n}"
parameters = { n = [1, 2] }
summary = "lines"
[workloads.wrong]
comand = "x"
"""


def test_ours_and_own_are_listed_and_problems_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["workloads"]) == 0
    shown = capsys.readouterr().out
    assert "fork" in shown
    assert "stress-ng" in shown
    (tmp_path / "tare.toml").write_text(MINE)
    assert main(["workloads", "--json"]) == 2
    out, err = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(out)}
    assert (rows["mine:n=2"]["origin"], rows["mine:n=2"]["needs"], rows["cpu"]["origin"]) == (
        "own",
        ["sort"],
        "suite",
    )
    assert err == (
        "tare: tare.toml:7: wrong.comand: there is no 'comand' here; did you mean command? There are command, family, "
        "summary, prepare, cleanup, identity, stdin, environment, carry, parameters, exit_codes, timeout, metrics, duet, server.\n"
    )


def test_a_file_is_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["workloads", "check"]) == 2
    assert "there is no tare.toml and no workloads/*.toml here" in capsys.readouterr().err
    path = tmp_path / "x.toml"
    path.write_text(MINE.partition("[workloads.wrong]")[0])
    assert main(["workloads", "check", str(path)]) == 0
    assert capsys.readouterr().out == (
        f"{path}: 1 definition, 2 workloads\n"
        "  mine:n=1 (own): lines\n    n: 1\n    command: sort 1\n"
        "  mine:n=2 (own): lines\n    n: 2\n    command: sort 2\n"
    )
    assert main(["workloads", "check", str(path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (len(found["workloads"]), found["problems"]) == (2, [])
    path.write_text(MINE)
    assert main(["workloads", "check", str(path)]) == 2
    assert main(["workloads", "check", "missing.toml"]) == 2
    assert main(["workloads", "list", "x.toml"]) == 2
    assert main(["workloads", "chek"]) == 2
    assert "did you mean check?" in capsys.readouterr().err


def test_what_keeps_a_definition_from_being_measured_here_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.toml"
    path.write_text(
        "[workloads.a]\ncommand = 'true'\ncarry = ['here', 'gone']\n[workloads.null]\ncommand = 'true'\n"
        "[workloads.b]\ncommand = 'no-such-program'\n"
    )
    (tmp_path / "here").touch()
    assert main(["workloads", "check", str(path)]) == 2
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f"tare: {path}: a.carry: there is no file or folder gone in {tmp_path}.",
        f"tare: {path}: null: this is the name of one of the suite's workloads or families: give yours another one.",
    ]
    assert "    skipped on this host: no-such-program cannot be run: it is not on PATH" in out
