"""What a guest is made of, and the command line that its kernel gets: pure functions, nothing is run here.

What each choice saves, measured, is in ``docs/guests.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tare.runners.guests.kernel_arguments import LEAN, QUIET
from tare.runners.guests.qemu.network import NETWORK_BITS

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.guests.qemu.profiles import Profile
    from tare.runners.guests.variant import GuestVariant
    from tare.runners.guests.wiring import Wiring

VIRTIO_PORT, SERIAL_PORT = "/dev/vport0p1", "/dev/ttyS0"

ENDING = (
    "panic=-1",  # restart at once, and -no-reboot makes that QEMU's end
    "reboot=t",  # by triple fault: what every machine type understands, without ACPI
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that decides QEMU's command line, but what differs from place to place."""

    profile: Profile
    variant: GuestVariant
    accelerator: Literal["kvm", "tcg"]
    cpu: str
    """Model and flags; empty: QEMU's own choice."""
    cpus: int
    memory_bytes: int
    kernel: Path
    """The uncompressed one, if the boot is lean and the kernel has one to enter; else as the distribution ships it."""
    initramfs: Path
    wiring: Wiring
    root: Path | None = None
    """ext4 image, shared by all places, attached read-only."""
    root_format: Literal["raw", "qcow2"] = "raw"
    """The form in which :attr:`root` is stored."""
    scratch: Path | None = None
    """ext4 image of this place alone."""
    boot: Path | None = None
    """Disk with boot loader, kernel and initramfs, for the firmware; read-only."""
    cmdline: str = ""
    """The user's extra kernel arguments."""
    tsc_khz: int | None = None
    """Rate of the host's time-stamp counter, which is a TCG guest's."""
    tsc_reliable: bool = False
    """The host itself keeps time by that counter."""

    @property
    def lean(self) -> bool:
        """Nothing is there that nobody asked for."""
        return not self.variant.plain and self.profile.start != "firmware"

    @property
    def device_suffix(self) -> str:
        """Virtio devices' names end in their transport."""
        return "device" if self.profile.board == "microvm" else "pci"

    @property
    def separate_console(self) -> bool:
        """The serial port is the kernel's console; it is not if the agent needs it."""
        return self.wiring.virtio_channel and self.variant.console != "none"


def machine_type(machine: Machine) -> str:
    """QEMU's ``-M``. ACPI is there where the kernel finds its devices by it."""
    if machine.profile.board != "microvm":
        return machine.profile.board
    acpi = "on" if machine.wiring.bus == "mmio-acpi" else "off"
    return f"microvm,acpi={acpi},rtc=on"


def kernel_cmdline(machine: Machine, run: str) -> str:
    """The guest kernel's command line. The user's part comes last, so that it wins."""
    words = list(ENDING)
    if machine.variant.console != "all":
        words += QUIET if machine.lean else QUIET[:1]
    if machine.lean:
        words += LEAN
    if machine.separate_console:
        words.append("console=ttyS0")
    if machine.accelerator == "tcg" and machine.tsc_khz:
        # With ACPI and TCG a microvm's calibration against its timers fails now and then, and the boot hangs.
        words.append(f"tsc_early_khz={machine.tsc_khz}")
        if machine.tsc_reliable:
            # Else a busy host's late timer interrupts make the guest's watchdog distrust the counter, and its clock
            # falls back to ticks of 4 ms, some of which are lost.
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
