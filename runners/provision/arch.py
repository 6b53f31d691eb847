"""What differs between the architectures: names of packages, loaders and directories."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from tare.runners.errors import TareError


@dataclass(frozen=True, slots=True)
class Architecture:
    """One machine type, in the words of those who name it differently."""

    machine: str
    """As ``uname -m`` says it."""
    debian: str
    multiarch: str
    """Debian's directory of libraries below ``usr/lib``."""
    loader: str
    """The C library's loader, below a root."""
    qemu: str
    """The system emulator."""
    qemu_packages: tuple[str, ...]


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
    """This machine's.

    Raises:
        TareError: it is neither of the two that the suite knows.
    """
    machine = platform.machine()
    for known in (X86_64, AARCH64):
        if known.machine == machine:
            return known
    raise TareError(f"tare knows x86_64 and aarch64, and this machine is {machine}.")
