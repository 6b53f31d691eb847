"""Real Podman containers, as whoever runs the tests: timeline, limits, clean-up, and a suite that is killed."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from support.docker_state import reaches
from support.launched_places import EMPTY, program, run_context, settled_state
from support.other_processes import tare_run
from tare.results.record import MARKS
from tare.runners import cleanup as leftovers
from tare.runners.containers.engines.podman import PodmanRunner
from tare.runners.errors import Missing, PlaceFailure
from tare.runners.model import Job, Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration
MIB = 1 << 20
LIMITS = Limits(cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB)
TRACES = (
    *(
        "/var/lib/containers",
        "/run/libpod",
        "/run/containers",
        "/run/netns",
        "/var/lib/cni",
        "/etc/containers",
    ),
    *("~/.local/share/containers", "~/.config/containers", f"/run/user/{os.getuid()}/containers"),
    *(f"/tmp/podman-run-{os.getuid()}", f"/tmp/containers-user-{os.getuid()}"),
)


def traces():
    """What is in the places that Podman uses by default."""
    found = []
    for trace in TRACES:
        top = Path(trace).expanduser()
        found += [str(path) for path in (top, *top.rglob("*")) if os.path.lexists(path)]
    found += Path("/proc/sys/net/ipv4/ip_forward").read_text().split()
    found += [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    return [each for each in found if not each.startswith(("veth", "tare"))]


@pytest.fixture(scope="module")
def provision():
    """As root, of what a host without Podman would get."""
    provision = Provision(default_cache(), use_system=os.getuid() != 0)
    if os.getuid() == 0:
        try:
            provision.tool("podman")
        except Missing as missing:
            pytest.skip(f"{missing.reason} {missing.remedy}")
    return provision


@contextlib.contextmanager
def prepared(provision, name="podman", limits=LIMITS):
    before = traces()
    with run_context() as (context, image):
        runner = PodmanRunner(context, provision, name=name)
        try:
            probe = runner.probe()
            if os.getuid() and not probe.ok:
                pytest.skip(f"{probe.reason}; {probe.remedy}")
            assert probe.ok, probe
            try:
                runner.prepare(image, limits)
            except PlaceFailure as failure:
                if os.getuid() == 0:
                    raise
                pytest.skip(f"{failure.reason}; {failure.remedy}")
            yield runner
        finally:
            runner.close()
    assert settled_state(context.run) == EMPTY
    assert traces() == before


@pytest.mark.parametrize("name", ["podman", "podman:none", "podman:host"])
def test_a_cold_start_has_the_whole_timeline_and_the_engines_own_phases(provision, name):
    job = Job()
    with prepared(provision, name) as runner:
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        marks = [mark for mark in MARKS if mark in place.timeline]
        assert sorted(place.timeline, key=place.timeline.get) == marks
        assert {"requested", "spawned", "agent", "ready", "started", "finished", "gone"} <= set(marks)
        found = {metric.name: metric for metric in place.metrics}
        phases = {f"engine.{each}" for each in ("create", "start", "stop", "remove", "return")}
        assert phases | {"engine.settle"} <= set(found)
        assert {found[each].source for each in phases} == {"podman events"}
        assert os.getuid() or found["engine.cpu"].value > 0
        with runner.open() as place:
            if place.host_address:
                assert reaches(place.vantage.top_pid, place.host_address)
            devices = place.run(Job(argv=("/runaway", "show", "/proc/net/dev"))).stdout.decode()
    if os.getuid() == 0:
        assert (place.host_address is None) == (name == "podman:none")
    inside = {line.split(":")[0].strip() for line in devices.splitlines()[2:]}
    assert "lo" in inside
    assert (inside == {"lo"}) == (name == "podman:none") or name == "podman:host"


def test_limits_are_set_read_back_and_kept(provision):
    with prepared(provision) as runner, runner.open() as place:
        context = place.context
        if os.getuid() == 0:
            assert context["memory_limit_by"] == context["pids_limit_by"] == "cgroup"
            assert (context["memory_bytes"], context["pids"], context["cpus"]) == (64 * MIB, 64, 1)
        result = place.run(Job(argv=(program(place), "memory"), timeout_seconds=20))
        assert "memory limit" in result.error
        assert "64 MiB" in result.error
        result = place.run(Job(argv=(program(place), "fork"), timeout_seconds=1))
        assert result.timed_out or result.signal == 9
        assert place.run(Job(argv=(program(place), "try"))).exit_code == 0


def test_two_places_do_not_end_each_other(provision):
    with prepared(provision) as runner, runner.open() as one:
        with runner.open() as other:
            assert other.run(Job()).exit_code == 0
        assert one.run(Job(argv=(program(one), "try"))).exit_code == 0


def test_a_client_that_is_killed_takes_its_container_along(provision):
    with prepared(provision) as runner:
        place = runner.open()
        agent = place.vantage.top_pid
        os.kill(place._spawned.pid, signal.SIGKILL)
        # Rootless, it is the front of two processes, and the other one goes on.
        with (
            pytest.raises(PlaceFailure, match="podman run was killed by signal 9")
            if not os.getuid()
            else (contextlib.nullcontext())
        ):
            place.run(Job())
        place.close()
        assert not Path(f"/proc/{agent}/root").exists()
        assert runner._prepared.home._call("ps", "--all", "--quiet") == (0, "")


def test_a_run_that_was_killed_is_cleared_by_the_next(provision, tmp_path):
    with prepared(provision):
        pass  # skips where there can be no container
    before = traces()
    with tare_run(tmp_path, "podman", "--blocks", "500") as (_, trials):
        pass
    measured = [json.loads(line) for line in trials.read_text().splitlines() if '"podman"' in line]
    assert {"launch.total", "engine.start"} <= {metric["name"] for metric in measured[0]["metrics"]}
    run = trials.parent.name
    (one,) = [each for each in leftovers.find(default_cache()) if each.owner.run == run]
    leftovers.remove(one, default_cache())
    assert settled_state(run) == EMPTY
    assert traces() == before
