"""``tare import``: files of other tools become runs, and are listed."""

import json

from tare.bench.__main__ import main


def test_each_file_becomes_a_run_and_all_are_listed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        result = {"command": "sleep", "times": [0.1, 0.2], "exit_codes": [0, 0], "median": 0.15}
        (tmp_path / f"{name}.json").write_text(json.dumps({"results": [result]}))
    (tmp_path / "bad.json").write_text("{")
    assert main(["import", "one.json", "two.json", "--name", "x"]) == 2
    assert "--name names one run" in capsys.readouterr().err
    assert main(["import", "one.json", "two.json", "bad.json"]) == 2
    said = capsys.readouterr()
    assert said.out.count("imported 2 trials of 1 series (hyperfine)") == 2
    assert "bad.json" in said.err
    page = (tmp_path / "reports" / "out" / "index.html").read_text()
    assert page.count("data-key=") == 2
    assert ">one<" in page
    assert ">two<" in page
