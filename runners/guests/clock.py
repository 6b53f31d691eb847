"""Map a guest's marks to the host's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tare.runners.agent.clock import ClockMap
    from tare.runners.agent.wire import Hello

RATE_BOUND = 50e-6
"""Bound on the difference between the rates of a guest's clock and the host's. Under TCG and KVM both read the same
counter; the guest knows its rate from a calibration good to a few parts in a million, and NTP steers the host's clock.
It is added to the mapping's error for the time between a mark and the mapping."""


KERNEL_MARK = "zero of the guest's clock; late by timer ticks lost in early boot"
"""Definition of the mark ``kernel``, for the record."""


def boot_marks(hello: Hello, clock: ClockMap) -> dict[str, int]:
    """Map ``kernel``, ``agent`` and ``ready`` to the host's clock.

    ``kernel`` is zero of the guest's ``CLOCK_MONOTONIC``, extrapolated backwards. The kernel's timekeeping starts soon
    after entry but counts ticks until it selects a clock source (``clocksource_done_booting``), and ticks are lost
    while interrupts are off. So the mark is never early, and late by the lost ticks: one or two if kernel mode runs on
    hardware, about 0.5 s under TCG, where the kernel takes that long to patch its own code.
    """
    return {
        "kernel": clock.to_host(0),
        "agent": clock.to_host(hello.born_ns),
        "ready": clock.to_host(hello.ready_ns),
    }


def error_seconds(clock: ClockMap, mapped_at_guest_ns: int) -> float:
    """Bound the error in seconds of any mark between the guest's zero and the mapping: the mapping's own, and drift."""
    return (clock.error_ns + RATE_BOUND * mapped_at_guest_ns) / 1e9
