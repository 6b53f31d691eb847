from pathlib import Path
from typing import Any

import pytest

from support.changing import replace
from tare.runners.errors import TareError
from tare.runners.guests.qemu.arguments import Instance, Memory, qemu_arguments
from tare.runners.guests.qemu.machine import Machine, kernel_cmdline
from tare.runners.guests.qemu.network import PEER_FD, USER, Network, has_default_route
from tare.runners.guests.qemu.profiles import PROFILES
from tare.runners.guests.qemu.variants import parse
from tare.runners.guests.variant import GuestVariant
from tare.runners.guests.wiring import wire

DEBIAN = frozenset({"acpi", "pci", "serial", "ext4"})
DEBIAN_MODULES = dict.fromkeys(
    ("virtio_mmio", "virtio_pci", "virtio_blk", "virtio_console", "virtio_ring", "virtio")
)
TINY = frozenset({"virtio_mmio_cmdline", "virtio_mmio", "virtio_blk", "virtio_console", "ext4", "serial"})


def test_wiring_of_a_distribution_kernel():
    found = wire("microvm", DEBIAN, DEBIAN_MODULES, GuestVariant())
    assert (found.bus, found.disk, found.virtio_channel) == ("mmio-acpi", True, True)
    assert found.modules == ("virtio_mmio", "virtio_blk", "virtio_console")
    found = wire("q35", DEBIAN, DEBIAN_MODULES, GuestVariant())
    assert found.bus == "pci"
    assert found.modules == ("virtio_pci", "virtio_blk", "virtio_console")
    assert not found.notes


def test_wiring_of_a_kernel_with_command_line_devices_needs_no_modules():
    found = wire("microvm", TINY, {}, GuestVariant())
    assert (found.bus, found.modules, found.disk, found.virtio_channel) == ("mmio-cmdline", (), True, True)


def test_kernel_without_virtio_gets_a_serial_channel_and_says_so():
    found = wire("q35", TINY, {}, GuestVariant())
    assert (found.bus, found.disk, found.virtio_channel, found.modules) == ("none", False, False, ())
    assert len(found.notes) == 2


def test_kernel_without_any_port_is_refused():
    with pytest.raises(TareError, match="TARE_GUEST_KERNEL"):
        wire("microvm", frozenset({"acpi"}), {}, GuestVariant())


def machine(profile="microvm", features=DEBIAN, modules=DEBIAN_MODULES, variant="", **named):
    wiring = wire(PROFILES[profile].board, features, modules, parse(variant))
    defaults: dict[str, Any] = {
        "profile": PROFILES[profile],
        "variant": parse(variant),
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
    "panic=-1 reboot=t quiet loglevel=1 cryptomgr.notests no_timer_check console=ttyS0 tsc_early_khz=2596125 "
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
        "-drive", "if=none,id=root,format=raw,file=/c/root.ext4,cache=writeback,aio=threads,readonly=on",
        "-device", f"virtio-blk-{suffix},drive=root,serial=tare-root{buses[0]}",
        "-drive", "if=none,id=scratch,format=raw,file=/w/scratch,,1.ext4,cache=writeback,aio=threads,readonly=off",
        "-device", f"virtio-blk-{suffix},drive=scratch,serial=tare-scratch{buses[1]}",
    ]  # fmt: skip


def test_golden_microvm():
    buses = [f",bus=virtio-mmio-bus.{slot}" for slot in (4, 3, 5)]
    assert qemu_arguments(machine(), Instance("r1", 3)) == golden("microvm,acpi=on,rtc=on", "device", buses)


def test_golden_q35():
    assert qemu_arguments(machine("q35"), Instance("r1", 3)) == golden("q35", "pci", ["", "", ""])


def test_command_line_devices_need_no_acpi_and_kvm_no_counter_rate():
    found = machine(features=TINY, modules={}, accelerator="kvm", cpu="host")
    arguments = qemu_arguments(found, Instance("r1", 0))
    assert arguments[arguments.index("-M") + 1] == "microvm,acpi=off,rtc=on"
    assert "tsc_early_khz" not in kernel_cmdline(found, "r1")


def test_serial_channel_leaves_no_console_and_no_disks():
    found = machine("q35", features=TINY, modules={})
    text = " ".join(qemu_arguments(found, Instance("r1", 0)))
    assert "-serial chardev:channel" in text
    assert "console" not in text
    assert "-drive" not in text
    assert "tare.channel=/dev/ttyS0" in text
    assert "tare.root" not in text


def test_users_kernel_arguments_come_last():
    assert kernel_cmdline(machine(cmdline="loglevel=7 x=y"), "r1").endswith("tare.exit=reboot loglevel=7 x=y")


def test_console_on_lets_the_kernel_talk():
    words = kernel_cmdline(machine(variant="console=all"), "r1").split()
    assert "quiet" not in words
    assert "loglevel=1" not in words
    assert "console=ttyS0" in words


def test_never_an_unsafe_cache_and_never_a_reboot():
    for profile in ("microvm", "q35"):
        arguments = qemu_arguments(machine(profile), Instance("r1", 0))
        assert "-no-reboot" in arguments
        assert not any("unsafe" in argument for argument in arguments)
        assert not any("mitigations" in argument for argument in arguments)


