"""The filter's every decision, by a small interpreter of classic BPF."""

import errno
import struct

import pytest

from tare.runners.launcher.seccomp import ARCHITECTURES, CLONE3, DENIED, build_filter

ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS


def decide(program: bytes, audit: int, number: int, argument: int = 0) -> int:
    data = struct.pack("=IIQ6Q", number, audit, 0, argument, 0, 0, 0, 0, 0)
    accumulator = at = 0
    code = list(struct.iter_unpack("=HBBI", program))
    while True:
        operation, if_true, if_false, constant = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, constant)[0]
        elif operation == 0x06:
            return constant
        else:
            holds = {
                0x15: accumulator == constant,
                0x35: accumulator >= constant,
                0x45: bool(accumulator & constant),
            }[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_number_gets_its_answer(machine):
    arch = ARCHITECTURES[machine]
    program = build_filter(machine)
    denied = {numbers[arch.column] for numbers in DENIED.values()}
    for number in range(600):
        expected = EPERM if number in denied else ENOSYS if number == CLONE3 else ALLOW
        assert decide(program, arch.audit, number) == expected, number
    assert decide(program, arch.audit, 0x40000000 + 1) == EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_clone_may_make_threads_but_no_namespaces(machine):
    arch = ARCHITECTURES[machine]
    program = build_filter(machine)
    assert decide(program, arch.audit, arch.clone, 0x3D0F00) == ALLOW
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(program, arch.audit, arch.clone, flag | 17) == EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_another_abi_is_denied(machine):
    assert decide(build_filter(machine), 0x40000003, 1) == EPERM


def test_the_search_is_shallow():
    """Its depth is paid for every system call number at installation."""
    program = build_filter("x86_64")
    assert len(program) // 8 < 256
    tree = [code for code in struct.iter_unpack("=HBBI", program) if code[0] == 0x35]
    assert len(tree) < 128


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_no_socket_leads_to_the_hypervisor(machine):
    arch = ARCHITECTURES[machine]
    program = build_filter(machine)
    assert decide(program, arch.audit, arch.socket, 40) == EPERM
    for family in (1, 2, 10, 16, 17, 39, 41):
        assert decide(program, arch.audit, arch.socket, family) == ALLOW


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_only_harmless_personalities_are_taken(machine):
    arch = ARCHITECTURES[machine]
    program = build_filter(machine)
    for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert decide(program, arch.audit, arch.personality, value) == ALLOW
    # READ_IMPLIES_EXEC, ADDR_NO_RANDOMIZE, another system, and mixtures
    for value in (0x400000, 0x40000, 0x1, 0x440008, 0xFFFFFFFE):
        assert decide(program, arch.audit, arch.personality, value) == EPERM


DOCKER_DENIES = """
acct add_key bpf clock_settime clone3 create_module delete_module fanotify_init finit_module fsconfig
fsmount fsopen fspick get_kernel_syms get_mempolicy init_module ioperm iopl kcmp kexec_file_load
kexec_load keyctl lookup_dcookie mbind migrate_pages mount mount_setattr move_mount move_pages nfsservctl
open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise query_module quotactl
quotactl_fd reboot request_key set_mempolicy set_mempolicy_home_node setdomainname sethostname setns
settimeofday swapoff swapon sysfs syslog umount2 unshare uselib userfaultfd ustat vhangup
"""
"""Calls on x86-64 that Docker's default profile (moby 25) denies a container without extra capabilities."""

DIFFERENCES = {
    "io_uring_enter": "denied by Docker since 25.0.0, when its default profile took the three out",
    "io_uring_register": "as io_uring_enter",
    "io_uring_setup": "as io_uring_enter",
}
"""Denied here and not in :data:`DOCKER_DENIES`, or the other way round → why."""


def test_what_docker_denies_is_denied():
    ours = {name for name, numbers in DENIED.items() if numbers[0] is not None} | {"clone3"}
    assert ours ^ set(DOCKER_DENIES.split()) == set(DIFFERENCES)
