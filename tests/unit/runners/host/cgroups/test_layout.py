"""Cgroups on fake file trees: v1, v2, hybrid, containers, ordinary users."""

import os
from pathlib import Path

import pytest

from tare.runners.host.cgroups import layout, limits
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.model import Limits

LIMITS = Limits(cpus=1, memory_bytes=1 << 30, pids=100, cpuset=(1,))


def tree(root: Path, mounts: list[tuple[str, str, str]], groups: str) -> Path:
    """mounts: (root of the mount, mount point, "cgroup2" or v1 options)."""
    lines = [
        f"{30 + number} 25 0:{number} {top} {point} rw,relatime - "
        + ("cgroup2 cgroup2 rw" if kind == "cgroup2" else f"cgroup cgroup rw,{kind}")
        for number, (top, point, kind) in enumerate(mounts)
    ]
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda rw\n" + "\n".join(lines) + "\n"
    )
    (root / "proc/self/cgroup").write_text(groups)
    return root


def v2_group(folder: Path, subtree="", controllers="cpuset cpu io memory pids", writable=True):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.controllers").write_text(controllers)
    (folder / "cgroup.subtree_control").write_text(subtree)
    (folder / "cgroup.procs").write_text("")
    if not writable:
        (folder / "cgroup.procs").chmod(0o444)


@pytest.fixture
def as_user(monkeypatch):
    """os.access as an ordinary user has it, also where tests run as root."""
    monkeypatch.setattr(os, "access", lambda path, _mode: bool(Path(path).stat().st_mode & 0o200))


def v1_host(root):
    for name in ("memory", "pids", "cpu,cpuacct", "cpuset", "blkio"):
        folder = root / "sys/fs/cgroup" / name
        (folder / "user").mkdir(parents=True)
    for folder in (root / "sys/fs/cgroup/cpuset", root / "sys/fs/cgroup/cpuset/user"):
        (folder / "cpuset.cpus").write_text("0-3\n")
        (folder / "cpuset.mems").write_text("0\n")
    return tree(
        root,
        [
            ("/", f"/sys/fs/cgroup/{name}", name)
            for name in ("memory", "pids", "cpu,cpuacct", "cpuset", "blkio")
        ],
        "5:memory:/user\n4:pids:/user\n3:cpu,cpuacct:/user\n2:cpuset:/user\n1:blkio:/\n",
    )


def test_v1_limits_land_in_their_controllers(tmp_path):
    cgroups = Cgroups(Cgroups.detect(v1_host(tmp_path)).hierarchies, host_cpus=4)
    assert cgroups.version == "v1"
    made = cgroups.create("r1", "bare-0", LIMITS)
    base = tmp_path / "sys/fs/cgroup"
    assert (base / "memory/user/tare-r1/bare-0/memory.limit_in_bytes").read_text() == str(1 << 30)
    assert (base / "pids/user/tare-r1/bare-0/pids.max").read_text() == "100"
    assert (base / "cpu,cpuacct/user/tare-r1/bare-0/cpu.cfs_quota_us").read_text() == "100000"
    assert (base / "cpuset/user/tare-r1/bare-0/cpuset.cpus").read_text() == "1"
    assert (base / "cpuset/user/tare-r1/bare-0/cpuset.mems").read_text() == "0"
    assert made.achieved == {"memory_bytes": 1 << 30, "pids": 100, "cpus": 1, "cpuset": [1]}
    assert made.folders["cpu"] == made.folders["cpuacct"]
    assert (base / "memory/user/tare-r1/bare-0/tasks", base / "memory/user/tasks") in made.tasks
    assert made.unified is None
    assert made.reasons == []
    assert made.describe() == "v1 (cpu,cpuset,memory,pids)"


