"""A run whose every asked runner is missing ends at once, instead of measuring bare metal for nobody."""

import json

import pytest

from tare.bench.__main__ import main

MISSING = [
    "--firecracker",
    "/nonexistent/firecracker",
    "-k",
    "null",
    "--quick",
    "--blocks",
    "2",
    "--no-report",
]


def test_the_reason_and_the_remedy_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--runners", "firecracker", *MISSING]) == 3
    said = capsys.readouterr().err
    assert "/nonexistent/firecracker is not installed" in said
    assert "--firecracker FILE" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("more", "code"), [([], 4), (["--skip-missing"], 0)])
def test_what_is_there_is_measured_and_what_is_missing_is_no_success(
    tmp_path, monkeypatch, capsys, more, code
):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--runners", "bare,firecracker", *MISSING, *more]) == code
    err = capsys.readouterr().err
    (file,) = tmp_path.glob("results/runs/*/trials.jsonl")
    trials = [json.loads(line) for line in file.read_text().splitlines()]
    skipped = [trial for trial in trials if trial["runner"] == "firecracker"]
    assert {trial["outcome"] for trial in skipped} == {"skipped"}
    assert all("/nonexistent/firecracker is not installed" in trial["reason"] for trial in skipped)
    assert ("nothing was measured under firecracker: " in err) == bool(code)
