"""Build the containers' system call filter as classic BPF.

It follows Docker's default profile for a container without extra capabilities (moby, ``profiles/seccomp``), but lists
the denied calls instead of the allowed ones: a workload that runs under Docker must not fail because of our filter.
``ptrace`` is allowed there, too: it ends at the pid namespace.

The filter is a binary search over system call numbers. On installation the kernel runs it once for every number, to
learn which are always allowed (``seccomp_cache_prepare``), so its depth is part of the start-up time.
"""

from __future__ import annotations

import errno
import functools
import platform
import struct
from typing import Final

import msgspec

DENIED: Final = {
    # name: (x86-64, aarch64); None: the architecture has no such call
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}
"""Calls that are answered with EPERM."""

CLONE3: Final = 435
"""Number of clone3(2), answered with ENOSYS: no filter can read its flags from memory; libc falls back to clone."""

NEW_NAMESPACE: Final = 0x7E020000
"""All ``CLONE_NEW*`` flags that clone(2) takes."""

VSOCK: Final = 40
"""``AF_VSOCK``, denied to socket(2): in a virtual machine it leads past the net namespace to the hypervisor."""

PERSONALITIES: Final = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Allowed arguments of personality(2): Linux, 32 bits, an old release's name, and the query for the present one."""

OTHER_PERSONALITIES: Final = tuple(1 << bit for bit in range(32) if bit not in {3, 17})
"""Bits by which tools that only compare masks deny the other personalities; they deny the query, too."""


class Architecture(msgspec.Struct, frozen=True):
    """The numbers of a machine's system call ABI."""

    audit: int
    """``AUDIT_ARCH_*`` of linux/audit.h."""
    column: int
    """Index in the values of :data:`DENIED`."""
    clone: int
    socket: int
    personality: int
    numbers_end: int
    """First number beyond this ABI (x86-64: where x32 begins)."""


ARCHITECTURES: Final = {
    "x86_64": Architecture(0xC000003E, 0, 56, 41, 135, 0x40000000),
    "aarch64": Architecture(0xC00000B7, 1, 220, 198, 92, 0x40000000),
}

# linux/filter.h, linux/seccomp.h
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_DENY = _ERRNO | errno.EPERM
_ABSENT = _ERRNO | errno.ENOSYS

Instruction = tuple[int, int, int, int]
"""``struct sock_filter``: code, jump if true, jump if false, constant."""


@functools.cache
def build_filter(machine: str = "") -> bytes:
    """Build the filter for a machine (this one by default), ready for ``SECCOMP_SET_MODE_FILTER``.

    Raises:
        KeyError: the machine is not among :data:`ARCHITECTURES`.
    """
    arch = ARCHITECTURES[machine or platform.machine()]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, arch.audit),
        (_RETURN, 0, 0, _DENY),  # another ABI's numbers would mean other calls
        (_LOAD, 0, 0, _NUMBER_AT),
        *_search(_ranges(arch)),
    ]
    return b"".join(struct.pack("=HBBI", *one) for one in program)


def denied_names(machine: str = "") -> list[str]:
    """List the calls that :func:`build_filter` always denies with EPERM, for tools that take names.

    Such tools need further rules: ENOSYS for ``clone3``, and :func:`denied_arguments`.
    """
    column = ARCHITECTURES[machine or platform.machine()].column
    return sorted(name for name, numbers in DENIED.items() if numbers[column] is not None)


class DeniedArgument(msgspec.Struct, frozen=True):
    """A value of a call's first argument with which the call is denied with EPERM."""

    call: str
    value: int
    mask: int
    """Bits of the argument to compare; 0: all of them."""


def denied_arguments() -> list[DeniedArgument]:
    """List the rules of :func:`build_filter` that look at arguments, for tools that take rules."""
    namespaces = [1 << bit for bit in range(32) if NEW_NAMESPACE >> bit & 1]
    return [
        *(DeniedArgument("clone", flag, flag) for flag in namespaces),
        DeniedArgument("socket", VSOCK, 0),
        *(DeniedArgument("personality", bit, bit) for bit in OTHER_PERSONALITIES),
    ]


_Code = tuple[Instruction, ...]
_RETURN_ALLOW: Final[_Code] = ((_RETURN, 0, 0, _ALLOW),)
_RETURN_DENY: Final[_Code] = ((_RETURN, 0, 0, _DENY),)
_RETURN_ABSENT: Final[_Code] = ((_RETURN, 0, 0, _ABSENT),)
_CHECK_CLONE: Final[_Code] = (
    (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
    (_JUMP_SET, 0, 1, NEW_NAMESPACE),
    *_RETURN_DENY,
    *_RETURN_ALLOW,
)
_CHECK_SOCKET: Final[_Code] = (
    (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
    (_JUMP_EQUAL, 0, 1, VSOCK),
    *_RETURN_DENY,
    *_RETURN_ALLOW,
)
_CHECK_PERSONALITY: Final[_Code] = (
    (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
    *((_JUMP_EQUAL, len(PERSONALITIES) - place, 0, value) for place, value in enumerate(PERSONALITIES)),
    *_RETURN_DENY,
    *_RETURN_ALLOW,
)


def _ranges(arch: Architecture) -> list[tuple[int, _Code]]:
    """List (first number, what is done from there on), sorted and without needless borders."""
    special = {numbers[arch.column]: _RETURN_DENY for numbers in DENIED.values()}
    special |= {CLONE3: _RETURN_ABSENT, arch.clone: _CHECK_CLONE}
    special |= {arch.socket: _CHECK_SOCKET, arch.personality: _CHECK_PERSONALITY}
    borders = {0: _RETURN_ALLOW}
    for number in sorted(number for number in special if number is not None):
        borders[number] = special[number]
        borders.setdefault(number + 1, _RETURN_ALLOW)
    borders[arch.numbers_end] = _RETURN_DENY
    ranges: list[tuple[int, _Code]] = []
    for first in sorted(borders):
        if not ranges or ranges[-1][1] != borders[first]:
            ranges.append((first, borders[first]))
    return ranges


def _search(ranges: list[tuple[int, _Code]]) -> list[Instruction]:
    """Build a balanced tree of comparisons over the ranges' borders."""
    if len(ranges) == 1:
        return list(ranges[0][1])
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    return [(_JUMP_AT_LEAST, len(below), 0, ranges[middle][0]), *below, *above]
