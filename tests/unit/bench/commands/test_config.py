"""``tare config`` shows every setting, its value, and where that comes from."""

import json

import pytest

from tare.bench.__main__ import main
from tare.bench.request.declarations import SETTINGS


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "pyproject.toml").write_text(
        "[tool.tare.limits]\nmemory = '512M'\n[tool.tare.run]\ncount = true\n"
    )

    def shown(*words):
        assert main(["config", *words]) == 0
        return capsys.readouterr().out

    return shown


def test_every_setting_is_shown_with_its_value(ask):
    lines = [line.split(maxsplit=1) for line in ask().splitlines()]
    assert [key for key, _ in lines] == [setting.key for setting in SETTINGS]
    found = dict(lines)
    assert (found["limits.memory"], found["limits.pids"], found["run.seed"]) == ("512M", "512", "-")


def test_origins_are_shown(ask, monkeypatch):
    monkeypatch.setenv("TARE_BUDGET", "6m")
    found = {line.split()[0]: line.split()[1:] for line in ask("--show-origin", "--cpus", "1").splitlines()}
    assert found["run.budget"] == ["360s", "$TARE_BUDGET"]
    assert found["limits.cpus"] == ["1", "--cpus"]
    assert found["limits.memory"] == ["512M", "pyproject.toml"]
    assert found["limits.pids"] == ["512", "default"]


def test_json_has_what_a_reference_needs(ask):
    (one,) = json.loads(ask("limits.memory", "--json"))
    assert one == {
        "key": "limits.memory",
        "value": "512M",
        "origin": {"kind": "project", "name": "pyproject.toml"},
        "default": "1G",
        "option": "--memory",
        "variable": "TARE_MEMORY",
        "metavar": "SIZE",
        "help": "memory of each place",
        "accepts": "a number of bytes, or one with K, M, G or T behind it",
        "example": "512M",
    }
    assert [one["key"] for one in json.loads(ask("--json"))] == [setting.key for setting in SETTINGS]


def test_a_key_that_is_not_there_is_answered_with_the_one_that_was_meant(ask, capsys):
    assert main(["config", "limits.memroy"]) == 2
    assert "did you mean limits.memory?" in capsys.readouterr().err
