"""Real containers made by real runtimes and peers: timeline, limits, cleaning up.

Those that take long to fetch or to start are for ``nox -s engines``.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.commanded_runners import prepared
from support.launched_places import EMPTY, run_context, settled_state
from support.stub import Duck
from tare.results.record import MARKS
from tare.runners import cleanup as leftovers
from tare.runners.containers.namespaces.rung_steps import KEPT_CAPABILITIES
from tare.runners.containers.oci.runner import OciRunner
from tare.runners.errors import PlaceFailure
from tare.runners.model import Job, Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Tool

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=64 << 20, pids=60, scratch_bytes=4 << 20)
FAST = ("runc", "crun", "runc:create-start", "crun:create-start", "bubblewrap")
SLOW = ("runsc", "runsc:create-start", "lxc", "systemd-nspawn")
ALL = pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.engines) for name in SLOW)]
)
SEEN = pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.engines) for name in ("lxc", "systemd-nspawn"))]
)
"""Those whose processes are the host's."""

CHILD = """
import sys
sys.path[:0] = {path!r}
from support.commanded_runners import prepared
from tare.runners.model import Job, Limits
with prepared({name!r}, Limits(cpus=1, memory_bytes=64 << 20), {run!r}) as runner:
    with runner.open(), runner.open():
        print("open", flush=True)
        while True:
            with runner.open(first=Job()) as place:
                place.run(Job())
"""


def show(place, path):
    return place.run(Job(argv=("/runaway", "show", path))).stdout.decode()


@ALL
def test_a_container_from_its_making_to_its_end(name):
    run = f"made-{name.replace(':', '-')}-{os.getpid()}"
    with prepared(name, LIMITS, run) as runner:
        with runner.open(first=Job()) as place:
            assert place.run(Job()).exit_code == 0
        marks = {"requested", "spawned", "agent", "ready", "started", "finished", "gone"}
        apart = {"created", "ended"} if ":" in name else set()
        assert set(place.timeline) == marks | apart
        assert [place.timeline[mark] for mark in MARKS if mark in place.timeline] == sorted(
            place.timeline.values()
        )
        assert (place.usage is None) == bool(apart)
        cold = place.context

        with runner.open() as place, runner.open() as other:
            assert place.context == cold
            assert place.run(Job(argv=("/runaway", "show", "/proc/version"))).stdout
            # What one writes into its root the other does not see, nor the image.
            place.run(Job(argv=("/runaway", "fill", "/here"), timeout_seconds=1))
            assert show(place, "/here")
            assert not show(other, "/here")
            assert not (runner._prepared.image.tree / "here").exists()
            place.run(Job(argv=("/runaway", "fill", "/scratch/here"), timeout_seconds=1))
            assert (place._host_scratch / "here").stat().st_size > 0
        assert list((runner._context.workdir / "places").iterdir()) == []
        if (runner._folder / "state").is_dir():
            assert [path for path in (runner._folder / "state").iterdir() if path.is_dir()] == []
    assert settled_state(run) == EMPTY


@SEEN
def test_what_a_container_sees_and_what_is_seen_of_it(name):
    with prepared(name, LIMITS) as runner, runner.open() as place, runner.open() as other:
        assert place.vantage.top_pid != other.vantage.top_pid
        assert Path(f"/proc/{place.vantage.top_pid}/comm").read_text() == "tare-agent\n"
        status = dict(line.split(":\t") for line in show(place, "/proc/self/status").splitlines())
        assert status["NSpid"].split() != [str(place.vantage.top_pid)]
        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == sum(1 << number for number in KEPT_CAPABILITIES)
        assert "lo:" in show(place, "/proc/net/dev")
        assert "eth" not in show(place, "/proc/net/dev")
        limited = place.run(Job(argv=("/runaway", "memory")))
        assert "memory limit" in limited.error
        assert other.run(Job()).exit_code == 0


