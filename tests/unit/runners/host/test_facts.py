import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.trees import write_files
from tare.runners.host.cpuinfo import cpu_facts, parse_cpu_list
from tare.runners.host.facts import CONTEXT, context_facts, file_system_of, host_class, host_facts
from tare.runners.host.virtualisation import container, virtualisation

X86 = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R)  Xeon(R) Platinum 8375C CPU @ 2.90GHz\n"
X86_GUEST = X86 + "microcode\t: 0x1\nflags\t\t: fpu sse hypervisor\n\nprocessor\t: 1\n"
X86_METAL = X86 + "flags\t\t: fpu sse\n"
ARM = (
    "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    "CPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n"
)
CPU = "sys/devices/system/cpu"
CLOCKS = "sys/devices/system/clocksource/clocksource0"


@pytest.fixture
def metal(tmp_path):
    topology = {
        f"{CPU}/cpu{cpu}/{name}": text
        for cpu, core in enumerate((0, 1, 0, 1))
        for name, text in {
            "topology/physical_package_id": "0\n",
            "topology/core_id": f"{core}\n",
            "cpufreq/scaling_governor": "powersave\n",
            "cpufreq/scaling_driver": "intel_pstate\n",
        }.items()
    }
    return write_files(
        tmp_path,
        {
            **topology,
            "proc/cpuinfo": X86_METAL,
            f"{CPU}/online": "0-3\n",
            f"{CPU}/smt/active": "1\n",
            f"{CPU}/intel_pstate/no_turbo": "0\n",
            f"{CPU}/cpu0/cache/index0/level": "1\n",
            f"{CPU}/cpu0/cache/index0/type": "Data\n",
            f"{CPU}/cpu0/cache/index0/size": "48K\n",
            f"{CPU}/vulnerabilities/meltdown": "Not affected\n",
            f"{CLOCKS}/current_clocksource": "tsc\n",
            "proc/meminfo": "MemTotal: 32674500 kB\nMemFree: 90 kB\nMemAvailable: 100 kB\nSwapTotal: 8 kB\nSwapFree: 0\n",
            "proc/sys/kernel/osrelease": "6.1.0\n",
            "proc/sys/kernel/randomize_va_space": "2\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "sys/class/dmi/id/product_name": "m5.metal\n",
            "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
            "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
            "proc/self/status": "Name:\tx\nCapEff:\t000001ff\nSeccomp:\t2\n",
        },
    )


def test_a_bare_metal_host(metal):
    facts = host_facts(root=metal)
    cpu = facts["cpu"]
    assert cpu["model"] == "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"
    assert (cpu["count"], cpu["sockets"], cpu["cores"], cpu["smt"], cpu["turbo"]) == (4, 1, 2, True, True)
    assert cpu["governor"] == "powersave"
    assert cpu["caches"] == {"L1d": "48K"}
    assert facts["kernel"]["release"] == "6.1.0"
    assert facts["kernel"]["mitigations"] == {"meltdown": "Not affected"}
    assert facts["kernel"]["huge_pages"] == "madvise"
    assert facts["memory"]["total_bytes"] == 32674500 * 1024
    assert facts["memory"]["class_gib"] == 32
    assert facts["virtualisation"]["kind"] == "none"
    assert facts["distribution"]["id"] == "debian"
    assert facts["user"]["seccomp"] == 2
    json.dumps(facts)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU"}, "qemu"),
        ({"sys/class/dmi/id/product_name": "KVM"}, "kvm"),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2"}, "amazon"),
        ({"sys/class/dmi/id/product_name": "Virtual Machine"}, "hyper-v"),
        ({"sys/hypervisor/type": "xen\n"}, "xen"),
        ({f"{CLOCKS}/available_clocksource": "kvm-clock tsc\n"}, "kvm"),
        ({}, "unknown"),
    ],
)
def test_guests_are_named(tmp_path, files, kind):
    found = virtualisation(write_files(tmp_path, {"proc/cpuinfo": X86_GUEST, **files}))
    assert found["kind"] == kind
    assert "hypervisor flag" in found["evidence"]


def test_a_cloud_vendors_name_alone_is_no_guest(metal):
    assert virtualisation(metal)["kind"] == "none"


def test_arm_has_numbers_for_a_model_and_no_flag_to_tell_a_guest(tmp_path):
    root = write_files(tmp_path, {"proc/cpuinfo": ARM})
    assert cpu_facts(root)["model"] == "ARM implementer 0x41 part 0xd0c variant 0x3"
    assert cpu_facts(root)["hypervisor_flag"] is None
    assert virtualisation(root)["kind"] is None
    write_files(tmp_path, {"proc/device-tree/hypervisor/compatible": "linux,kvm\0"})
    assert virtualisation(root)["kind"] == "kvm"


