"""Real Docker containers in a daemon of the tests' own: timeline, limits, clean-up, and a daemon that dies."""

import contextlib
import json
import os
import signal
import uuid

import pytest

from support.docker_state import belongings, reaches, user_things
from support.launched_places import EMPTY, program, run_context, settled_state
from support.other_processes import tare_run
from tare.results.record import MARKS
from tare.runners import cleanup as leftovers
from tare.runners.containers.engines.api import DockerApi
from tare.runners.containers.engines.docker import DockerRunner
from tare.runners.containers.engines.private import PrivateDocker
from tare.runners.errors import Missing, PlaceFailure
from tare.runners.model import Job, Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration
MIB = 1 << 20
LIMITS = Limits(cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB)


@pytest.fixture(scope="module")
def provision():
    """Of what a host without Docker would get."""
    provision = Provision(default_cache(), use_system=False)
    try:
        provision.tool("dockerd")
        provision.tool("docker")
    except Missing as missing:
        pytest.skip(f"{missing.reason} {missing.remedy}")
    return provision


@pytest.fixture(scope="module")
def daemon(provision):
    if os.getuid():
        pytest.skip("a Docker daemon needs root")
    one = PrivateDocker(f"tare-t{uuid.uuid4().hex[:6]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{one.listens_at}")
        one.start(provision)
        try:
            yield one
        finally:
            one.stop()


@pytest.fixture
def api(daemon, provision):
    """Of a running daemon, whatever the test before did to it; what a run leaves in it fails the test."""
    daemon.start(provision)
    api = DockerApi(str(daemon.listens_at))
    yield api
    if daemon.status() == "running":
        assert belongings(api, "tare-") == []


@contextlib.contextmanager
def prepared(provision, name="docker", limits=LIMITS):
    with run_context() as (context, image):
        runner = DockerRunner(context, provision, name=name)
        probe = runner.probe()
        assert probe.ok, probe
        try:
            runner.prepare(image, limits)
            yield runner
        finally:
            runner.close()
    assert settled_state(context.run) == EMPTY


@pytest.mark.parametrize(("name", "interfaces"), [
    ("docker", {"lo", "eth0"}), ("docker:none", {"lo"}), ("docker:host", {"lo", "docker0"}),
])  # fmt: skip
def test_a_cold_start_has_the_whole_timeline_and_the_engines_own_phases(api, provision, name, interfaces):
    job = Job()
    with prepared(provision, name) as runner:
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        marks = [mark for mark in MARKS if mark in place.timeline]
        assert sorted(place.timeline, key=place.timeline.get) == marks
        assert {"requested", "spawned", "agent", "ready", "started", "finished", "gone"} <= set(marks)
        found = {metric.name: metric for metric in place.metrics}
        phases = {f"engine.{each}" for each in ("create", "start", "stop", "remove", "return")}
        assert phases <= set(found)
        total = (place.timeline["gone"] - place.timeline["requested"]) / 1e9
        assert all(0 <= found[each].value < total for each in phases)
        assert {found[each].source for each in phases} == {"docker events"}
        assert found["engine.cpu"].value > 0
        assert place.context["memory_limit_by"] == place.context["pids_limit_by"] == "cgroup"
        with runner.open() as place:
            devices = place.run(Job(argv=("/runaway", "show", "/proc/net/dev"))).stdout.decode()
            if place.host_address:
                assert reaches(place.vantage.top_pid, place.host_address)
    assert (place.host_address is None) == (name == "docker:none")
    assert {line.split(":")[0].strip() for line in devices.splitlines()[2:]} >= interfaces
    assert ("eth0" in devices) == ("eth0" in interfaces)


