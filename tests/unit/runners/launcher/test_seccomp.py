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
