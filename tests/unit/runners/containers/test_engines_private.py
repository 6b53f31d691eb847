"""What the private daemon's files say of it, and who may touch it."""

import json
import os
from pathlib import Path

import pytest

from tare.runners.containers.engines.link import free_subnet
from tare.runners.containers.engines.private import PrivateDocker
from tare.runners.errors import TareError
from tare.runners.host.processes import boot_id, start_ticks


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    monkeypatch.setattr(PrivateDocker, "folder", tmp_path / "lib")
    monkeypatch.setattr(PrivateDocker, "run_folder", tmp_path / "run")
    return PrivateDocker("tare-test")


def written(daemon, **state):
    daemon.folder.mkdir(exist_ok=True)
    (daemon.folder / "state.json").write_text(json.dumps(state))


def test_nothing_is_absent(daemon):
    assert daemon.status() == "absent"


def test_a_living_process_runs(daemon):
    written(daemon, pid=os.getpid(), start_ticks=start_ticks(os.getpid()), boot=boot_id())
    assert daemon.status() == "running"


def test_one_that_is_being_started_is_left_alone(daemon):
    me = {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "boot": boot_id()}
    written(daemon, made=[], starter=me)
    assert daemon.status() == "starting"
    with pytest.raises(TareError, match="another process is starting"):
        daemon._claim()
    assert [path.name for path in daemon.folder.parent.iterdir()] == ["lib"]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"made": [], "starter": {"pid": 1 << 30, "start_ticks": 7, "boot": boot_id()}},
        {"pid": os.getpid(), "start_ticks": 1, "boot": boot_id()},
        {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "boot": "another"},
        {"pid": 1 << 30, "start_ticks": 0, "boot": boot_id()},
    ],
)
def test_another_process_or_boot_is_dead(daemon, state):
    written(daemon, **state)
    assert daemon.status() == "dead"


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_state_is_dead(daemon, text):
    daemon.folder.mkdir()
    (daemon.folder / "state.json").write_text(text)
    assert daemon.status() == "dead"


@pytest.mark.parametrize(("comm", "status"), [("dockerd\n", "running"), ("python\n", "dead"), (None, "dead")])
def test_an_ordinary_user_who_may_not_read_the_state_sees_the_daemon_itself(
    daemon, tmp_path, monkeypatch, comm, status
):
    """`tare clean` told ordinary users that root's living daemon had ended."""
    written(daemon, pid=1)
    daemon.run_folder.mkdir()
    (daemon.run_folder / "pid").write_text("4711" if comm else "")
    monkeypatch.setattr("os.access", lambda path, _mode: path != daemon.folder)
    read = Path.read_text

    def read_text(path, *rest):
        return comm if path == Path("/proc/4711/comm") else read(path, *rest)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert daemon.status() == status


def test_an_ordinary_user_is_told(daemon, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(TareError, match="as root"):
        daemon.start(None)
    with pytest.raises(TareError, match="as root"):
        daemon.stop()


def test_the_link_takes_a_network_that_no_route_is_to():
    head = "Iface\tDestination\tGateway\tFlags\n"
    default = "eth0\t00000000\t0101A8C0\t0003\n"
    assert free_subnet(head + default) == "10.213.0"
    assert free_subnet(head + default + "a0\t0000D50A\t00000000\t0001\nb0\t0001D50A\t0\t1\n") == "10.213.2"
    full = "".join(f"a\t00{number:02X}D50A\t0\t1\n" for number in range(256))
    with pytest.raises(TareError, match="taken"):
        free_subnet(head + full)