def test_v1_without_write_access_is_none_with_the_remedy(tmp_path, as_user):
    v1_host(tmp_path)
    for name in ("memory/user", "pids/user", "cpu,cpuacct/user", "cpuset/user", "blkio"):
        (tmp_path / "sys/fs/cgroup" / name).chmod(0o555)
    made = Cgroups(Cgroups.detect(tmp_path).hierarchies, host_cpus=4).create("r1", "bare-0", LIMITS)
    assert made.folders == {}
    assert made.achieved == {}
    assert made.describe().startswith("none (no cpu, cpuset, memory, pids controller")
    assert "Delegate=yes" in made.describe()


def test_no_quota_where_all_cpus_are_given(tmp_path):
    cgroups = Cgroups(Cgroups.detect(v1_host(tmp_path)).hierarchies, host_cpus=1)
    made = cgroups.create("r1", "bare-0", Limits(cpus=1, memory_bytes=1 << 30))
    assert "cpus" not in made.achieved
    assert not (tmp_path / "sys/fs/cgroup/cpu,cpuacct/user/tare-r1/bare-0/cpu.cfs_quota_us").exists()


def v2_host(root, own):
    v2_group(root / "sys/fs/cgroup", "cpuset cpu memory pids")
    return tree(root, [("/", "/sys/fs/cgroup", "cgroup2")], f"0::{own}\n")


def test_v2_as_root_goes_where_controllers_are_enabled_not_into_its_own_session(tmp_path):
    v2_host(tmp_path, "/user.slice/session-1.scope")
    base = tmp_path / "sys/fs/cgroup"
    v2_group(base / "user.slice", "pids")
    v2_group(base / "user.slice/session-1.scope")
    cgroups = Cgroups(Cgroups.detect(tmp_path).hierarchies, host_cpus=4)
    assert cgroups.version == "v2"
    made = cgroups.create("r1", "bare-0", LIMITS)
    assert made.unified == base / "tare-r1/bare-0"
    assert (base / "tare-r1/cgroup.subtree_control").read_text() == "+cpu +cpuset +memory +pids"
    assert (base / "cgroup.subtree_control").read_text() == "cpuset cpu memory pids"
    assert (made.unified / "memory.max").read_text() == str(1 << 30)
    assert (made.unified / "cpu.max").read_text() == "100000 100000"
    assert (made.unified / "pids.max").read_text() == "100"
    assert made.tasks == []
    assert made.reasons == []


def test_v2_hands_controllers_on_once_for_all_places_of_a_run(tmp_path, monkeypatch):
    """The kernel lets a writer wait until it has done away with the places that were removed before."""
    v2_host(tmp_path, "/user.slice/session-1.scope")
    for name in ("", "user.slice", "user.slice/session-1.scope"):
        v2_group(tmp_path / "sys/fs/cgroup" / name, "" if name else "cpuset cpu memory pids")
    written = []
    monkeypatch.setattr(
        layout, "write", lambda file, text: (written.append(text), Path(file).write_text(text))
    )
    parent = tmp_path / "sys/fs/cgroup/tare-r1"
    cgroups = Cgroups(Cgroups.detect(tmp_path).hierarchies, host_cpus=4)
    cgroups.create("r1", "bare-0", LIMITS)
    (parent / "cgroup.subtree_control").write_text("cpu cpuset memory")  # as the kernel shows it
    cgroups.create("r1", "bare-1", LIMITS)
    (parent / "cgroup.subtree_control").write_text("cpu cpuset memory pids")
    cgroups.create("r1", "bare-2", LIMITS)
    assert written == ["+cpu +cpuset +memory +pids", "+pids"]


def test_v2_uses_what_systemd_delegated(tmp_path, as_user):
    v2_host(tmp_path, "/user.slice/user@1.service/app.slice/tare.scope")
    base = tmp_path / "sys/fs/cgroup"
    service = base / "user.slice/user@1.service"
    v2_group(base / "user.slice", "memory pids cpu", writable=False)
    v2_group(service, "memory pids")
    v2_group(service / "app.slice", "memory pids")
    v2_group(service / "app.slice/tare.scope", "")
    for folder in (base, base / "user.slice"):
        (folder / "cgroup.procs").chmod(0o444)
    made = Cgroups.detect(tmp_path).create("r1", "bare-0", Limits(cpus=1 << 20, memory_bytes=1 << 30))
    assert made.unified == service / "app.slice/tare-r1/bare-0"
    assert made.achieved == {"memory_bytes": 1 << 30, "pids": 512}


