from tare.runners.host.cgroups.layout import Cgroups, Hierarchy
from tare.runners.host.cgroups.limits import V1_IO, V2_IO, limits_of
from tare.runners.host.cgroups.membership import cgroups_of
from tare.runners.host.cpuinfo import parse_cpu_list


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
    return folder


def proc_of(tmp_path, lines):
    write(tmp_path / "proc/77", cgroup="\n".join(lines))
    return tmp_path / "proc"


def test_v1_limits_of_a_container_are_read(tmp_path):
    memory = write(tmp_path / "memory/engine/abc", memory__limit_in_bytes=64 << 20, cgroup__procs=77)
    cpu = write(
        tmp_path / "cpu/engine/abc", cpu__cfs_quota_us=150_000, cpu__cfs_period_us=100_000, cgroup__procs=77
    )
    here = Cgroups(
        (
            Hierarchy(1, frozenset({"memory"}), tmp_path / "memory", tmp_path / "memory"),
            Hierarchy(1, frozenset({"cpu", "cpuacct"}), tmp_path / "cpu", tmp_path / "cpu"),
        )
    )
    proc = proc_of(tmp_path, ["2:memory:/engine/abc", "1:cpu,cpuacct:/engine/abc", "0::/"])
    found = cgroups_of(77, here, "r", "place", proc=proc)
    assert found.folders == {"memory": memory, "cpu": cpu, "cpuacct": cpu}
    assert found.achieved == {"memory_bytes": 64 << 20, "cpus": 1.5}


def test_v2_limits_are_read_and_a_part_of_a_hierarchy_may_be_mounted(tmp_path):
    folder = write(
        tmp_path / "top/abc",
        memory__max=1 << 30, pids__max=100, cpu__max="200000 100000", cgroup__procs=77,
        cgroup__controllers="cpu memory pids",
    )  # fmt: skip
    here = Cgroups((Hierarchy(2, frozenset({"memory"}), tmp_path / "top", tmp_path / "top", "/outer"),))
    found = cgroups_of(77, here, "r", "place", proc=proc_of(tmp_path, ["0::/outer/abc"]))
    assert found.unified == folder
    assert found.controllers == {"cpu", "memory", "pids"}
    assert found.achieved == {"memory_bytes": 1 << 30, "pids": 100, "cpus": 2}


def test_a_group_with_others_in_it_is_nobodys_to_kill(tmp_path):
    write(tmp_path / "v2/daemon", cgroup__procs="12\n77")
    write(tmp_path / "v2/other", cgroup__procs="")
    here = Cgroups((Hierarchy(2, frozenset(), tmp_path / "v2", tmp_path / "v2"),))
    for path in ("/daemon", "/other", "/gone", "/", "/../sibling"):
        assert cgroups_of(77, here, "r", "place", proc=proc_of(tmp_path, [f"0::{path}"])).folders == {}


def test_the_runs_own_groups_may_hold_more_than_the_agent(tmp_path):
    folder = write(tmp_path / "v2/tare-r/place", cgroup__procs="12\n77")
    here = Cgroups((Hierarchy(2, frozenset(), tmp_path / "v2", tmp_path / "v2"),))
    found = cgroups_of(77, here, "r", "place", proc=proc_of(tmp_path, ["0::/tare-r/place"]))
    assert found.unified == folder


def test_a_process_that_is_gone_has_no_cgroups(tmp_path):
    assert cgroups_of(77, Cgroups(()), "r", "place", proc=tmp_path).folders == {}


def test_no_limit_is_no_limit(tmp_path):
    folder = write(
        tmp_path / "g",
        memory__limit_in_bytes=9223372036854771712, cpu__cfs_quota_us=-1, cpu__cfs_period_us=100000, pids__max="max",
    )  # fmt: skip
    assert limits_of(folder) == {}
    assert limits_of(write(tmp_path / "h", memory__max="max", cpu__max="max 100000")) == {}


def test_cpu_lists():
    assert parse_cpu_list("0-2,5") == [0, 1, 2, 5]
    assert parse_cpu_list("") == []


def test_io_limits_are_those_of_both_directions(tmp_path):
    old = {f"blkio__throttle__{way}_bps_device": "8:0 500" for way in ("read", "write")}
    old |= {"blkio__throttle__read_iops_device": "8:0 7", "blkio__throttle__write_iops_device": ""}
    assert limits_of(write(tmp_path / "v1", **old))["io"] == {"disk": "8:0", "bps": 500, "of": V1_IO}
    new = write(tmp_path / "v2", io__max="8:0 rbps=max wbps=max riops=9 wiops=9")
    assert limits_of(new)["io"] == {"disk": "8:0", "iops": 9, "of": V2_IO}
    assert "io" not in limits_of(write(tmp_path / "none", io__max=""))
