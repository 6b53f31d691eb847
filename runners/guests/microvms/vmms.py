"""Compose the command lines and API requests of the two VMMs. Pure functions.

Sources: Firecracker's ``src/firecracker/swagger/firecracker.yaml`` (1.17) and ``docs/``, Cloud Hypervisor's
``vmm/src/api/openapi/cloud-hypervisor.yaml`` (API 0.3) and ``docs/``.

Files are named relative to the VMM's working directory, the folder of its place. Both VMMs store the given names in a
snapshot, so each restored guest finds its own scratch disk under the same name.
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


API, SERIAL, LOG = "api", "serial", "log"
"""Files in a place's folder: the VMM's API socket, the socket of the guest's serial port if it is one, and the VMM's
log."""


class Request(NamedTuple):
    """One HTTP request to the API of a VMM."""

    path: str
    body: dict[str, Any] | None = None
    """Body as JSON; ``None``: the request has none, and would be refused with one."""
    method: Literal["PUT", "PATCH"] = "PUT"


@dataclass(frozen=True, slots=True)
class MicroVm:
    """A guest as both VMMs can run it."""

    cpus: int
    memory_bytes: int
    kernel: Path
    """Uncompressed kernel."""
    initramfs: Path
    cmdline: str
    root: Path | None
    """Root disk; ``None``: the tree is in the initramfs."""
    has_scratch: bool
    """The guest has a scratch disk."""


@dataclass(frozen=True, slots=True)
class Vmm:
    """Properties in which the two VMMs differ."""

    name: str
    """Name of the runner and of the binary."""
    what: str
    """Name in messages."""
    binary: Callable[[GuestSettings], str]
    """Picks the name or path of the binary that the user gave; empty: none was given."""
    board: Board
    """QEMU's board with the same devices: virtio-mmio as its microvm, or virtio-pci as its Q35."""
    serial: Literal["stdio", "socket"]
    """Other end of the guest's serial port, the agent's channel."""
    exit: Literal["reboot", "poweroff"]
    """Action of the guest that ends the VMM."""
    cache: str
    """Cache mode of the disks, in QEMU's terms."""
    restored_memory: str
    """How a restored guest gets its memory, for the record."""
    arguments: Callable[[str], tuple[str, ...]]
    """Composes the command line from the instance's name."""
    booting: Callable[[MicroVm], tuple[Request, ...]]
    """Composes the requests that boot a guest; the last one runs it."""
    saving: Callable[[Path], tuple[Request, ...]]
    """Composes the requests that pause the guest and write it to an empty folder."""
    restoring: Callable[[Path], tuple[Request, ...]]
    """Composes the requests to a fresh VMM that read a guest from such a folder; the last one runs it."""


def _firecracker_arguments(name: str) -> tuple[str, ...]:
    # By default its log goes to stdout, which is the serial port.
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
                    # The default, Unsafe, does not offer flushes to the guest.
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
"""Name of the binary → its properties."""