def test_v2_of_a_session_that_was_delegated_nothing(tmp_path, as_user):
    v2_host(tmp_path, "/user.slice/session-1.scope")
    base = tmp_path / "sys/fs/cgroup"
    for folder in (base, base / "user.slice", base / "user.slice/session-1.scope"):
        v2_group(folder, "memory pids", writable=False)
    made = Cgroups.detect(tmp_path).create("r1", "bare-0", Limits(cpus=1 << 20, memory_bytes=1 << 30))
    assert made.folders == {}
    assert "memory, pids" in made.describe()


def test_v2_inside_a_container_gives_counters_only(tmp_path):
    """The container's processes live in what is its top: no controller can be handed on from there."""
    tree(tmp_path, [("/", "/sys/fs/cgroup", "cgroup2")], "0::/\n")
    v2_group(tmp_path / "sys/fs/cgroup", "")
    made = Cgroups.detect(tmp_path).create("r1", "bare-0", Limits(cpus=1 << 20, memory_bytes=1 << 30))
    assert made.unified == tmp_path / "sys/fs/cgroup/tare-r1/bare-0"
    assert made.achieved == {}
    assert made.describe() == "v2 (counters only)"
    assert made.reasons


def test_hybrid_takes_limits_from_v1_and_counters_from_v2(tmp_path):
    base = tmp_path / "sys/fs/cgroup"
    for name in ("memory", "pids", "cpuacct"):
        (base / name).mkdir(parents=True)
    v2_group(base / "unified", "", controllers="hugetlb")
    tree(
        tmp_path,
        [
            *(("/", f"/sys/fs/cgroup/{name}", name) for name in ("memory", "pids", "cpuacct")),
            ("/", "/sys/fs/cgroup/unified", "cgroup2"),
        ],
        "3:memory:/\n2:pids:/\n1:cpuacct:/\n0::/\n",
    )
    cgroups = Cgroups.detect(tmp_path)
    assert cgroups.version == "hybrid"
    made = cgroups.create("r1", "bare-0", Limits(cpus=1 << 20, memory_bytes=1 << 30))
    assert set(made.folders) == {"unified", "memory", "pids"}
    assert made.achieved == {"memory_bytes": 1 << 30, "pids": 512}
    assert cgroups.run_folders("r1") == sorted(
        base / name / "tare-r1" for name in ("memory", "pids", "unified")
    )


def test_part_of_a_hierarchy_mounted_in_a_container(tmp_path):
    (tmp_path / "sys/fs/cgroup/memory").mkdir(parents=True)
    tree(tmp_path, [("/docker/abc", "/sys/fs/cgroup/memory", "memory")], "1:memory:/docker/abc\n")
    (one,) = Cgroups.detect(tmp_path).hierarchies
    assert one.own == one.top == tmp_path / "sys/fs/cgroup/memory"


def test_mount_points_with_blanks(tmp_path):
    (tmp_path / "odd place").mkdir()
    tree(tmp_path, [("/", "/odd\\040place", "memory")], "1:memory:/\n")
    assert Cgroups.detect(tmp_path).hierarchies[0].top == tmp_path / "odd place"


