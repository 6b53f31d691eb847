"""From options, kernel and image files to QEMU's command line: pure functions, nothing is run here.

What each choice saves, measured, is in ``docs/guests.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runners.model import TareError
from runners.qemu.options import DISK_CACHE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Profile = Literal["microvm", "q35"]
Bus = Literal["mmio-acpi", "mmio-cmdline", "pci", "none"]

PROFILES: tuple[Profile, ...] = ("microvm", "q35")
CHANNEL_FD, CONSOLE_FD, MONITOR_FD = 3, 4, 5
"""Where QEMU finds its ends of the socket pairs."""
VIRTIO_PORT, SERIAL_PORT = "/dev/vport0p1", "/dev/ttyS0"

LEAN = (
    "quiet",
    "loglevel=1",  # a panic is still told
    "panic=-1",  # restart at once, and -no-reboot makes that QEMU's end
    "reboot=t",  # by triple fault: what every machine type understands, without ACPI
    "cryptomgr.notests",  # the kernel's self-tests of its ciphers
    "no_timer_check",  # the test for a wiring fault of old boards, which waits for ten ticks
)


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a kernel can be given its devices on a machine type."""

    bus: Bus
    disk: bool
    """virtio-blk and ext4 are there; without, the tree is in the initramfs."""
    virtio_channel: bool
    """The agent's channel is a virtio-serial port; else it is the first serial port."""
    modules: tuple[str, ...]
    """Modules to load; what they depend on is not named."""
    notes: tuple[str, ...] = ()
    """What this kernel lacks, for people."""


def wire(profile: Profile, features: frozenset[str], modules: Mapping[str, object]) -> Wiring:
    """Choose the best devices that this kernel can drive. ``features``: what is built in; ``modules``: by name."""

    def has(name: str) -> bool:
        return name in features or name in modules

    if profile == "microvm":
        bus: Bus = "none"
        if "virtio_mmio_cmdline" in features:
            bus = "mmio-cmdline"
        elif "acpi" in features and has("virtio_mmio"):
            bus = "mmio-acpi"
    else:
        bus = "pci" if "pci" in features and has("virtio_pci") else "none"
    disk = bus != "none" and has("virtio_blk") and has("ext4")
    channel = bus != "none" and has("virtio_console")
    driver = {"mmio-acpi": "virtio_mmio", "mmio-cmdline": "virtio_mmio", "pci": "virtio_pci", "none": ""}[bus]
    wanted = []
    if disk or channel:
        wanted.append(driver)
    wanted += [*(["virtio_blk", "ext4"] if disk else []), *(["virtio_console"] if channel else [])]
    notes = (
        [] if disk else ["no virtio disk in this kernel: the image is in the initramfs, scratch in memory"]
    )
    if not channel:
        if "serial" not in features:
            raise TareError(
                f"this kernel can drive neither a virtio console nor a serial port on {profile}; "
                "give another (TARE_GUEST_KERNEL)"
            )
        notes.append("no virtio console in this kernel: the agent speaks over the serial port")
    return Wiring(bus, disk, channel, tuple(name for name in wanted if name not in features), tuple(notes))


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that decides QEMU's command line."""

    profile: Profile
    accelerator: Literal["kvm", "tcg"]
    cpu: str
    cpus: int
    memory_bytes: int
    kernel: Path
    initramfs: Path
    wiring: Wiring
    root: Path | None = None
    """ext4 image, shared by all places, attached read-only."""
    scratch: Path | None = None
    """ext4 image of this place alone."""
    cmdline: str = ""
    """The user's extra kernel arguments."""
    console: bool = False
    tsc_khz: int | None = None
    """Rate of the host's time-stamp counter, which is a TCG guest's."""
    tsc_reliable: bool = False
    """The host itself keeps time by that counter."""

    @property
    def device_suffix(self) -> str:
        """Virtio devices' names end in their transport."""
        return "pci" if self.profile == "q35" else "device"

    @property
    def separate_console(self) -> bool:
        """The serial port is the kernel's console; it is not if the agent needs it."""
        return self.wiring.virtio_channel


def machine_type(machine: Machine) -> str:
    """QEMU's ``-M``. ACPI is there where the kernel finds its devices by it."""
    if machine.profile == "q35":
        return "q35"
    acpi = "on" if machine.wiring.bus == "mmio-acpi" else "off"
    return f"microvm,acpi={acpi},rtc=on"


def kernel_cmdline(machine: Machine, run: str) -> str:
    """The guest kernel's command line. The user's part comes last, so that it wins."""
    words = list(LEAN)
    if machine.console:
        words = [word for word in words if word not in {"quiet", "loglevel=1"}]
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
    words.append("tare.exit=reboot")
    return " ".join([*words, machine.cmdline]).strip()


def qemu_arguments(machine: Machine, run: str, number: int) -> list[str]:
    """QEMU's arguments. Its ends of the channel, of the console and of the monitor are fds 3, 4 and 5."""
    arguments = [
        *("-name", f"guest=tare-{run}-{number},process=tare-qemu,debug-threads=on"),
        *("-M", machine_type(machine)),
        *("-accel", machine.accelerator),
        *("-cpu", machine.cpu),
        *("-smp", str(machine.cpus)),
        *("-m", f"{machine.memory_bytes >> 20}M"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(machine.kernel)),
        *("-initrd", str(machine.initramfs)),
        *("-append", kernel_cmdline(machine, run)),
        *("-chardev", f"socket,id=channel,fd={CHANNEL_FD}"),
        *("-chardev", f"socket,id=monitor,fd={MONITOR_FD}", "-mon", "chardev=monitor,mode=control"),
    ]
    if machine.wiring.virtio_channel:
        arguments += _device(machine, "virtio-serial", "max_ports=2")
        arguments += ["-device", "virtserialport,chardev=channel,name=tare"]
        arguments += ["-chardev", f"socket,id=console,fd={CONSOLE_FD}", "-serial", "chardev:console"]
    else:
        arguments += ["-serial", "chardev:channel"]
    if machine.root is not None:
        arguments += _disk(machine, "root", machine.root, read_only=True)
    if machine.scratch is not None:
        arguments += _disk(machine, "scratch", machine.scratch, read_only=False)
    return arguments


# Fixed slots, because the guest names devices in the order in which it finds them: from the last slot down, both by
# QEMU's ACPI tables and by the command line that it writes. The port's name has the number of its virtio device.
# Slot 0 is left free: with ACPI its interrupt (24, the first of the second IOAPIC) never arrives under QEMU 7.2.
_MMIO_SLOT = {"virtio-serial": 3, "root": 2, "scratch": 1}


def _device(machine: Machine, kind: str, properties: str, slot: str = "") -> list[str]:
    place = f",bus=virtio-mmio-bus.{_MMIO_SLOT[slot or kind]}" if machine.profile == "microvm" else ""
    return ["-device", f"{kind}-{machine.device_suffix},{properties}{place}"]


def _disk(machine: Machine, name: str, path: Path, *, read_only: bool) -> list[str]:
    # A comma in a value is written twice in QEMU's options.
    file = str(path).replace(",", ",,")
    mode = "on" if read_only else "off"
    return [
        "-drive",
        f"if=none,id={name},format=raw,file={file},cache={DISK_CACHE},readonly={mode}",
        *_device(machine, "virtio-blk", f"drive={name},serial=tare-{name}", slot=name),
    ]
