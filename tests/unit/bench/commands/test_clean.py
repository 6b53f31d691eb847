"""Test what `tare clean` finds besides dead runs, and that it needs no settings."""

import json
from pathlib import Path

import pytest

from tare.bench.__main__ import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tare.runners.cleanup._USUAL", ())
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TARE_WORKDIR", str(tmp_path))


def test_temporary_folders_of_killed_commands_are_removed(capsys):
    names = [
        "tare-scratch-push-1",
        "results/runs/.tare-scratch-import-2",
        "results/baselines/host/.tare-scratch-save-3",
    ]
    for name in names:
        Path(name, "in").mkdir(parents=True)
    assert main(["clean", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert [any(line.endswith(Path(name).name) for line in found) for name in names] == [True] * 3
    assert main(["clean"]) == 0
    assert [name for name in names if Path(name).exists()] == []


def test_settings_that_cannot_be_used_keep_nobody_from_cleaning(capsys):
    Path("tare.toml").write_text("[run")
    Path("results/runs/.tare-scratch-import-2").mkdir(parents=True)
    assert main(["clean"]) == 0
    assert "tare-scratch-import-2" in capsys.readouterr().out
    assert list(Path("results/runs").iterdir()) == []
