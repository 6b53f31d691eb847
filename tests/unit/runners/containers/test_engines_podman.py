"""What Podman's log says, what lies between the host and Podman, and what it is allowed to ask for."""

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from support.other_processes import await_exec
from tare.runners.containers.engines import client_processes as lingering
from tare.runners.containers.engines import podman, podman_home
from tare.runners.containers.engines.client_processes import await_client_processes
from tare.runners.containers.engines.podman import events, wall_ns
from tare.runners.context import RunContext
from tare.runners.provision.tools import Provision


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25T02:56:09.7415063Z", 1795575369_741506300),
        ("2026-11-25T02:56:09Z", 1795575369_000000000),
        ("2026-11-25T04:56:09.000000001+02:00", 1795575369_000000001),
        ("2026-11-25T01:56:09.5-01:00", 1795575369_500000000),
    ],
)
def test_times_have_nine_digits_or_fewer(text, expected):
    assert wall_ns(text) == expected


def test_events_are_those_of_the_container_and_known():
    def line(status, name="c", time="2026-11-25T02:56:09.1Z"):
        return json.dumps({"Name": name, "Status": status, "Time": time, "Type": "container"})

    log = "\n".join(
        [line("create"), line("init"), line("start", "other"), line("start"), line("died"), line("remove"),
         '{"Name": "c", "Sta', "[]", line("remove", time="yesterday")]
    )  # fmt: skip
    assert [name for name, _ in events(log, "c")] == ["create", "start", "die", "remove"]
    assert events("", "c") == []


def context(tmp_path):
    return RunContext("r", tmp_path / "tare-r", tmp_path / "cache", None)


def described(monkeypatch, uid, fetched, tmp_path, *, own_network=False):
    monkeypatch.setattr(os, "getuid", lambda: uid)
    return [
        step.describe() for step in podman_home._steps(fetched, context(tmp_path), own_network=own_network)
    ]


def test_an_ordinary_users_podman_has_nothing_before_it(monkeypatch, tmp_path):
    assert described(monkeypatch, 1000, None, tmp_path) == []


def test_a_fetched_podman_finds_its_own_usr(monkeypatch, tmp_path):
    steps = described(monkeypatch, 0, Path("/cache/root"), tmp_path)
    assert any("/cache/root/usr" in step for step in steps)


def test_roots_podman_sees_neither_run_nor_the_hosts_network(monkeypatch, tmp_path):
    steps = described(monkeypatch, 0, None, tmp_path, own_network=True)
    assert sum("tmpfs" in step for step in steps) == 2
    assert "lo" in steps[-1]
    inside = described(monkeypatch, 0, None, Path("/var/lib/tare"))
    assert sum("tmpfs" in step for step in inside) == 1  # what is needed is not hidden


def test_no_more_is_asked_for_than_may_be_given(monkeypatch):
    hard = {resource.RLIMIT_NOFILE: 20000, resource.RLIMIT_NPROC: 90000}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (0, hard[kind]))
    assert podman_home.ulimits() == ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=16384:16384")
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (0, -1))
    assert podman_home.ulimits() == ()


def test_an_ordinary_user_needs_it_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(Provision, "installed", lambda _self, _name: None)
    probe = podman.PodmanRunner(context(tmp_path), Provision(tmp_path)).probe()
    assert not probe.ok
    assert "apt-get install podman" in probe.remedy


def test_only_an_ordinary_user_may_go_without_limits(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert [(way.runtime, way.limited) for way in podman._ways()] == [("crun", True), ("runc", True)]
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert [way.limited for way in podman._ways()] == [True, True, False, False]


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (("podman", "container", "cleanup", "1234"), True),
        (
            ("conmon", "--name", "tare-run-1", "--exit-command", "podman", "--exit-command-arg", "cleanup"),
            True,
        ),
        (
            ("conmon", "--name", "tare-run-2", "--exit-command", "podman", "--exit-command-arg", "cleanup"),
            False,
        ),
        (("podman", "events"), False),
    ],
)
def test_a_monitor_of_another_container_is_not_waited_for(words, about):
    with subprocess.Popen(["/bin/sh", "-c", "read line", *words], stdin=subprocess.PIPE) as process:
        await_exec(process)
        assert lingering._is_about(process.pid, "tare-run-1") is about
        process.stdin.close()


def test_nothing_lingers_below_a_process_without_children():
    await_client_processes(1 << 30, "c")


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Error: writing blob: storing blob: no space left on device", "free some disk space"),
        ("Error: writing blob: disk quota exceeded", "free some disk space"),
        (
            "Error: the specified runroot is longer than 50 characters",
            "set TARE_WORKDIR to a folder with a shorter path",
        ),
        ("Error: payload does not match any of the supported image formats", ""),
    ],
)
def test_a_failed_load_has_the_remedy_for_what_podman_tells(said, remedy):
    assert podman_home.load_remedy(said) == remedy
