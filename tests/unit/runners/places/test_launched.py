"""Take down launched places: who removes their cgroups, and who gets their folders."""

import errno
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tare.runners.context import RunContext
from tare.runners.host.cgroups import group
from tare.runners.host.cgroups.group import Cgroup
from tare.runners.launcher.processes import Gone, Spawned
from tare.runners.model import Job, Limits, Usage
from tare.runners.places import launched
from tare.runners.places.folders import PlaceFolders
from tare.runners.places.launched import LaunchedPlace, LaunchPlan

USAGE = Usage.from_rusage([0] * 18)


@dataclass
class StandInLauncher:
    """A launcher whose processes end at once."""

    remove_error: int = 0
    """errno with which it fails to remove folders."""
    requests: list = field(default_factory=list)

    def spawn(self, request, timeout_seconds=None):
        self.requests.append(request)
        return Spawned(len(self.requests), 99, 1, 2)

    def wait(self, number, timeout_seconds=None):
        for folder in self.requests[number - 1].remove if not self.remove_error else ():
            folder.rmdir()
        return Gone(number, 0, 3, 4, self.remove_error, USAGE)


@dataclass
class StandInCgroups:
    """Cgroups that are plain folders."""

    above: Path
    made: list = field(default_factory=list)

    def create(self, run, name, limits, *, disk, only):
        folder = self.above / name
        folder.mkdir(parents=True)
        self.made.append(Cgroup(run, name, "v2", {"unified": folder}))
        return self.made[-1]


@pytest.fixture
def agent(tmp_path):
    program = tmp_path / "agent"
    program.write_bytes(b"x")
    return program


def open_place(tmp_path, agent, launcher, cgroups, folders):
    folder = folders.take()
    plan = LaunchPlan(
        context=RunContext("one", tmp_path, tmp_path, launcher),
        name=folder.path.name,
        launcher=launcher,
        limits=Limits(cpus=1, memory_bytes=1 << 20),
        agent=agent,
        folder=folder,
        root="/",
        scratch="/scratch",
        steps=(),
        facts={},
        cgroups=cgroups,
        host_address=None,
        remove_within=True,
    )
    return LaunchedPlace(plan, Job())


@pytest.mark.parametrize("remove_error", [0, errno.EBUSY])
def test_what_the_launcher_did_not_remove_is_removed_after_it(tmp_path, agent, monkeypatch, remove_error):
    discarded = []
    monkeypatch.setattr(launched, "discard", lambda one: (discarded.append(one.name), group.discard(one)))
    launcher, cgroups = StandInLauncher(remove_error), StandInCgroups(tmp_path / "cgroup")
    folders = PlaceFolders(tmp_path / "places", "bare")
    for _ in range(2):
        with open_place(tmp_path, agent, launcher, cgroups, folders) as place:
            assert place.host_scratch == tmp_path / "places/bare-0/scratch"
        assert list(cgroups.above.iterdir()) == []
    assert discarded == (["bare-0"] * 2 if remove_error else [])
    assert [one.path.name for one in folders.free] == ["bare-0"]


def test_the_name_of_a_cgroup_that_stays_is_not_used_again(tmp_path, agent, monkeypatch):
    launcher, cgroups = StandInLauncher(errno.EBUSY), StandInCgroups(tmp_path / "cgroup")
    folders = PlaceFolders(tmp_path / "places", "bare")
    place = open_place(tmp_path, agent, launcher, cgroups, folders)
    with monkeypatch.context() as patched:
        patched.setattr(Cgroup, "remove", lambda one, timeout_seconds=0.0: one.all_folders)
        place.close()
    assert folders.free == []
    with open_place(tmp_path, agent, launcher, cgroups, folders) as other:
        assert other.host_scratch == tmp_path / "places/bare-1/scratch"
