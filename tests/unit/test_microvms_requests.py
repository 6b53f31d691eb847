from pathlib import Path

import pytest

from runners.microvms.api import _reason
from runners.microvms.vmms import VMMS, MicroVm, Sockets

GUEST = MicroVm(
    cpus=2,
    memory_bytes=512 << 20,
    kernel=Path("/c/vmlinux"),
    initramfs=Path("/c/initramfs"),
    cmdline="quiet tare.exit=reboot",
    root=Path("/c/root.ext4"),
    scratch=Path("/w/scratch.ext4"),
)
SOCKETS = Sockets(Path("/w"))


def test_what_firecracker_is_told():
    vmm = VMMS["firecracker"]
    assert vmm.arguments("tare-r1-0", SOCKETS) == (
        "--id", "tare-r1-0", "--api-sock", "/w/api", "--log-path", "/w/log", "--level", "Warn",
    )  # fmt: skip
    drive = {"is_root_device": False, "cache_type": "Writeback"}
    assert vmm.requests(GUEST, SOCKETS) == (
        ("/machine-config", {"vcpu_count": 2, "mem_size_mib": 512}),
        (
            "/boot-source",
            {
                "kernel_image_path": "/c/vmlinux",
                "initrd_path": "/c/initramfs",
                "boot_args": "quiet tare.exit=reboot",
            },
        ),
        (
            "/drives/root",
            {"drive_id": "root", "path_on_host": "/c/root.ext4", "is_read_only": True, **drive},
        ),
        (
            "/drives/scratch",
            {"drive_id": "scratch", "path_on_host": "/w/scratch.ext4", "is_read_only": False, **drive},
        ),
        ("/actions", {"action_type": "InstanceStart"}),
    )


def test_what_cloud_hypervisor_is_told():
    vmm = VMMS["cloud-hypervisor"]
    assert vmm.arguments("tare-r1-0", SOCKETS) == ("--api-socket", "path=/w/api", "--log-file", "/w/log")
    (create, machine), boot = vmm.requests(GUEST, SOCKETS)
    assert (create, boot) == ("/api/v1/vm.create", ("/api/v1/vm.boot", None))
    assert machine == {
        "cpus": {"boot_vcpus": 2, "max_vcpus": 2},
        "memory": {"size": 512 << 20},
        "payload": {
            "kernel": "/c/vmlinux",
            "initramfs": "/c/initramfs",
            "cmdline": "quiet tare.exit=reboot",
        },
        "disks": [
            {"path": "/c/root.ext4", "readonly": True},
            {"path": "/w/scratch.ext4", "readonly": False},
        ],
        "rng": {"src": "/dev/urandom"},
        "serial": {"mode": "Socket", "socket": "/w/serial"},
        "console": {"mode": "Off"},
    }


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"fault_message": "no kernel"}', "no kernel"),
        ('["one", "two"]', "one; two"),
        ("plain", "plain"),
        ("", "no reason given"),
    ],
)
def test_why_a_vmm_refuses(said, reason):
    assert _reason(said) == reason
