"""What runtimes and peers are asked for, without any of them."""

from pathlib import Path

import pytest

from support.stub import Stub
from tare.runners.containers.oci.runner import OciRunner
from tare.runners.containers.other.bubblewrap import Bubblewrap
from tare.runners.containers.other.lxc import Lxc, seccomp_profile
from tare.runners.containers.other.nspawn import Nspawn
from tare.runners.context import RunContext
from tare.runners.errors import Missing
from tare.runners.host.cgroups.layout import Cgroups, Hierarchy
from tare.runners.host.cgroups.limits import limit_files
from tare.runners.launcher.seccomp import NEW_NAMESPACE, denied_arguments, denied_names
from tare.runners.model import Limits, Probe
from tare.runners.places.rooted import root_steps

LIMITS = Limits(cpus=2, memory_bytes=1 << 30, pids=99, cpuset=(0, 1), io_bytes_per_second=1000)


def test_the_root_is_an_overlay_in_a_mount_namespace_of_its_own():
    said = [
        step.describe()
        for step in root_steps((Path("/base"), Path("/a:b")), Path("/stage"), 4096, user=False)
    ]
    assert said[0] == "new mount namespace"
    assert said[1] == "mount recursive,private on /"
    assert "size=4096" in said[2]
    assert said[-1].startswith("mount overlay on /stage/root")
    assert "lowerdir=/base:/a\\:b,upperdir=/stage/upper" in said[-1]


def test_an_ordinary_users_root_begins_with_a_user_namespace():
    said = [step.describe() for step in root_steps((Path("/base"),), Path("/stage"), 4096, user=True)]
    assert said[0] == "new user namespace"
    assert said[1].startswith("map root inside")
    assert said[-1].endswith("userxattr)")


def test_each_controllers_files_for_both_versions():
    assert limit_files("memory", 1, LIMITS, "")[0] == ("memory.limit_in_bytes", str(1 << 30))
    assert [*limit_files("memory", 2, LIMITS, "")] == [("memory.max", str(1 << 30)), ("memory.swap.max", "0")]
    assert [*limit_files("cpu", 2, LIMITS, "")] == [("cpu.max", "200000 100000")]
    assert (
        limit_files("cpuset", 1, LIMITS, "")
        == limit_files("cpuset", 2, LIMITS, "")
        == (("cpuset.cpus", "0,1"),)
    )
    assert [*limit_files("pids", 1, LIMITS, "")] == [("pids.max", "99")]
    assert [*limit_files("io", 2, LIMITS, "8:0")] == [("io.max", "8:0 rbps=1000 wbps=1000")]
    assert [name for name, _ in limit_files("blkio", 1, LIMITS, "8:0")] == [
        "blkio.throttle.read_bps_device",
        "blkio.throttle.write_bps_device",
    ]
    assert limit_files("io", 2, LIMITS, "") == limit_files("blkio", 1, LIMITS, "") == ()
    assert [*limit_files("freezer", 1, LIMITS, "8:0")] == []


def test_the_filter_in_names_leaves_out_what_a_machine_does_not_have():
    assert "iopl" in denied_names("x86_64")
    assert "iopl" not in denied_names("aarch64")
    assert sum(rule.value for rule in denied_arguments() if rule.call == "clone") == NEW_NAMESPACE
    lines = seccomp_profile().splitlines()
    assert lines[:3] == ["2", "denylist", "[all]"]
    assert "mount errno 1" in lines
    assert "clone3 errno 38" in lines
    assert "clone errno 1 [0,1073741824,SCMP_CMP_MASKED_EQ,1073741824]" in lines


def test_lxc_gets_the_limits_of_each_hierarchy(tmp_path):
    (tmp_path / "unified" / "some").mkdir(parents=True)
    (tmp_path / "unified" / "some" / "memory.swap.max").touch()
    runner = Lxc(RunContext("r", tmp_path, tmp_path, None), None, "lxc")
    runner._cgroups = Cgroups(
        (
            Hierarchy(1, frozenset({"pids"}), tmp_path / "pids", tmp_path / "pids"),
            Hierarchy(2, frozenset({"cpu", "memory"}), tmp_path / "unified", tmp_path / "unified"),
        ),
        host_cpus=8,
    )
    plan = Stub(context=runner._context, limits=LIMITS)
    assert list(runner._limits(plan)) == [
        "lxc.cgroup.pids.max = 99",
        "lxc.cgroup2.cpu.max = 200000 100000",
        f"lxc.cgroup2.memory.max = {1 << 30}",
        "lxc.cgroup2.memory.swap.max = 0",
    ]


class NothingHere:
    """A host without any tool."""

    def __init__(self, *, fetches):
        self.fetches = fetches

    def here(self, _name):
        return None

    def can_fetch(self, _name):
        return self.fetches

    def tool(self, name):
        raise Missing(f"{name} is not on this host.", "Install it.")


@pytest.mark.parametrize(
    ("kind", "name"), [(OciRunner, "runc"), (OciRunner, "crun:create-start"), (Bubblewrap, "bubblewrap")]
)
def test_a_tool_that_is_not_here_is_fetched_later_or_a_skip_that_says_so(tmp_path, kind, name):
    context = RunContext("r", tmp_path, tmp_path, None)
    later = kind(context, NothingHere(fetches=True), name).probe()
    assert later.ok
    assert "not here yet" in later.facts.tool
    program = {"bubblewrap": "bwrap"}.get(name, name.partition(":")[0])
    assert kind(context, NothingHere(fetches=False), name).probe() == Probe(
        ok=False, reason=f"{program} is not on this host.", remedy="Install it."
    )


@pytest.mark.parametrize(("kind", "name"), [(OciRunner, "runsc"), (Lxc, "lxc"), (Nspawn, "systemd-nspawn")])
def test_what_needs_root_says_so(tmp_path, kind, name):
    runner = kind(RunContext("r", tmp_path, tmp_path, None), NothingHere(fetches=True), name)
    runner._user = True
    probe = runner.probe()
    assert not probe.ok
    assert probe.reason == f"{name} needs root"
