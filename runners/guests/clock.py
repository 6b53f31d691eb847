"""A guest's marks on the host's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tare.runners.agent.clock import ClockMap
    from tare.runners.agent.wire import Hello

RATE_BOUND = 50e-6
"""How much faster or slower than the host's a guest's clock may run. Under TCG and KVM both read the same counter; the
guest knows its rate from a calibration good to some parts in a million, and the host's own is steered by NTP.
Added to the mapping's error for the time between a mark and the mapping."""


def boot_marks(hello: Hello, clock: ClockMap) -> dict[str, int]:
    """``kernel``, ``agent`` and ``ready`` on the host's clock.

    ``kernel`` is zero of the guest's ``CLOCK_MONOTONIC``, as it seems from later. The kernel's timekeeping starts soon
    after its entry, but counts ticks until it chooses a clock source (``clocksource_done_booting``), and ticks
    are lost while interrupts are off. So the mark is never too early, and late by what was lost: a tick or two where
    kernel mode runs on hardware, some 0.5 s under TCG, where patching its own code takes the kernel that long.
    """
    return {
        "kernel": clock.to_host(0),
        "agent": clock.to_host(hello.born_ns),
        "ready": clock.to_host(hello.ready_ns),
    }


def error_seconds(clock: ClockMap, mapped_at_guest_ns: int) -> float:
    """Bound on the error of any mark between the guest's zero and the mapping: the mapping's own, and drift."""
    return (clock.error_ns + RATE_BOUND * mapped_at_guest_ns) / 1e9
