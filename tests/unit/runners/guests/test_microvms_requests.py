from pathlib import Path

import pytest

from tare.runners.guests.microvms.api import _reason
from tare.runners.guests.microvms.vmms import VMMS, MicroVm

GUEST = MicroVm(
    cpus=2,
    memory_bytes=512 << 20,
    kernel=Path("/c/vmlinux"),
    initramfs=Path("/c/initramfs"),
    cmdline="quiet tare.exit=reboot",
    root=Path("/c/root.ext4"),
    has_scratch=True,
)


def test_what_firecracker_is_told():
    vmm = VMMS["firecracker"]
    assert vmm.arguments("tare-r1-0") == (
        "--id", "tare-r1-0", "--api-sock", "api", "--log-path", "log", "--level", "Warning",
    )  # fmt: skip
    drive = {"is_root_device": False, "cache_type": "Writeback"}
    assert [(path, body) for path, body, _ in vmm.booting(GUEST)] == [
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
            {"drive_id": "scratch", "path_on_host": "scratch.ext4", "is_read_only": False, **drive},
        ),
        ("/actions", {"action_type": "InstanceStart"}),
    ]


def test_what_cloud_hypervisor_is_told():
    vmm = VMMS["cloud-hypervisor"]
    assert vmm.arguments("tare-r1-0") == ("--api-socket", "path=api", "--log-file", "log")
    (create, machine, _), boot = vmm.booting(GUEST)
    assert (create, boot) == ("/api/v1/vm.create", ("/api/v1/vm.boot", None, "PUT"))
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
            {"path": "scratch.ext4", "readonly": False},
        ],
        "rng": {"src": "/dev/urandom"},
        "serial": {"mode": "Socket", "socket": "serial"},
        "console": {"mode": "Off"},
    }


def test_how_guests_are_saved_and_restored():
    firecracker, other = VMMS["firecracker"], VMMS["cloud-hypervisor"]
    assert firecracker.saving(Path("/s")) == (
        ("/vm", {"state": "Paused"}, "PATCH"),
        (
            "/snapshot/create",
            {"snapshot_type": "Full", "snapshot_path": "/s/state", "mem_file_path": "/s/memory"},
            "PUT",
        ),
    )
    assert firecracker.restoring(Path("/s")) == (
        (
            "/snapshot/load",
            {
                "snapshot_path": "/s/state",
                "mem_backend": {"backend_type": "File", "backend_path": "/s/memory"},
                "resume_vm": True,
            },
            "PUT",
        ),
    )
    assert other.saving(Path("/s")) == (
        ("/api/v1/vm.pause", None, "PUT"),
        ("/api/v1/vm.snapshot", {"destination_url": "file:///s"}, "PUT"),
    )
    assert other.restoring(Path("/s")) == (
        ("/api/v1/vm.restore", {"source_url": "file:///s"}, "PUT"),
        ("/api/v1/vm.resume", None, "PUT"),
    )


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
