"""A run whose every asked runner is missing ends at once, instead of measuring bare metal for nobody."""

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
    out, err = capsys.readouterr()
    assert "/nonexistent/firecracker is not installed" in out
    assert ("nothing was measured under firecracker: " in err) == bool(code)