def test_an_empty_host_has_facts_that_say_nothing(tmp_path):
    facts = host_facts(root=tmp_path)
    assert facts["cpu"]["model"] is None
    assert facts["memory"] == {
        "total_bytes": None,
        "class_gib": None,
        "available_bytes": None,
        "swap_bytes": None,
    }
    assert facts["cgroup"]["layout"] == "none"
    assert facts["workdir"]["file_system"] is None
    assert set(context_facts(facts)) == set(CONTEXT)
    assert host_class(facts)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"),
        ({"proc/self/cgroup": "0::/kubepods/besteffort/pod1/x\n"}, "kubepods"),
        ({"proc/self/cgroup": "0::/user.slice\n"}, "none"),
    ],
)
def test_containers_are_named(tmp_path, files, expected):
    assert container(write_files(tmp_path, files)) == expected


MOUNTS = """22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:5 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
31 22 0:6 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 22 0:7 / /mnt/a\\040b rw master:2 - tmpfs none rw
malformed line
33 22 0:8 / /mnt rw - xfs /dev/old rw
34 22 0:9 / /mnt rw - btrfs /dev/new rw
"""


def test_the_file_system_is_that_of_the_longest_and_latest_mount(tmp_path):
    write_files(tmp_path, {"proc/self/mountinfo": MOUNTS})
    assert file_system_of(Path("/somewhere"), tmp_path)["file_system"] == "ext4"
    assert file_system_of(Path("/mnt/a b/c"), tmp_path)["file_system"] == "tmpfs"
    assert file_system_of(Path("/mnt/x"), tmp_path) == {
        "path": "/mnt/x",
        "file_system": "btrfs",
        "device": "/dev/new",
    }
    assert file_system_of(Path("/mntx"), tmp_path)["file_system"] == "ext4"


@pytest.mark.parametrize(
    ("kinds", "layout"),
    [(("cgroup",), "v1"), (("cgroup2",), "v2"), (("cgroup", "cgroup2"), "hybrid"), ((), "none")],
)
def test_cgroup_layouts(tmp_path, kinds, layout):
    lines = [line for line in MOUNTS.splitlines() if any(f" - {kind} " in line for kind in kinds)]
    write_files(
        tmp_path,
        {"proc/self/mountinfo": "\n".join(lines), "sys/fs/cgroup/unified/cgroup.controllers": "cpu io\n"},
    )
    found = host_facts(root=tmp_path)["cgroup"]
    assert found["layout"] == layout
    assert found["v2"] == (["cpu", "io"] if "cgroup2" in kinds else [])


def test_the_class_outlives_a_kernel_update_and_not_another_cpu(metal):
    before = host_facts(root=metal)
    write_files(
        metal,
        {"proc/sys/kernel/osrelease": "6.9.0\n", "proc/meminfo": "MemTotal: 32670000 kB\nMemFree: 9 kB\n"},
    )
    after = host_facts(root=metal)
    assert context_facts(before) != context_facts(after)
    assert host_class(before) == host_class(after)
    assert host_class(before).startswith("xeon-8375c-")
    write_files(metal, {"proc/cpuinfo": X86_METAL.replace("8375C", "8488C")})
    assert host_class(host_facts(root=metal)) != host_class(before)


def test_this_host_has_facts():
    facts = host_facts()
    assert facts["cpu"]["model"]
    assert facts["memory"]["total_bytes"] > 1 << 20
    assert facts["boot_id"]
    assert facts["workdir"]["file_system"]


def test_cpu_lists():
    assert parse_cpu_list("0-2,5\n") == [0, 1, 2, 5]
    assert parse_cpu_list("") == []
    assert parse_cpu_list("x,3-") == [3]


@given(st.text(max_size=60), st.text(max_size=60))
def test_malformed_files_are_survived(tmp_path_factory, one, other):
    root = tmp_path_factory.mktemp("root")
    names = (
        "proc/cpuinfo",
        "proc/meminfo",
        "proc/self/mountinfo",
        "proc/self/status",
        "etc/os-release",
        "proc/sys/kernel/randomize_va_space",
        f"{CPU}/smt/active",
    )
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"MemTotal: {one}\nflags : {other} - {one}".encode("utf-8", "surrogatepass"))
    facts = host_facts(root=root)
    json.dumps(facts)
    assert host_class(facts)


@pytest.mark.parametrize("odd", ["../../etc", "a\0b", "x" * 5_000, [1], {"a": None}, None, -1])
@pytest.mark.parametrize("field", [("cpu", "model"), ("cpu", "allowed"), ("kernel", "machine")])
def test_the_class_of_any_facts_can_name_a_folder(field, odd):
    name = host_class({field[0]: {field[1]: odd}})
    assert re.fullmatch(r"[\w.-]{1,100}", name)
    assert name not in {".", ".."}
