"""What the two VMMs are told: pure functions from a guest to command line and requests.

Sources: Firecracker's ``src/firecracker/swagger/firecracker.yaml`` and ``docs/``, Cloud Hypervisor's
``vmm/src/api/openapi/cloud-hypervisor.yaml`` and ``docs/api.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runners.microvms.api import Request
    from runners.qemu.profiles import Board

SERIAL_PORT = "/dev/ttyS0"


@dataclass(frozen=True, slots=True)
class MicroVm:
    """A guest, for either VMM."""

    cpus: int
    memory_bytes: int
    kernel: Path
    """Uncompressed."""
    initramfs: Path
    cmdline: str
    root: Path | None
    scratch: Path | None


@dataclass(frozen=True, slots=True)
class Sockets:
    """Names of a place's files."""

    folder: Path

    @property
    def api(self) -> Path:
        """Where the VMM listens."""
        return self.folder / "api"

    @property
    def serial(self) -> Path:
        """Where it gives the guest's serial port to, if it is a socket."""
        return self.folder / "serial"

    @property
    def log(self) -> Path:
        """What it says of itself."""
        return self.folder / "log"


@dataclass(frozen=True, slots=True)
class Vmm:
    """One of the two."""

    name: str
    """The runner's and the binary's."""
    what: str
    """For people."""
    setting: str
    board: Board
    """Whose devices it has: virtio-mmio as QEMU's microvm, or virtio-pci as its Q35."""
    serial: Literal["stdio", "socket"]
    """Where the guest's serial port, the agent's channel, comes out."""
    exit: Literal["reboot", "poweroff"]
    """By which the guest ends it."""
    cache: str
    """Of the disks, in QEMU's words."""
    arguments: Callable[[str, Sockets], tuple[str, ...]]
    """From the instance's name."""
    requests: Callable[[MicroVm, Sockets], tuple[Request, ...]]


def _firecracker_arguments(name: str, sockets: Sockets) -> tuple[str, ...]:
    # Its log would else go to stdout, which is the serial port.
    log = ("--log-path", str(sockets.log), "--level", "Warn")
    return ("--id", name, "--api-sock", str(sockets.api), *log)


def _firecracker(guest: MicroVm, _sockets: Sockets) -> tuple[Request, ...]:
    disks = (("root", guest.root, True), ("scratch", guest.scratch, False))
    return (
        ("/machine-config", {"vcpu_count": guest.cpus, "mem_size_mib": guest.memory_bytes >> 20}),
        (
            "/boot-source",
            {
                "kernel_image_path": str(guest.kernel),
                "initrd_path": str(guest.initramfs),
                "boot_args": guest.cmdline,
            },
        ),
        *(
            (
                f"/drives/{name}",
                {
                    "drive_id": name,
                    "path_on_host": str(path),
                    "is_root_device": False,
                    "is_read_only": read_only,
                    # Its default, Unsafe, does not even offer flushes to the guest.
                    "cache_type": "Writeback",
                },
            )
            for name, path, read_only in disks
            if path is not None
        ),
        ("/actions", {"action_type": "InstanceStart"}),
    )


def _cloud_hypervisor_arguments(_name: str, sockets: Sockets) -> tuple[str, ...]:
    return ("--api-socket", f"path={sockets.api}", "--log-file", str(sockets.log))


def _cloud_hypervisor(guest: MicroVm, sockets: Sockets) -> tuple[Request, ...]:
    disks = ((guest.root, True), (guest.scratch, False))
    machine = {
        "cpus": {"boot_vcpus": guest.cpus, "max_vcpus": guest.cpus},
        "memory": {"size": guest.memory_bytes},
        "payload": {
            "kernel": str(guest.kernel),
            "initramfs": str(guest.initramfs),
            "cmdline": guest.cmdline,
        },
        "disks": [
            {"path": str(path), "readonly": read_only} for path, read_only in disks if path is not None
        ],
        "rng": {"src": "/dev/urandom"},
        "serial": {"mode": "Socket", "socket": str(sockets.serial)},
        "console": {"mode": "Off"},
    }
    return (("/api/v1/vm.create", machine), ("/api/v1/vm.boot", None))


VMMS = {
    vmm.name: vmm
    for vmm in (
        Vmm(
            "firecracker", "Firecracker", "guest.firecracker", "microvm", "stdio", "reboot", "writeback",
            _firecracker_arguments, _firecracker,
        ),
        Vmm(
            "cloud-hypervisor", "Cloud Hypervisor", "guest.cloud_hypervisor", "q35", "socket", "poweroff",
            "writeback", _cloud_hypervisor_arguments, _cloud_hypervisor,
        ),
    )
}  # fmt: skip
"""By runner name."""
