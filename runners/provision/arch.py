"""Name what is called differently on each architecture: packages, loaders, directories."""

from __future__ import annotations

import platform

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError


class Architecture(msgspec.Struct, frozen=True):
    """One architecture by its different names."""

    machine: str
    """Name in ``uname -m``."""
    debian: str
    """Name in Debian's package archive."""
    multiarch: str
    """Name of Debian's directory of libraries below ``usr/lib``."""
    loader: str
    """Path of glibc's loader below a root."""
    qemu: str
    """Name of QEMU's system emulator."""
    qemu_packages: tuple[str, ...]
    """Debian packages of that emulator."""


X86_64 = Architecture(
    machine="x86_64",
    debian="amd64",
    multiarch="x86_64-linux-gnu",
    loader="lib64/ld-linux-x86-64.so.2",
    qemu="qemu-system-x86_64",
    qemu_packages=("qemu-system-x86",),
)
AARCH64 = Architecture(
    machine="aarch64",
    debian="arm64",
    multiarch="aarch64-linux-gnu",
    loader="lib/ld-linux-aarch64.so.1",
    qemu="qemu-system-aarch64",
    qemu_packages=("qemu-system-arm",),
)


def current() -> Architecture:
    """Name this machine's architecture.

    Raises:
        TareError: it is not supported.
    """
    machine = platform.machine()
    for known in (X86_64, AARCH64):
        if known.machine == machine:
            return known
    raise TareError(say(
        "host.machines", "tare supports x86_64 and aarch64, and this machine is {machine}.",
        machine=machine,
    ))  # fmt: skip
