"""A run whose every asked runner is missing ends at once, instead of measuring bare metal for nobody."""

from tare.bench.__main__ import main

MISSING = ["--firecracker", "/nonexistent/firecracker", "-k", "null", "--quick"]


def test_the_reason_and_the_remedy_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--runners", "firecracker", *MISSING]) == 3
    said = capsys.readouterr().err
    assert "/nonexistent/firecracker is not installed" in said
    assert "--firecracker FILE" in said
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--runners", "bare,firecracker", *MISSING]) == 0
    assert "/nonexistent/firecracker is not installed" in capsys.readouterr().out
