"""What the two VMMs are told: pure functions from a guest to command line and requests.

Sources: Firecracker's ``src/firecracker/swagger/firecracker.yaml`` (1.17) and ``docs/``, Cloud Hypervisor's
``vmm/src/api/openapi/cloud-hypervisor.yaml`` (API 0.3) and ``docs/``.

Files of a place are named relative to the VMM's working directory, its place's folder. Both VMMs keep in a snapshot the
names that they were given, so each restored guest finds its own scratch disk by the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tare.runners.guests.place import SCRATCH_FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tare.runners.guests.boards import Board
    from tare.runners.settings import GuestSettings

SERIAL_PORT = "/dev/ttyS0"

API, SERIAL, LOG = "api", "serial", "log"
"""Files in a place's folder: where the VMM listens, where the guest's serial port comes out if it is a socket, and what
the VMM says of itself."""


class Request(NamedTuple):
    """One call of the API."""

    path: str
    body: dict[str, Any] | None = None
    """``None``: it has none, and would be refused with one."""
    method: Literal["PUT", "PATCH"] = "PUT"


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
    has_scratch: bool


@dataclass(frozen=True, slots=True)
class Vmm:
    """One of the two."""

    name: str
    """The runner's and the binary's."""
    what: str
    """For people."""
    binary: Callable[[GuestSettings], str]
    """Picks the name or path of the binary that the user gave; empty: none was given."""
    board: Board
    """Whose devices it has: virtio-mmio as QEMU's microvm, or virtio-pci as its Q35."""
    serial: Literal["stdio", "socket"]
    """Where the guest's serial port, the agent's channel, comes out."""
    exit: Literal["reboot", "poweroff"]
    """By which the guest ends it."""
    cache: str
    """Of the disks, in QEMU's words."""
    restored_memory: str
    """How a restored guest comes to its memory, for the record."""
    arguments: Callable[[str], tuple[str, ...]]
    """From the instance's name."""
    booting: Callable[[MicroVm], tuple[Request, ...]]
    """The last one lets it run."""
    saving: Callable[[Path], tuple[Request, ...]]
    """Stop the running guest, and write it to an empty folder."""
    restoring: Callable[[Path], tuple[Request, ...]]
    """Of a fresh VMM: read a guest from that folder. The last one lets it run."""


def _firecracker_arguments(name: str) -> tuple[str, ...]:
    # Its log would else go to stdout, which is the serial port.
    return ("--id", name, "--api-sock", API, "--log-path", LOG, "--level", "Warning")


def _firecracker_boots(guest: MicroVm) -> tuple[Request, ...]:
    disks = [("root", str(guest.root), True)] if guest.root else []
    disks += [("scratch", SCRATCH_FILE, False)] if guest.has_scratch else []
    boot = {
        "kernel_image_path": str(guest.kernel),
        "initrd_path": str(guest.initramfs),
        "boot_args": guest.cmdline,
    }
    return (
        Request("/machine-config", {"vcpu_count": guest.cpus, "mem_size_mib": guest.memory_bytes >> 20}),
        Request("/boot-source", boot),
        *(
            Request(
                f"/drives/{name}",
                {
                    "drive_id": name,
                    "path_on_host": path,
                    "is_root_device": False,
                    "is_read_only": read_only,
                    # Its default, Unsafe, does not even offer flushes to the guest.
                    "cache_type": "Writeback",
                },
            )
            for name, path, read_only in disks
        ),
        Request("/actions", {"action_type": "InstanceStart"}),
    )


def _firecracker_saves(folder: Path) -> tuple[Request, ...]:
    files = {"snapshot_path": str(folder / "state"), "mem_file_path": str(folder / "memory")}
    return (
        Request("/vm", {"state": "Paused"}, "PATCH"),
        Request("/snapshot/create", {"snapshot_type": "Full", **files}),
    )


def _firecracker_restores(folder: Path) -> tuple[Request, ...]:
    memory = {"backend_type": "File", "backend_path": str(folder / "memory")}
    loaded = {"snapshot_path": str(folder / "state"), "mem_backend": memory, "resume_vm": True}
    return (Request("/snapshot/load", loaded),)


def _cloud_hypervisor_arguments(_name: str) -> tuple[str, ...]:
    return ("--api-socket", f"path={API}", "--log-file", LOG)


def _cloud_hypervisor_boots(guest: MicroVm) -> tuple[Request, ...]:
    disks = [{"path": str(guest.root), "readonly": True}] if guest.root else []
    disks += [{"path": SCRATCH_FILE, "readonly": False}] if guest.has_scratch else []
    machine = {
        "cpus": {"boot_vcpus": guest.cpus, "max_vcpus": guest.cpus},
        "memory": {"size": guest.memory_bytes},
        "payload": {
            "kernel": str(guest.kernel),
            "initramfs": str(guest.initramfs),
            "cmdline": guest.cmdline,
        },
        "disks": disks,
        "rng": {"src": "/dev/urandom"},
        "serial": {"mode": "Socket", "socket": SERIAL},
        "console": {"mode": "Off"},
    }
    return Request("/api/v1/vm.create", machine), Request("/api/v1/vm.boot")


def _cloud_hypervisor_saves(folder: Path) -> tuple[Request, ...]:
    return Request("/api/v1/vm.pause"), Request(
        "/api/v1/vm.snapshot", {"destination_url": folder.absolute().as_uri()}
    )


def _cloud_hypervisor_restores(folder: Path) -> tuple[Request, ...]:
    return Request("/api/v1/vm.restore", {"source_url": folder.absolute().as_uri()}), Request(
        "/api/v1/vm.resume"
    )


VMMS = {
    vmm.name: vmm
    for vmm in (
        Vmm(
            name="firecracker",
            what="Firecracker",
            binary=lambda settings: settings.firecracker,
            board="microvm",
            serial="stdio",
            exit="reboot",
            cache="writeback",
            restored_memory="file, mapped privately, read on demand",
            arguments=_firecracker_arguments,
            booting=_firecracker_boots,
            saving=_firecracker_saves,
            restoring=_firecracker_restores,
        ),
        Vmm(
            name="cloud-hypervisor",
            what="Cloud Hypervisor",
            binary=lambda settings: settings.cloud_hypervisor,
            board="q35",
            serial="socket",
            exit="poweroff",
            cache="writeback",
            restored_memory="file, read whole before it runs",
            arguments=_cloud_hypervisor_arguments,
            booting=_cloud_hypervisor_boots,
            saving=_cloud_hypervisor_saves,
            restoring=_cloud_hypervisor_restores,
        ),
    )
}
"""By binary."""
