"""Choose the devices that a guest kernel can drive, by its built-in features and its modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.guests.boards import Board
    from tare.runners.guests.variant import GuestVariant

Bus = Literal["mmio-acpi", "mmio-cmdline", "pci", "none"]

_DRIVER = {"mmio-acpi": "virtio_mmio", "mmio-cmdline": "virtio_mmio", "pci": "virtio_pci"}


@dataclass(frozen=True, slots=True)
class Wiring:
    """Devices for a kernel on a board, and the modules that drive them."""

    bus: Bus
    """Transport of the virtio devices; ``none``: the kernel can drive none."""
    disk: bool
    """Give the guest disks, by virtio-blk with ext4; else the tree is in the initramfs."""
    virtio_channel: bool
    """The agent's channel is a virtio-serial port; else it is the first serial port."""
    modules: tuple[str, ...]
    """Modules to load, without their dependencies."""
    notes: tuple[str, ...] = ()
    """Sentences for the record about what this kernel lacks."""


def wire(
    board: Board, features: frozenset[str], modules: Mapping[str, object], variant: GuestVariant
) -> Wiring:
    """Choose the best devices that a kernel can drive.

    Args:
        board: machine type whose devices are to be driven.
        features: names of the features built into the kernel.
        modules: available modules by name.
        variant: the guest's configuration, which may ask for devices.

    Raises:
        TareError: the kernel cannot drive what the variant asks for, or has no port for the agent at all.
    """

    def has(name: str) -> bool:
        return name in features or name in modules

    bus = _bus(board, features, modules)
    disk = bus != "none" and has("virtio_blk") and has("ext4")
    channel = bus != "none" and has("virtio_console")
    wanted = [_DRIVER[bus]] if disk or channel else []
    wanted += [*(["virtio_blk", "ext4"] if disk else []), *(["virtio_console"] if channel else [])]
    for asked, driver in ((variant.net != "none", "virtio_net"), (variant.balloon, "virtio_balloon")):
        if asked and (bus == "none" or not has(driver)):
            raise TareError(
                say(
                    "kernel.no_driver",
                    "this kernel has no {driver} for {board}; give another (TARE_GUEST_KERNEL), or its modules (TARE_GUEST_MODULES)",
                    driver=driver,
                    board=board,
                )
            )
        wanted += [driver] if asked else []
    notes = (
        [] if disk else ["no virtio disk in this kernel: the image is in the initramfs, scratch in memory"]
    )
    if not channel:
        if "serial" not in features or variant.console == "none":
            raise TareError(
                say(
                    "kernel.no_console",
                    "this kernel can drive neither a virtio console nor a serial port on {board}; give another (TARE_GUEST_KERNEL)",
                    board=board,
                )
            )
        notes.append("no virtio console in this kernel: the agent speaks over the serial port")
    return Wiring(bus, disk, channel, tuple(name for name in wanted if name not in features), tuple(notes))


def _bus(board: Board, features: frozenset[str], modules: Mapping[str, object]) -> Bus:
    if board == "microvm":
        if "virtio_mmio_cmdline" in features:
            return "mmio-cmdline"
        mmio = "virtio_mmio" in features or "virtio_mmio" in modules
        return "mmio-acpi" if "acpi" in features and mmio else "none"
    pci = "virtio_pci" in features or "virtio_pci" in modules
    return "pci" if "pci" in features and pci else "none"
