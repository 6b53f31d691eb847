"""Describe how a guest is configured, apart from its board."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

Cache = Literal["writeback", "none", "writethrough"]
Aio = Literal["threads", "io_uring", "native"]
Console = Literal["panics", "all", "none"]
Mode = Literal["none", "user", "passt", "tap", "vhost"]
"""Back end of the network card; ``none``: the guest has no card."""


@dataclass(frozen=True, slots=True)
class GuestVariant:
    """Configuration of a guest. Each default is what the profile has by itself."""

    plain: bool = False
    """Boot like ``qemu-system-x86_64 -kernel vmlinuz -initrd … -append quiet``: compressed kernel, compressed initramfs,
    QEMU's default devices and CPU model."""
    cpus: int = 0
    """Number of vCPUs; 0: the CPUs that the limits allow."""
    pin: bool = False
    """Pin each vCPU's thread to one host CPU, round robin."""
    cpu: Literal["", "host", "max", "default"] = ""
    """CPU model. Empty: the user's setting, else ``host`` under KVM and ``max`` under TCG. ``default``: QEMU's own."""
    hugetlb: bool = False
    """Back guest memory with huge pages that the host has reserved."""
    prealloc: bool = False
    """Allocate all guest memory before the guest starts."""
    balloon: bool = False
    """Add a balloon with free-page reporting, which returns memory the guest frees to the host."""
    cache: Cache = "writeback"
    """Cache mode of the disks. ``writeback``: the host's page cache, and a guest's flush is the host's ``fdatasync``.
    ``none``: bypass the page cache, flush likewise. ``writethrough``: flush every write. ``unsafe`` is not offered
    because it ignores flushes."""
    aio: Aio = "threads"
    """How QEMU does disk I/O."""
    iothread: bool = False
    """Serve the scratch disk from a dedicated thread."""
    console: Console = "panics"
    """Kernel messages on the serial console; ``none``: the guest has no serial port."""
    net: Mode = "none"

    @property
    def name(self) -> str:
        """Spell the variant as the words of a runner's name; empty for the plain profile."""
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                words.append(field.name if value is True else f"{field.name}={value}")
        return "+".join(words)