def test_memory_is_rounded_down_to_whole_mebibytes():
    arguments = qemu_arguments(replace(machine(), memory_bytes=(300 << 20) + 5), Instance("r1", 0))
    assert arguments[arguments.index("-m") + 1] == "300M"


def arguments_of(profile="microvm", variant="", instance=None, **named):
    return qemu_arguments(machine(profile, variant=variant, **named), instance or Instance("r1", 0))


def test_a_boot_that_is_not_lean_has_qemus_default_devices_but_no_network_of_them():
    for profile, variant in (("q35", "plain"), ("q35-firmware", "")):
        arguments = arguments_of(profile, variant)
        assert "-nodefaults" not in arguments
        assert arguments[arguments.index("-nic") + 1] == "none"
        words = kernel_cmdline(machine(profile, variant=variant), "r1").split()
        assert "quiet" in words
        assert not {"loglevel=1", "no_timer_check", "cryptomgr.notests"} & set(words)


def test_firmware_gets_the_kernel_from_a_disk_that_comes_last():
    arguments = arguments_of("pc", boot=Path("/w/boot.img"))
    assert arguments[arguments.index("-M") + 1] == "pc"
    assert not {"-kernel", "-initrd", "-append"} & set(arguments)
    assert arguments[-1] == "virtio-blk-pci,drive=boot,serial=tare-boot,bootindex=0"


def test_disks_are_open_as_the_variant_says():
    text = " ".join(arguments_of("q35", "cache=none+aio=native+iothread"))
    assert text.count("cache=none,aio=native") == 2
    assert "-object iothread,id=disks" in text
    assert "drive=scratch,serial=tare-scratch,iothread=disks" in text
    assert "drive=root,serial=tare-root,iothread" not in text


def test_no_console_means_no_serial_port_and_nothing_for_the_kernel_to_write_to():
    found = machine(variant="console=none")
    arguments = qemu_arguments(found, Instance("r1", 0))
    assert arguments[arguments.index("-serial") + 1] == "none"
    assert "console=" not in kernel_cmdline(found, "r1")


def test_a_card_tells_its_guest_the_address():
    arguments = arguments_of(
        "q35", "net=user", Instance("r1", 0, network=USER), modules=[*DEBIAN_MODULES, "virtio_net"]
    )
    assert "virtio-net-pci,netdev=net,mac=52:54:0a:00:02:0f" in arguments
    assert arguments[arguments.index("-netdev") + 1] == "user,ipv6=off,id=net"
    assert "tare.net=24" in arguments[arguments.index("-append") + 1].split()


def test_a_helper_is_reached_by_a_descriptor():
    network = Network("10.0.2.15", "10.0.2.2", f"stream,server=off,addr.type=fd,addr.str={PEER_FD}")
    instance = Instance("r1", 0, network=network)
    arguments = arguments_of("q35", "net=passt", instance, modules=[*DEBIAN_MODULES, "virtio_net"])
    assert arguments[arguments.index("-netdev") + 1] == "stream,server=off,addr.type=fd,addr.str=9,id=net"


@pytest.mark.parametrize(
    ("table", "there"),
    [
        ("Iface\tDestination\tGateway\neth0\t00000000\t01020304\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", True),
        ("Iface\tDestination\tGateway\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", False),
        ("Iface\tDestination\neth0\n", False),
        ("", False),
    ],
)
def test_passt_needs_a_default_route(tmp_path, table, there):
    (tmp_path / "route").write_text(table)
    assert has_default_route(tmp_path / "route") is there
    assert not has_default_route(tmp_path / "absent")


def test_a_kernel_without_the_driver_is_refused_and_not_left_without_network():
    with pytest.raises(TareError, match="virtio_net"):
        machine(variant="net=user")


@pytest.mark.parametrize(
    ("variant", "memory", "expected"),
    [
        ("", None, ""),
        ("prealloc", None, "memory-backend-ram,id=memory,size=512M,prealloc=on"),
        ("hugetlb", None, "memory-backend-memfd,id=memory,size=512M,hugetlb=on,share=off"),
        (
            "",
            Memory(Path("/w/m"), shared=True),
            "memory-backend-file,id=memory,size=512M,mem-path=/w/m,share=on",
        ),
        (
            "",
            Memory(Path("/w/m"), shared=False),
            "memory-backend-file,id=memory,size=512M,mem-path=/w/m,share=off",
        ),
    ],
)
def test_memory(variant, memory, expected):
    arguments = arguments_of(variant=variant, instance=Instance("r1", 0, memory=memory))
    assert (expected in arguments) is bool(expected)
    assert arguments[arguments.index("-M") + 1].endswith(",memory-backend=memory") is bool(expected)


def test_slots_are_in_the_order_in_which_guests_are_to_find_the_devices():
    modules = [*DEBIAN_MODULES, "virtio_net", "virtio_balloon"]
    arguments = arguments_of(
        variant="net=user+balloon", instance=Instance("r1", 0, network=USER), modules=modules
    )
    slots = [int(word.rpartition("mmio-bus.")[2]) for word in arguments if "mmio-bus." in word]
    assert slots == sorted(slots, reverse=True)
    assert min(slots) == 1