def test_no_cgroups_at_all(tmp_path):
    cgroups = Cgroups.detect(tmp_path)
    assert cgroups.version == "none"
    made = cgroups.create("r1", "bare-0", LIMITS)
    assert made.describe().startswith("none (")
    assert made.pids() == set()
    assert made.kill()
    assert made.remove() == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.events": "low 0\noom 3\noom_kill 2\n"}, {"oom_kills": 2}),
        ({"memory.events": "oom_kill 0\n", "pids.events": "max 7\n"}, {"oom_kills": 0, "pids_refused": 7}),
        ({}, {}),
    ],
)
def test_events_of_enforced_limits(tmp_path, files, expected):
    v2_host(tmp_path, "/")
    made = Cgroups.detect(tmp_path).create("r1", "bare-0", LIMITS)
    for name, text in files.items():
        (made.unified / name).write_text(text)
    assert made.events() == expected


def test_a_refused_limit_leaves_no_folder(tmp_path, monkeypatch):
    v1_host(tmp_path)
    cgroups = Cgroups.detect(tmp_path)

    def refuse(file, text):
        raise OSError(22, "Invalid argument", str(file))

    monkeypatch.setattr(limits, "write", refuse)
    monkeypatch.setattr(layout, "_inherit_cpuset", lambda *_: None)
    with pytest.raises(layout.CgroupError, match="cannot set up cgroup tare-r1/bare-0"):
        cgroups.create("r1", "bare-0", LIMITS)
    assert not list(tmp_path.glob("sys/fs/cgroup/*/*/tare-r1/bare-0"))


IO = Limits(cpus=4, memory_bytes=1 << 30, io_bytes_per_second=1 << 20, io_operations_per_second=500)


def test_io_limits_on_v1(tmp_path):
    cgroups = Cgroups(Cgroups.detect(v1_host(tmp_path)).hierarchies, host_cpus=4)
    made = cgroups.create("r1", "bare-0", IO, disk="8:0")
    folder = tmp_path / "sys/fs/cgroup/blkio/tare-r1/bare-0"
    assert {path.name: path.read_text() for path in folder.glob("blkio.throttle.*")} == {
        "blkio.throttle.read_bps_device": f"8:0 {1 << 20}",
        "blkio.throttle.write_bps_device": f"8:0 {1 << 20}",
        "blkio.throttle.read_iops_device": "8:0 500",
        "blkio.throttle.write_iops_device": "8:0 500",
    }
    assert made.achieved["io"]["of"] == "reads, direct and synchronous writes"
    assert made.reasons == []


def test_io_limits_on_v2(tmp_path):
    v2_host(tmp_path, "/")
    v2_group(tmp_path / "sys/fs/cgroup", "cpu io memory pids")
    made = Cgroups.detect(tmp_path).create("r1", "bare-0", IO, disk="8:0")
    assert (made.unified / "io.max").read_text() == f"8:0 rbps={1 << 20} wbps={1 << 20} riops=500 wiops=500"
    assert made.achieved["io"]["bps"] == 1 << 20


def test_io_that_cannot_be_limited_says_why(tmp_path):
    cgroups = Cgroups(Cgroups.detect(v1_host(tmp_path)).hierarchies, host_cpus=4)
    made = cgroups.create("r1", "bare-0", IO)
    assert "io" not in made.achieved
    assert made.reasons == ["the scratch folder is on no single disk, so its I/O cannot be limited"]


@pytest.mark.parametrize("controller", ["cpu", "memory", "pids", "io"])
def test_one_controller_alone_makes_only_its_own_folder(tmp_path, controller):
    cgroups = Cgroups(Cgroups.detect(v1_host(tmp_path)).hierarchies, host_cpus=4)
    assert cgroups.offers(controller)
    made = cgroups.create("r1", "a", Limits(cpus=4, memory_bytes=1 << 30), only=(controller,))
    assert len(made.all_folders) == 1
    assert {"io": "blkio"}.get(controller, controller) in made.folders
    assert ("cpus" in made.achieved) == (controller == "cpu")


def test_what_no_hierarchy_has_is_not_offered(tmp_path, as_user):
    v2_host(tmp_path, "/")
    v2_group(tmp_path / "sys/fs/cgroup", "memory")
    cgroups = Cgroups.detect(tmp_path)
    assert cgroups.offers("memory")
    assert not cgroups.offers("io")
