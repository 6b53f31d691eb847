"""Define the profiles of QEMU guests: the machine, and the way in which it gets to its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tare.runners.guests.boards import Board


PREFIX = "qemu-"
"""Start of the name of every QEMU runner; the profile's name follows."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Machine and start of a guest. ``docs/guests.md`` compares them."""

    name: str
    """Name of the runner without :data:`PREFIX`."""
    board: Board
    start: Literal["direct", "firmware", "restored"]
    """``direct``: QEMU loads the kernel, and there are no default devices. ``firmware``: the machine's firmware starts
    GRUB from a disk, which loads kernel and initramfs; QEMU's default devices are there. ``restored``: from a snapshot
    of a guest that was booted directly before."""


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("pc", "pc", "firmware"),
        Profile("q35-firmware", "q35", "firmware"),
        Profile("q35", "q35", "direct"),
        Profile("microvm", "microvm", "direct"),
        Profile("microvm-restored", "microvm", "restored"),
        Profile("q35-restored", "q35", "restored"),
    )
}
"""Name → profile, from the most conventional machine to the leanest."""
