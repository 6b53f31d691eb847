"""What `tare doctor --fix docker` does where a daemon answers, and where none does."""

import json

import pytest

from support.docker_double import docker_double
from tare.bench.__main__ import main
from tare.bench.commands.shared.fixes import FIXES
from tare.runners.containers.engines import docker
from tare.runners.containers.engines.private import PrivateDocker


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(docker, "DEFAULT_SOCKET", str(tmp_path / "default.sock"))
    monkeypatch.setattr(PrivateDocker, "run_folder", tmp_path / "run")
    monkeypatch.setattr(PrivateDocker, "folder", tmp_path / "lib")
    monkeypatch.setattr(PrivateDocker, "start", lambda _self, _provision: ["started"])
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return tmp_path


def test_a_daemon_that_answers_is_left_alone(host):
    with docker_double(host / "default.sock") as double:
        double.answers["/version"] = (200, json.dumps({"Version": "24.0"}))
        (line,) = FIXES["docker"].do(None)
    assert line == f"nothing to do: Docker 24.0 answers at unix://{host}/default.sock"


def test_one_is_started_where_none_answers_and_the_way_back_is_told(host, monkeypatch):
    assert FIXES["docker"].do(None) == ["started", "to undo: `tare doctor --unfix docker`"]
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    assert "unset that" in FIXES["docker"].do(None)[-1]


def test_the_command_says_what_was_done(host, monkeypatch, capsys):
    monkeypatch.setattr(PrivateDocker, "stop", lambda _self: ["/run/x"])
    assert main(["doctor", "--fix", "docker", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["docker"][0] == "started"
    assert main(["doctor", "--unfix", "docker"]) == 0
    assert capsys.readouterr().out == "removed /run/x\n"
    monkeypatch.setattr(PrivateDocker, "stop", lambda _self: [])
    assert main(["doctor", "--unfix", "docker"]) == 0
    assert "nothing" in capsys.readouterr().out
