"""A hundred cold starts, whole or killed in the middle, leave nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from support.launched_places import EMPTY, runner_for, settled_state, touched_folders
from tare.runners import cleanup as leftovers
from tare.runners.model import Job, Limits
from tare.runners.provision.cache import default_cache

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=64 << 20)
BOTH = pytest.mark.parametrize("name", ["bare", "namespaces"])

CHILD = """
import sys
sys.path[:0] = {path!r}
from support.launched_places import runner_for
from tare.runners.model import Job, Limits
with runner_for({name!r}, Limits(cpus=1, memory_bytes=64 << 20), {run!r}) as runner:
    with runner.open(), runner.open():
        print("open", flush=True)
        while True:
            with runner.open(first=Job()) as place:
                place.run(Job())
"""


@BOTH
def test_a_hundred_cold_starts_leave_nothing(name):
    run = f"hundred-{name}-{os.getpid()}"
    job = Job()
    with runner_for(name, LIMITS, run) as runner:
        for _ in range(100):
            with runner.open(first=job) as place:
                assert place.run(job).exit_code == 0
        places = runner._context.workdir / "places"
        assert len(list(places.iterdir())) == 1
        assert touched_folders(runner._context.workdir) == []
        for cgroup in runner._cgroups.run_folders(run):
            assert [path for path in cgroup.iterdir() if path.is_dir()] == []
        runner.close()
        assert list(places.iterdir()) == []
    assert settled_state(run) == EMPTY


@BOTH
@pytest.mark.parametrize("moment", [0.0, 0.013, 0.05])
def test_a_killed_run_is_cleaned_up(name, moment):
    run = f"killed-{name}-{os.getpid()}-{round(moment * 1000)}"
    path = sys.path
    script = CHILD.format(path=path, name=name, run=run)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"open\n"
        time.sleep(moment)
        child.send_signal(signal.SIGKILL)
    cache = default_cache()
    found = [one for one in leftovers.find(cache) if one.owner.run == run]
    assert [one.owner.run for one in found] == [run]
    assert f"run {run}" in found[0].describe()
    removed = leftovers.remove(found[0], cache)
    assert any(line.startswith("folder") for line in removed)
    assert settled_state(run) == EMPTY
    assert leftovers.remove(found[0], cache) == []
    assert not [one for one in leftovers.find(cache) if one.owner.run == run]


@BOTH
def test_a_living_run_is_no_leftover(name):
    run = f"alive-{name}-{os.getpid()}"
    with runner_for(name, LIMITS, run) as runner, runner.open() as place:
        assert not [one for one in leftovers.find(default_cache()) if one.owner.run == run]
        assert place.run(Job()).exit_code == 0