@pytest.mark.parametrize(
    "name", ["runc", "crun", "bubblewrap", pytest.param("lxc", marks=pytest.mark.engines)]
)
def test_the_same_is_denied_as_in_our_own_container(name):
    job = Job(argv=("/runaway", "try"))
    with prepared(name, LIMITS) as runner, runner.open() as place:
        theirs = place.run(job).stdout.decode()
    with prepared("namespaces", LIMITS) as runner, runner.open() as place:
        ours = place.run(job).stdout.decode()
    assert "clone EPERM" in ours
    assert "clone3 ENOSYS" in ours
    assert theirs == ours


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's runtime makes no cgroups")
@SEEN
def test_limits_are_the_runtimes_and_are_seen_from_outside(name):
    limits = replace(
        LIMITS, memory_bytes=256 << 20
    )  # so that the processes that fail to be made do not exceed it
    with prepared(name, limits) as runner, runner.open() as place:
        assert place.context["memory_limit_by"] == place.context["pids_limit_by"] == "cgroup"
        assert place.context["memory_bytes"] == limits.memory_bytes
        assert place.context["pids"] == LIMITS.pids
        assert place.limited.get("cpus", 1) == 1
        assert all(f"tare-{runner._context.run}" in str(folder) for folder in place.vantage.cgroups.values())
        assert "limit of 60 processes" in place.run(Job(argv=("/runaway", "fork"), timeout_seconds=3)).error


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's runtime makes no cgroups")
@SEEN
def test_cpuset_and_io_are_limited_as_in_our_own_container(name):
    cpu = max(os.sched_getaffinity(0))
    limits = replace(LIMITS, cpuset=(cpu,), io_bytes_per_second=10 << 20, io_operations_per_second=500)
    with prepared("namespaces", limits) as runner, runner.open() as place:
        ours = place.context
    with prepared(name, limits) as runner, runner.open() as place:
        for key in ("cpus", "memory_bytes", "pids", "io", "memory_limit_by", "pids_limit_by"):
            assert place.context[key] == ours[key], key
        assert f"Cpus_allowed_list:\t{cpu}\n" in show(place, "/proc/self/status")


@ALL
@pytest.mark.parametrize("moment", [0.0, 0.02])
def test_a_killed_run_is_cleaned_up(name, moment):
    run = f"killed-{name.replace(':', '-')}-{os.getpid()}-{round(moment * 1000)}"
    with prepared(name, LIMITS):
        pass  # skips where it cannot work
    script = CHILD.format(path=sys.path, name=name, run=run)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"open\n"
        time.sleep(moment)
        child.send_signal(signal.SIGKILL)
    cache = default_cache()
    (found,) = [one for one in leftovers.find(cache) if one.owner.run == run]
    leftovers.remove(found, cache)
    assert settled_state(run) == EMPTY


@pytest.mark.parametrize("name", ["runc", "crun", "runc:create-start", "bubblewrap"])
def test_a_runtime_that_is_killed_in_the_middle_costs_its_place_only(name):
    run = f"middle-{name.replace(':', '-')}-{os.getpid()}"
    with prepared(name, LIMITS, run) as runner:
        with runner.open() as place:
            pid = place.vantage.top_pid if ":" in name else place._spawned.pid
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(PlaceFailure) as caught:
                place.run(Job(argv=("/runaway", "memory")))
            assert runner.tool_name in caught.value.reason
        with runner.open(first=Job()) as again:
            assert again.run(Job()).exit_code == 0
    assert settled_state(run) == EMPTY


def test_a_broken_runtime_is_a_skip_that_says_why(tmp_path):
    """An older, newer or half-installed one: it answers to --version and then refuses."""
    broken = tmp_path / "runc"
    broken.write_text("#!/bin/sh\necho 'runc: unknown flag: --bundle' >&2\nexit 64\n")
    broken.chmod(0o755)
    tool = Tool("runc", broken, (), (), {}, "system", "runc version 0.1", "", Path("/"))

    class Fixed(Duck):
        offline = True

        def here(self, _name):
            return tool

        tool = here

    with run_context() as (context, _image):
        probe = OciRunner(context, Fixed(), "runc").probe()
        assert not probe.ok
        assert (
            probe.reason
            == "runc run ended with status 64 before its agent spoke: runc: unknown flag: --bundle"
        )
        assert probe.remedy
    assert settled_state(context.run) == EMPTY
