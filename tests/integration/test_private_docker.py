"""The private Docker daemon: it comes up beside whatever is there, and goes without a trace, however it ended."""

import os
import signal
import uuid
from pathlib import Path

import pytest

from support.docker_state import traces
from tare.runners.containers.engines.api import DockerApi, EngineError
from tare.runners.containers.engines.private import PrivateDocker
from tare.runners.errors import Missing, TareError
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration


@pytest.fixture
def daemon():
    if os.getuid():
        pytest.skip("a Docker daemon needs root")
    one = PrivateDocker(f"tare-t{uuid.uuid4().hex[:6]}")
    before = set(traces(one.name))
    try:
        yield one
    finally:
        one.stop()
    assert one.status() == "absent"
    assert set(traces(one.name)) == before


@pytest.fixture
def provision():
    try:
        provision = Provision(default_cache(), use_system=False)
        provision.tool("dockerd")
    except Missing as missing:
        pytest.skip(f"{missing.reason} {missing.remedy}")
    return provision


def test_it_comes_up_says_so_and_goes(daemon, provision):
    assert daemon.status() == "absent"
    lines = daemon.start(provision)
    assert "started a private Docker daemon" in lines[0]
    assert daemon.status() == "running"
    api = DockerApi(str(daemon.listens_at))
    assert api.info()["CgroupDriver"] == "cgroupfs"
    assert "is already running" in daemon.start(provision)[0]
    pid = daemon.state()["pid"]
    for kind in ("net", "mnt"):
        assert Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()
    assert not [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if daemon.name in line]
    assert f"the private Docker daemon, pid {pid}" in daemon.stop()
    assert daemon.stop() == []


def test_one_that_was_killed_is_dead_and_is_started_anew(daemon, provision):
    daemon.start(provision)
    os.kill(daemon.state()["pid"], signal.SIGKILL)
    os.waitpid(daemon.state()["pid"], 0)
    assert daemon.status() == "dead"
    with pytest.raises(EngineError) as caught:
        DockerApi(str(daemon.listens_at)).version()
    assert caught.value.absent
    daemon.start(provision)
    assert daemon.status() == "running"
    assert DockerApi(str(daemon.listens_at)).version()["ApiVersion"]


def test_one_that_cannot_start_says_why_and_leaves_nothing(daemon, provision, monkeypatch):
    monkeypatch.setattr("tare.runners.containers.engines.private.BRIDGE", "not-an-address")
    with pytest.raises(TareError, match=r"(?s)ended before it was ready.*not-an-address"):
        daemon.start(provision)
    assert daemon.status() == "absent"
