"""What is said of a daemon that is absent, closed, broken or fine."""

import io
import json
import os
import socket
import threading

import pytest

from support.docker_double import docker_double
from tare.runners.containers.engines import api as api_module
from tare.runners.containers.engines.api import DockerApi, EngineError
from tare.runners.containers.engines.clearing import clear_docker


def test_no_socket_is_no_daemon(tmp_path):
    with pytest.raises(EngineError, match="no Docker daemon: no socket") as caught:
        DockerApi(str(tmp_path / "none.sock")).version()
    assert caught.value.absent


def test_a_socket_without_listener_is_a_stopped_daemon(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    with pytest.raises(EngineError, match="is stopped") as caught:
        DockerApi(str(path)).version()
    assert caught.value.absent


def test_a_silent_daemon_is_not_waited_for(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        one.listen()
        with pytest.raises(EngineError, match=r"did not answer in 0\.05 s") as caught:
            DockerApi(str(path)).version(timeout_seconds=0.05)
    assert not caught.value.absent


def test_a_daemon_that_hangs_up_went_away(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        one.listen()

        def hang():
            one.accept()[0].close()

        hang_up = threading.Thread(target=hang)
        hang_up.start()
        with pytest.raises(EngineError, match="went away") as caught:
            DockerApi(str(path)).version()
        hang_up.join()
    assert caught.value.absent


@pytest.mark.parametrize(("group", "remedy"), [("docker", "usermod -aG docker"), ("root", "run as root")])
def test_a_closed_socket_has_a_remedy(monkeypatch, tmp_path, group, remedy):
    monkeypatch.setattr("pathlib.Path.group", lambda _path: group)

    def refuse(_connection):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(api_module._UnixConnection, "connect", refuse)
    with pytest.raises(EngineError, match="permission denied on Docker's socket") as caught:
        DockerApi(str(tmp_path / "docker.sock")).version()
    assert remedy in caught.value.remedy
    assert not caught.value.absent


def test_what_a_daemon_refuses_is_told_in_its_words(tmp_path):
    with docker_double(tmp_path / "s") as double:
        double.answers["/info"] = (500, '{"message": "out of cheese"}')
        double.answers["/version"] = (404, "page not found\n")
        with pytest.raises(EngineError, match="GET /info: 500 out of cheese"):
            DockerApi(str(tmp_path / "s")).info()
        with pytest.raises(EngineError, match="GET /version: 404 page not found"):
            DockerApi(str(tmp_path / "s")).version()


def test_loading_sends_all_and_hears_late_errors(tmp_path):
    with docker_double(tmp_path / "s") as double:
        double.answers["/images/load"] = (200, '{"stream": "Loaded image: tare-r:k"}\r\n')
        api = DockerApi(str(tmp_path / "s"))
        api.load(io.BytesIO(b"x" * 100_000))
        assert double.bodies == [b"x" * 100_000]
        double.answers["/images/load"] = (200, '{"stream": "..."}\r\n{"error": "no space left on device"}')
        with pytest.raises(EngineError, match="cannot be loaded: no space left"):
            api.load(io.BytesIO(b"y"))


def test_events_come_as_lines(tmp_path):
    with docker_double(tmp_path / "s") as double:
        double.answers["/events"] = (200, '{"Action": "create"}\n{"Action": "start"}\n')
        found = DockerApi(str(tmp_path / "s")).events("c", 1.5, 2.0)
    assert [event["Action"] for event in found] == ["create", "start"]
    assert json.loads(double.requests[-1][2]["filters"]) == {"container": ["c"]}


def test_clearing_takes_the_runs_own_and_nothing_else(tmp_path):
    with docker_double(tmp_path / "s") as double:
        double.containers = {"a" * 64: "tare.run=One", "b" * 64: "tare.run=Two", "c" * 64: "mine"}
        double.images = ["tare-one:k1", "tare-two:k1", "mine:latest"]
        removed = clear_docker(str(tmp_path / "s"), "One")
        assert removed == [f"Docker container {'a' * 12}", "Docker image tare-one:k1"]
        assert list(double.containers) == ["b" * 64, "c" * 64]
        assert double.images == ["tare-two:k1", "mine:latest"]
        assert clear_docker(str(tmp_path / "s"), "One") == []


def test_removing_what_is_not_there_is_fine(tmp_path):
    with docker_double(tmp_path / "s") as double:
        api = DockerApi(str(tmp_path / "s"))
        api.remove_container("gone")
        api.remove_image("gone:1")
        double.answers["/containers/busy"] = (409, '{"message": "removal is already in progress"}')
        double.answers["/containers/busy/wait"] = (200, '{"StatusCode": 137}')
        api.remove_container("busy")
        assert double.requests[-1] == ("POST", "/containers/busy/wait", {"condition": "removed"})
        double.answers["/containers/bad"] = (500, '{"message": "driver failed"}')
        with pytest.raises(EngineError, match="driver failed"):
            api.remove_container("bad")


def test_what_our_own_daemon_had_goes_with_it(tmp_path):
    name = f"tare-absent-{os.getpid()}"
    assert clear_docker(f"/run/{name}/docker.sock", "one") == []
    with pytest.raises(EngineError):
        clear_docker(str(tmp_path / name / "docker.sock"), "one")
