"""The profiles of QEMU guests: which machine, and by which way it comes to its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tare.runners.guests.boards import Board


PREFIX = "qemu-"
"""Start of the name of every QEMU runner; the profile's name follows."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One step of the ladder of guests."""

    name: str
    board: Board
    start: Literal["direct", "firmware", "restored"]
    """``direct``: QEMU hands the kernel over. ``firmware``: the machine's firmware starts a boot loader from a disk,
    and that reads kernel and initramfs. ``restored``: from a snapshot of a guest that was booted directly before."""
    meaning: str


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("pc", "pc", "firmware", "i440FX: firmware, GRUB from a disk, QEMU's default devices"),
        Profile("q35-firmware", "q35", "firmware", "Q35: firmware, GRUB from a disk, QEMU's default devices"),
        Profile("q35", "q35", "direct", "Q35: direct kernel boot, no default devices"),
        Profile("microvm", "microvm", "direct", "microvm: direct kernel boot, virtio-mmio only"),
        Profile(
            "microvm-restored", "microvm", "restored", "microvm, restored from a snapshot instead of booted"
        ),
        Profile("q35-restored", "q35", "restored", "Q35, restored from a snapshot instead of booted"),
    )
}
"""The ladder, from the plainest up."""
