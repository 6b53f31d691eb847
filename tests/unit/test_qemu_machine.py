from dataclasses import replace
from pathlib import Path

import pytest

from runners.model import TareError
from runners.qemu.machine import Machine, kernel_cmdline, qemu_arguments, wire

DEBIAN = frozenset({"acpi", "pci", "serial", "ext4"})
DEBIAN_MODULES = dict.fromkeys(
    ("virtio_mmio", "virtio_pci", "virtio_blk", "virtio_console", "virtio_ring", "virtio")
)
TINY = frozenset({"virtio_mmio_cmdline", "virtio_mmio", "virtio_blk", "virtio_console", "ext4", "serial"})


def test_wiring_of_a_distribution_kernel():
    found = wire("microvm", DEBIAN, DEBIAN_MODULES)
    assert (found.bus, found.disk, found.virtio_channel) == ("mmio-acpi", True, True)
    assert found.modules == ("virtio_mmio", "virtio_blk", "virtio_console")
    found = wire("q35", DEBIAN, DEBIAN_MODULES)
    assert found.bus == "pci"
    assert found.modules == ("virtio_pci", "virtio_blk", "virtio_console")
    assert not found.notes


def test_wiring_of_a_kernel_with_command_line_devices_needs_no_modules():
    found = wire("microvm", TINY, {})
    assert (found.bus, found.modules, found.disk, found.virtio_channel) == ("mmio-cmdline", (), True, True)


def test_kernel_without_virtio_gets_a_serial_channel_and_says_so():
    found = wire("q35", TINY, {})
    assert (found.bus, found.disk, found.virtio_channel, found.modules) == ("none", False, False, ())
    assert len(found.notes) == 2


def test_kernel_without_any_port_is_refused():
    with pytest.raises(TareError, match="TARE_GUEST_KERNEL"):
        wire("microvm", frozenset({"acpi"}), {})


def machine(profile="microvm", features=DEBIAN, modules=DEBIAN_MODULES, **named):
    wiring = wire(profile, features, modules)
    defaults = {
        "profile": profile,
        "accelerator": "tcg",
        "cpu": "max",
        "cpus": 2,
        "memory_bytes": 512 << 20,
        "kernel": Path("/c/vmlinux"),
        "initramfs": Path("/c/initramfs"),
        "wiring": wiring,
        "root": Path("/c/root.ext4") if wiring.disk else None,
        "scratch": Path("/w/scratch,1.ext4") if wiring.disk else None,
        "tsc_khz": 2596125,
        "tsc_reliable": True,
    }
    return Machine(**(defaults | named))


GOLDEN_CMDLINE = (
    "quiet loglevel=1 panic=-1 reboot=t cryptomgr.notests no_timer_check console=ttyS0 tsc_early_khz=2596125 "
    "tsc=reliable "
    "tare.run=r1 tare.channel=/dev/vport0p1 tare.root=/dev/vda tare.scratch=/dev/vdb tare.exit=reboot"
)


def golden(machine_type, suffix, buses):
    return [
        "-name", "guest=tare-r1-3,process=tare-qemu,debug-threads=on",
        "-M", machine_type,
        "-accel", "tcg",
        "-cpu", "max",
        "-smp", "2",
        "-m", "512M",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", "/c/vmlinux",
        "-initrd", "/c/initramfs",
        "-append", GOLDEN_CMDLINE,
        "-chardev", "socket,id=channel,fd=3",
        "-chardev", "socket,id=monitor,fd=5", "-mon", "chardev=monitor,mode=control",
        "-device", f"virtio-serial-{suffix},max_ports=2{buses[2]}",
        "-device", "virtserialport,chardev=channel,name=tare",
        "-chardev", "socket,id=console,fd=4",
        "-serial", "chardev:console",
        "-drive", "if=none,id=root,format=raw,file=/c/root.ext4,cache=writeback,readonly=on",
        "-device", f"virtio-blk-{suffix},drive=root,serial=tare-root{buses[0]}",
        "-drive", "if=none,id=scratch,format=raw,file=/w/scratch,,1.ext4,cache=writeback,readonly=off",
        "-device", f"virtio-blk-{suffix},drive=scratch,serial=tare-scratch{buses[1]}",
    ]  # fmt: skip


def test_golden_microvm():
    buses = [f",bus=virtio-mmio-bus.{slot}" for slot in (2, 1, 3)]
    assert qemu_arguments(machine(), "r1", 3) == golden("microvm,acpi=on,rtc=on", "device", buses)


def test_golden_q35():
    assert qemu_arguments(machine("q35"), "r1", 3) == golden("q35", "pci", ["", "", ""])


def test_command_line_devices_need_no_acpi_and_kvm_no_counter_rate():
    found = machine(features=TINY, modules={}, accelerator="kvm", cpu="host")
    arguments = qemu_arguments(found, "r1", 0)
    assert arguments[arguments.index("-M") + 1] == "microvm,acpi=off,rtc=on"
    assert "tsc_early_khz" not in kernel_cmdline(found, "r1")


def test_serial_channel_leaves_no_console_and_no_disks():
    found = machine("q35", features=TINY, modules={})
    text = " ".join(qemu_arguments(found, "r1", 0))
    assert "-serial chardev:channel" in text
    assert "console" not in text
    assert "-drive" not in text
    assert "tare.channel=/dev/ttyS0" in text
    assert "tare.root" not in text


def test_users_kernel_arguments_come_last():
    assert kernel_cmdline(machine(cmdline="loglevel=7 x=y"), "r1").endswith("tare.exit=reboot loglevel=7 x=y")


def test_console_on_lets_the_kernel_talk():
    words = kernel_cmdline(machine(console=True), "r1").split()
    assert "quiet" not in words
    assert "loglevel=1" not in words
    assert "console=ttyS0" in words


def test_never_an_unsafe_cache_and_never_a_reboot():
    for profile in ("microvm", "q35"):
        arguments = qemu_arguments(machine(profile), "r1", 0)
        assert "-no-reboot" in arguments
        assert not any("unsafe" in argument for argument in arguments)
        assert not any("mitigations" in argument for argument in arguments)


def test_memory_is_rounded_down_to_whole_mebibytes():
    arguments = qemu_arguments(replace(machine(), memory_bytes=(300 << 20) + 5), "r1", 0)
    assert arguments[arguments.index("-m") + 1] == "300M"
