"""Describe the machine of a guest, and compose its kernel's command line. Pure functions.

``docs/guests.md`` has the measured saving of each choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tare.runners.guests.kernel_arguments import LEAN, QUIET, SERIAL_PORT, VIRTIO_PORT
from tare.runners.guests.qemu.network import NETWORK_BITS

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.guests.qemu.profiles import Profile
    from tare.runners.guests.variant import GuestVariant
    from tare.runners.guests.wiring import Wiring


ENDING = (
    "panic=-1",  # restart at once, which with -no-reboot ends QEMU
    "reboot=t",  # by triple fault, which works on every machine type and without ACPI
)
"""Arguments by which a guest that ends also ends QEMU."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that decides QEMU's command line, except what differs from place to place."""

    profile: Profile
    variant: GuestVariant
    accelerator: Literal["kvm", "tcg"]
    cpu: str
    """CPU model and flags; empty: QEMU's default."""
    cpus: int
    memory_bytes: int
    kernel: Path
    """Uncompressed kernel, if the boot is lean and the kernel can be entered so; else as the distribution ships it."""
    initramfs: Path
    wiring: Wiring
    root: Path | None = None
    """ext4 image shared by all places, attached read-only; ``None``: the tree is in the initramfs."""
    root_format: Literal["raw", "qcow2"] = "raw"
    """Format in which :attr:`root` is stored."""
    scratch: Path | None = None
    """ext4 image of one place alone; ``None``: scratch is in memory."""
    boot: Path | None = None
    """Disk with boot loader, kernel and initramfs for the firmware, read-only; ``None``: direct boot."""
    cmdline: str = ""
    """Extra kernel arguments of the user."""
    tsc_khz: int | None = None
    """Rate of the host's time-stamp counter, which a TCG guest reads; ``None``: unknown, or not needed."""
    tsc_reliable: bool = False
    """The host itself keeps time by that counter."""

    @property
    def lean(self) -> bool:
        """The guest has nothing that was not asked for."""
        return not self.variant.plain and self.profile.start != "firmware"

    @property
    def device_suffix(self) -> str:
        """End of the names of virtio devices, which is their transport."""
        return "device" if self.profile.board == "microvm" else "pci"

    @property
    def separate_console(self) -> bool:
        """The serial port is the kernel's console, because the agent does not need it."""
        return self.wiring.virtio_channel and self.variant.console != "none"


def machine_type(machine: Machine) -> str:
    """Compose the value of ``-M``, with ACPI if the kernel finds its devices by that."""
    if machine.profile.board != "microvm":
        return machine.profile.board
    acpi = "on" if machine.wiring.bus == "mmio-acpi" else "off"
    return f"microvm,acpi={acpi},rtc=on"


def kernel_cmdline(machine: Machine, run: str) -> str:
    """Compose the guest kernel's command line. The user's part comes last, so that it takes precedence."""
    words = list(ENDING)
    if machine.variant.console != "all":
        words += QUIET if machine.lean else QUIET[:1]
    if machine.lean:
        words += LEAN
    if machine.separate_console:
        words.append("console=ttyS0")
    if machine.accelerator == "tcg" and machine.tsc_khz:
        # With ACPI under TCG, a microvm's calibration against its timers sometimes fails, and the boot hangs.
        words.append(f"tsc_early_khz={machine.tsc_khz}")
        if machine.tsc_reliable:
            # Without it, late timer interrupts of a busy host make the guest's watchdog distrust the counter, and its
            # clock falls back to ticks of 4 ms, some of which are lost.
            words.append("tsc=reliable")
    words += [
        f"tare.run={run}",
        f"tare.channel={VIRTIO_PORT if machine.wiring.virtio_channel else SERIAL_PORT}",
    ]
    if machine.root is not None:
        words.append("tare.root=/dev/vda")
    if machine.scratch is not None:
        words.append("tare.scratch=/dev/vdb")
    if machine.variant.net != "none":
        words.append(f"tare.net={NETWORK_BITS}")
    words.append("tare.exit=reboot")
    return " ".join([*words, machine.cmdline]).strip()
