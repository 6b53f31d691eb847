"""Turn the inside view into metrics: what the kernel charged to the job, as the agent read it by ``wait4``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.record import CPU_TIME, Metric
from tare.runners.agent.wire import GUEST_TICK_SECONDS

if TYPE_CHECKING:
    from tare.results.record import Direction
    from tare.runners.model import Usage


def steal_metric(seconds: float) -> Metric:
    """Make the metric of steal time as counted by the guest kernel (10 ms ticks) during the job."""
    return Metric(
        name="cpu.steal", value=seconds, unit="s", direction="lower", clock="guest-monotonic", source="agent",
        error=GUEST_TICK_SECONDS,
    )  # fmt: skip


def usage_metrics(usage: Usage, source: str = "agent") -> tuple[Metric, ...]:
    """Make a metric of each counter of ``struct rusage`` that Linux maintains (getrusage(2)).

    In a guest they are counted by the guest's kernel: its CPU seconds include time that the host took away.
    """

    def of(name: str, value: float, unit: str, clock: str = "", direction: Direction = "lower") -> Metric:
        return Metric(name=name, value=value, unit=unit, direction=direction, clock=clock, source=source)

    return (
        # The kernel counts the sum in ns and splits it by sampling at its ticks, so only the sum is exact.
        of(CPU_TIME, usage.user_seconds + usage.system_seconds, "s", "cpu-time"),
        of("cpu.user", usage.user_seconds, "s", "cpu-time"),
        of("cpu.system", usage.system_seconds, "s", "cpu-time"),
        of("memory.peak_rss", usage.peak_rss_bytes, "bytes"),
        of("faults.minor", usage.minor_faults, "count"),
        of("faults.major", usage.major_faults, "count"),
        # rusage counts in units of 512 bytes, whatever the device's block is.
        of("io.read", usage.read_blocks * 512, "bytes"),
        of("io.write", usage.write_blocks * 512, "bytes"),
        of("switches.voluntary", usage.voluntary_switches, "count"),
        of("switches.involuntary", usage.involuntary_switches, "count"),
    )
