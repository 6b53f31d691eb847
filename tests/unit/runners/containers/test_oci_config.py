from pathlib import Path
from typing import Any

from tare.runners.containers.oci.config import Bundle, config, resources
from tare.runners.containers.oci.runtimes import RUNTIMES
from tare.runners.launcher.seccomp import NEW_NAMESPACE
from tare.runners.model import Limits

LIMITS = Limits(cpus=2, memory_bytes=1 << 30, pids=99, scratch_bytes=1 << 20)


def bundle(**more):
    given: dict[str, Any] = {
        "agent": ("/tare-agent", "tare-r-runc-0", "0,1"),
        "environ": {"TARE_RUN": "r"},
        "root": Path("/w/root"),
        "scratch": Path("/w/scratch"),
        "limits": LIMITS,
        "host_cpus": 8,
        "cgroups_path": "/tare-r/runc-0",
    }
    return Bundle(**(given | more))


def test_the_limits_are_mapped_and_swap_gives_no_more_memory():
    assert resources(bundle()) == {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": 1 << 30, "swap": 1 << 30},
        "pids": {"limit": 99},
        "cpu": {"quota": 200_000, "period": 100_000},
    }


def test_all_cpus_are_no_quota_and_a_cpuset_is_a_list():
    limits = Limits(cpus=2, memory_bytes=1, cpuset=(1, 3))
    assert resources(bundle(host_cpus=2, limits=LIMITS)).get("cpu") is None
    assert resources(bundle(host_cpus=2, limits=limits))["cpu"] == {"cpus": "1,3"}


def test_io_limits_are_those_of_the_scratch_folders_disk():
    limits = Limits(cpus=1, memory_bytes=1, io_bytes_per_second=1000, io_operations_per_second=10)
    found = resources(bundle(limits=limits, disk="254:16"))["blockIO"]
    device = {"major": 254, "minor": 16}
    assert found == {
        "throttleReadBpsDevice": [device | {"rate": 1000}],
        "throttleWriteBpsDevice": [device | {"rate": 1000}],
        "throttleReadIOPSDevice": [device | {"rate": 10}],
        "throttleWriteIOPSDevice": [device | {"rate": 10}],
    }
    assert "blockIO" not in resources(bundle(limits=limits))
    assert "blockIO" not in resources(bundle(disk="254:16"))


def test_the_agent_is_the_process_and_the_scratch_folder_is_bound():
    made = config(bundle())
    assert made["process"]["args"] == ["/tare-agent", "tare-r-runc-0", "0,1"]
    assert made["process"]["env"] == ["TARE_RUN=r"]
    assert made["root"] == {"path": "/w/root", "readonly": False}
    assert [m["source"] for m in made["mounts"] if m["destination"] == "/scratch"] == ["/w/scratch"]
    assert {space["type"] for space in made["linux"]["namespaces"]} == {
        "pid", "network", "ipc", "uts", "mount", "cgroup",
    }  # fmt: skip
    assert made["linux"]["cgroupsPath"] == "/tare-r/runc-0"


def test_capabilities_and_filter_are_those_of_our_own_container():
    made = config(bundle())
    kept = made["process"]["capabilities"]
    assert kept["bounding"] == kept["effective"] == kept["permitted"]
    assert len(kept["bounding"]) == 13
    assert "CAP_SYS_ADMIN" not in kept["bounding"]
    denied, absent, *rules = made["linux"]["seccomp"]["syscalls"]
    assert {"mount", "bpf", "reboot"} <= set(denied["names"])
    assert absent == {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    clones = [rule["args"][0] for rule in rules if rule["names"] == ["clone"]]
    assert sum(argument["value"] for argument in clones) == NEW_NAMESPACE
    vsock = {"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}
    assert [rule["args"] for rule in rules if rule["names"] == ["socket"]] == [[vsock]]
    assert {"/proc/keys", "/proc/interrupts", "/sys/firmware"} <= set(made["linux"]["maskedPaths"])
    assert "seccomp" not in config(bundle(filtered=False))["linux"]


def test_without_cgroups_processes_are_limited_by_an_rlimit():
    made = config(bundle(cgroups_path="", limit_processes=True))
    assert {"type": "RLIMIT_NPROC", "soft": 99, "hard": 99} in made["process"]["rlimits"]
    assert "resources" not in made["linux"]
    assert all(mount["type"] != "cgroup" for mount in made["mounts"])


def test_gvisors_label_has_its_version_and_platform():
    label = RUNTIMES["runsc"].label
    assert label("runsc version 0.0~20221219.0") == "20221219,ptrace"
    assert label("runsc version release-20240807.0") == "20240807,ptrace"
    assert label("what is this") == "unknown version,ptrace"
