"""Compose QEMU's arguments from a machine and the parts that differ from place to place. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.runners.guests.qemu.machine import kernel_cmdline, machine_type

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.guests.qemu.machine import Machine
    from tare.runners.guests.qemu.network import Network

CHANNEL_FD, CONSOLE_FD, MONITOR_FD, STATE_FD = 3, 4, 5, 6
NETDEV = "net"
"""Identifier of the network card's back end."""
"""File descriptors at which QEMU finds its ends of the socket pairs, and a snapshot's file."""


@dataclass(frozen=True, slots=True)
class Memory:
    """File that backs the guest's memory."""

    file: Path
    shared: bool
    """Write the guest's changes to the file; else the file stays unchanged and each guest has its own copy of them."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Part of the configuration that differs from place to place."""

    run: str
    number: int
    network: Network | None = None
    """Network card; ``None``: there is none."""
    memory: Memory | None = None
    """File behind the memory; ``None``: the memory is anonymous."""
    log: Path | None = None
    """File for QEMU's log; ``None``: there is no log."""
    incoming: bool = False
    """The guest waits to be restored."""


def qemu_arguments(machine: Machine, instance: Instance) -> list[str]:
    """Compose QEMU's arguments. Its ends of channel, console and monitor are file descriptors 3, 4 and 5."""
    variant = machine.variant
    backed, objects = _memory(machine, instance)
    arguments = [
        *("-name", f"guest=tare-{instance.run}-{instance.number},process=tare-qemu,debug-threads=on"),
        *("-M", machine_type(machine) + backed),
        *objects,
        *("-accel", machine.accelerator),
        *(("-cpu", machine.cpu) if machine.cpu else ()),
        *("-smp", str(machine.cpus)),
        *("-m", f"{machine.memory_bytes >> 20}M"),
        *(("-nodefaults",) if machine.lean else ("-nic", "none")),
        *("-no-user-config", "-display", "none", "-no-reboot"),
        *_log(instance),
        *_kernel(machine, instance),
        *("-chardev", f"socket,id=channel,fd={CHANNEL_FD}"),
        *("-chardev", f"socket,id=monitor,fd={MONITOR_FD}", "-mon", "chardev=monitor,mode=control"),
    ]
    if machine.wiring.virtio_channel:
        arguments += _device(machine, "virtio-serial", "max_ports=2", "channel")
        arguments += ["-device", "virtserialport,chardev=channel,name=tare"]
        if machine.separate_console:
            arguments += ["-chardev", f"socket,id=console,fd={CONSOLE_FD}", "-serial", "chardev:console"]
        else:
            arguments += ["-serial", "none"]
    else:
        arguments += ["-serial", "chardev:channel"]
    if variant.iothread:
        arguments += ["-object", "iothread,id=disks"]
    if machine.root is not None:
        arguments += _disk(machine, "root", machine.root, read_only=True, form=machine.root_format)
    if machine.scratch is not None:
        own = ",iothread=disks" if variant.iothread else ""
        arguments += _disk(machine, "scratch", machine.scratch, read_only=False, more=own)
    if instance.network is not None:
        arguments += ["-netdev", f"{instance.network.backend},id={NETDEV}"]
        arguments += _device(machine, "virtio-net", f"netdev={NETDEV},mac={instance.network.mac}", "net")
    if variant.balloon:
        arguments += _device(
            machine, "virtio-balloon", "id=balloon,free-page-reporting=on,deflate-on-oom=on", "balloon"
        )
    if machine.boot is not None:
        arguments += _disk(machine, "boot", machine.boot, read_only=True, more=",bootindex=0")
    if instance.incoming:
        arguments += ["-incoming", "defer"]
    return arguments


def _memory(machine: Machine, instance: Instance) -> tuple[str, list[str]]:
    """Compose the property of ``-M`` and the memory object; nothing for anonymous memory, QEMU's default."""
    size = f"size={machine.memory_bytes >> 20}M"
    prealloc = ",prealloc=on" if machine.variant.prealloc else ""
    if instance.memory is not None:
        share = "on" if instance.memory.shared else "off"
        kind = f"memory-backend-file,id=memory,{size},mem-path={_path(instance.memory.file)},share={share}"
    elif machine.variant.hugetlb:
        kind = f"memory-backend-memfd,id=memory,{size},hugetlb=on,share=off"
    elif machine.variant.prealloc:
        kind = f"memory-backend-ram,id=memory,{size}"
    else:
        return "", []
    return ",memory-backend=memory", ["-object", kind + prealloc]


def _log(instance: Instance) -> tuple[str, ...]:
    """Make QEMU log when the vCPUs first run.

    The log is a file: with this event on stderr, QEMU 7.2's microvm starts its kernel at a wrong address.
    """
    if instance.log is None:
        return ()
    return ("-trace", "runstate_set", "-msg", "timestamp=on", "-D", _path(instance.log))


def _kernel(machine: Machine, instance: Instance) -> tuple[str, ...]:
    if machine.boot is not None:
        return ()
    cmdline = kernel_cmdline(machine, instance.run)
    return ("-kernel", str(machine.kernel), "-initrd", str(machine.initramfs), "-append", cmdline)


# Slots are fixed, because the guest names devices in the order in which it finds them: from the last slot down, by
# QEMU's ACPI tables and by its command line alike. The port's name contains the number of its virtio device. Slot 0 is
# left free: with ACPI its interrupt (24, the first of the second IOAPIC) never arrives under QEMU 7.2.
_MMIO_SLOT = {"channel": 5, "root": 4, "scratch": 3, "net": 2, "balloon": 1}


def _device(machine: Machine, kind: str, properties: str, slot: str) -> list[str]:
    place = f",bus=virtio-mmio-bus.{_MMIO_SLOT[slot]}" if machine.profile.board == "microvm" else ""
    return ["-device", f"{kind}-{machine.device_suffix},{properties}{place}"]


def _disk(
    machine: Machine, name: str, path: Path, *, read_only: bool, more: str = "", form: str = "raw"
) -> list[str]:
    mode = "on" if read_only else "off"
    how = f"cache={machine.variant.cache},aio={machine.variant.aio},readonly={mode}"
    return [
        "-drive",
        f"if=none,id={name},format={form},file={_path(path)},{how}",
        *_device(machine, "virtio-blk", f"drive={name},serial=tare-{name}{more}", name),
    ]


def _path(path: Path) -> str:
    """Write a path as a value in QEMU's options, where commas are doubled."""
    return str(path).replace(",", ",,")