def test_limits_are_set_read_back_and_kept(api, provision):
    limits = Limits(
        cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB, cpuset=(0,),
        io_operations_per_second=5000,
    )  # fmt: skip
    with prepared(provision, limits=limits) as runner, runner.open() as place:
        context = place.context
        assert context["memory_bytes"] == 64 * MIB
        assert context["pids"] == 64
        assert context["cpus"] == 1
        assert context["io"] == "not limited" or context["io"]["iops"] == 5000
        for name in ("memory", "pids", "cpu"):
            assert name in context["cgroup"]
        result = place.run(Job(argv=(program(place), "memory"), timeout_seconds=20))
        assert "memory limit" in result.error
        assert "64 MiB" in result.error
        result = place.run(Job(argv=(program(place), "fill", f"{place.scratch}/big"), timeout_seconds=20))
        assert result.signal == 25 or "scratch limit" in result.error
        result = place.run(Job(argv=(program(place), "fork"), timeout_seconds=1))
        assert result.timed_out or result.signal == 9
        assert place.run(Job(argv=(program(place), "try"))).exit_code == 0


def test_a_client_that_is_killed_takes_its_container_along(api, provision):
    with prepared(provision) as runner:
        place = runner.open()
        os.kill(place._spawned.pid, signal.SIGKILL)
        with pytest.raises(PlaceFailure, match="docker run was killed by signal 9"):
            place.run(Job())
        place.close()
        assert belongings(api, "tare-", images=False) == []


def test_a_daemon_that_dies_is_the_reason_and_leaves_nothing(api, daemon, provision):
    with prepared(provision) as runner:
        place = runner.open()
        os.kill(daemon.state()["pid"], signal.SIGKILL)
        os.waitpid(daemon.state()["pid"], 0)
        with pytest.raises(PlaceFailure, match=r"Docker daemon is stopped.*docker run") as caught:
            place.run(Job(argv=("/runaway", "deaf"), timeout_seconds=20))
        assert "tare doctor --fix docker" in caught.value.remedy
        place.close()
        with pytest.raises(PlaceFailure, match="Docker daemon is stopped"):
            runner.open()


def trials(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_whose_daemon_dies_goes_on_without_it(api, daemon, tmp_path):
    with tare_run(tmp_path, "docker", "--budget", "10", "--blocks", "40") as (process, path):
        os.kill(daemon.state()["pid"], signal.SIGKILL)
        os.waitpid(daemon.state()["pid"], 0)
        process.wait(60)
    assert process.returncode == 4
    outcomes = {(trial["runner"], trial["outcome"]) for trial in trials(path)}
    assert {("bare", "ok"), ("docker", "ok"), ("docker", "failed"), ("docker", "skipped")} <= outcomes
    assert {outcome for runner, outcome in outcomes if runner == "bare"} == {"ok"}
    measured = next(
        trial for trial in trials(path) if (trial["runner"], trial["outcome"]) == ("docker", "ok")
    )
    assert {"launch.total", "engine.start", "engine.cpu"} <= {
        metric["name"] for metric in measured["metrics"]
    }
    failed = next(trial for trial in trials(path) if trial["outcome"] == "failed")
    assert "Docker daemon" in failed["reason"]
    assert "--help" not in failed["reason"]
    assert settled_state(path.parent.name) == EMPTY


def test_a_run_that_was_killed_is_cleared_from_the_daemon_by_the_next(api, tmp_path):
    with tare_run(tmp_path, "docker", "--budget", "10", "--blocks", "500") as (process, path):
        process.kill()
        process.wait()
    run = path.parent.name
    assert belongings(api, f"tare-{run}")
    (one,) = [each for each in leftovers.find(default_cache()) if each.owner.run == run]
    assert any(str(api.path) in line for line in one.describe())
    leftovers.remove(one, default_cache())
    assert belongings(api, f"tare-{run}") == []
    assert settled_state(run) == EMPTY


def test_a_user_finds_everything_as_it_was(api, provision, tmp_path):
    with user_things(api, provision.tool("docker"), tmp_path):
        before = belongings(api)
        assert {"container mine", "image mine:1", "volume mine", "network mine"} <= set(before)
        for name in ("docker", "docker:none"):
            with prepared(provision, name) as runner, runner.open(first=Job()) as place:
                place.run(Job())
                assert len(belongings(api)) > len(before)
        assert belongings(api) == before
