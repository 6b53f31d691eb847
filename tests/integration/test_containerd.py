"""Real pods by CRI in a containerd of Tare's own: timeline, limits, clean-up, and a containerd that dies."""

import contextlib
import os
import signal
import tempfile
from pathlib import Path

import pytest

from support.launched_places import EMPTY, program, run_context, settled_state
from support.other_processes import open_place
from tare.results.record import MARKS
from tare.runners import cleanup as leftovers
from tare.runners.containers.cri.enclosure import Enclosure, check
from tare.runners.containers.cri.images import import_image, write_pause
from tare.runners.containers.cri.private import await_ready, configure, programs_root
from tare.runners.containers.cri.runner import Containerd
from tare.runners.errors import Missing, PlaceFailure
from tare.runners.model import Job, Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration
MIB = 1 << 20
LIMITS = Limits(cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB)


@contextlib.contextmanager
def prepared(limits=LIMITS, run=""):
    with run_context(run) as (context, image):
        runner = Containerd(context, Provision(default_cache()))
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        try:
            runner.prepare(image, limits)
            yield runner
        finally:
            runner.close()
    assert settled_state(context.run) == EMPTY


def interfaces():
    """Without those of other runs' bridges; these runs here make none on the host."""
    return sorted(each.name for each in Path("/sys/class/net").iterdir() if not each.name.startswith("tare"))


def test_cold_starts_have_the_whole_timeline_and_the_calls_as_metrics():
    before = interfaces()
    job = Job()
    with prepared() as runner:
        for _ in range(3):
            with runner.open(first=job) as place:
                assert place.run(job).exit_code == 0
            marks = [mark for mark in MARKS if mark in place.timeline]
            assert sorted(place.timeline, key=place.timeline.get) == marks
            assert set(marks) == set(MARKS) - {"entered", "kernel", "restored"}
            found = {metric.name: metric.value for metric in place.metrics}
            assert {"cri.sandbox", "cri.create", "cri.start", "cri.stop", "cri.remove"} <= set(found)
            assert all(value > 0 for value in found.values())
        cri = runner._prepared.cri
        assert cri.sandboxes(runner._context.run) == []
        assert interfaces() == before
    assert interfaces() == before


def test_limits_hold_and_are_seen_from_inside():
    with prepared() as runner, runner.open() as place:
        assert place.context["memory_bytes"] == 64 * MIB
        assert place.context["pids"] == 64
        assert (os.cpu_count() == 1) or place.context["cpus"] == 1
        assert place.vantage.top_pid > 0
        assert place.vantage.cgroups
        result = place.run(Job((program(place), "memory"), timeout_seconds=20))
        assert result.signal == signal.SIGKILL
        assert result.error == "killed by the memory limit of 64 MiB"
        assert place.run(Job()).exit_code == 0


def test_a_containerd_that_dies_is_a_failure_that_says_so():
    with prepared() as runner:
        os.kill(_enclosed(runner._context.run), signal.SIGKILL)
        with pytest.raises(PlaceFailure) as caught, runner.open():
            pass
        assert "CRI's RunPodSandbox" in caught.value.reason


@pytest.fixture
def system():
    """A containerd that is not the run's: stands for the system's, with an image of its user's in it."""
    run = f"system-{os.getpid()}"
    workdir = Path("/var/tmp") / f"tare-{run}"
    provision = Provision(default_cache())
    try:
        check()
        root = programs_root(provision)
    except (Missing, PlaceFailure) as error:
        pytest.skip(f"{error.reason}; {error.remedy}")
    with (
        leftovers.register(default_cache(), run, workdir),
        Enclosure(run, workdir / "cri", root) as enclosure,
    ):
        enclosure.make_folder()
        enclosure.start(configure(enclosure))
        with await_ready(enclosure) as cri, tempfile.TemporaryFile() as archive:
            write_pause(default_cache(), archive)
            archive.seek(0)
            ctr = Provision(default_cache(), use_system=False).tool("ctr")
            import_image(ctr, cri.path, archive)
            yield cri


def things(cri):
    return cri.call("ListImages"), cri.call("ListPodSandbox")


def test_the_systems_containerd_is_used_and_left_as_it_was(system):
    before = things(system)
    job = Job()
    with run_context() as (context, image):
        runner = Containerd(context, Provision(default_cache()), system_socket=Path(system.path))
        assert runner.probe().facts.private is False
        runner.prepare(image, LIMITS)
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        assert things(system) != before
        runner.close()
    assert settled_state(context.run) == EMPTY
    assert things(system) == before


def test_what_a_killed_run_left_in_the_systems_containerd_is_removed(system):
    before = things(system)
    with run_context() as (context, image):
        runner = Containerd(context, Provision(default_cache()), system_socket=Path(system.path))
        runner.prepare(image, LIMITS)
        place = runner.open()
        runner._undo.pop_all()
        assert len(system.sandboxes(context.run)) == 1
        # The run's end does what the next start would.
    place._undo.close()
    assert things(system) == before
    assert settled_state(context.run) == EMPTY


def test_a_killed_run_is_cleaned_up():
    run = f"killed-cri-{os.getpid()}"
    before = interfaces()
    with open_place("test_containerd", run) as child:
        if child is None:
            pytest.skip("no containerd here; the first test says why")
    found = [one for one in leftovers.find(default_cache()) if one.owner.run == run]
    leftovers.remove(found[0], default_cache())
    assert settled_state(run) == EMPTY
    assert interfaces() == before


def _enclosed(run):
    """The process whose end ends the private containerd."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if words[:1] == [b"unshare"] and any(f"tare-{run}".encode() in word for word in words):
                return int(entry.name)
    raise AssertionError("there is no private containerd")
