"""Turn the inside view into metrics: what the kernel charged to the job, as the agent read it by ``wait4``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.record import CPU_TIME, HOST_CPU_TIME, INSTRUCTIONS_USER, WAIT_TIME, WORKING_TIME, Metric
from tare.results.said import say
from tare.runners.agent.wire import GUEST_TICK_SECONDS

if TYPE_CHECKING:
    from tare.results.record import Direction
    from tare.runners.model import HostCpu, JobResult, Usage


def steal_metric(seconds: float) -> Metric:
    """Make the metric of steal time as counted by the guest kernel (10 ms ticks) during the job."""
    return Metric(
        name="cpu.steal", value=seconds, unit="s", direction="lower", clock="guest-monotonic", source="agent",
        error=GUEST_TICK_SECONDS,
    )  # fmt: skip


MEASURED_SHARE = 0.99
"""Share of a job's CPU time that its first thread must have used, for that thread's waiting to be the job's."""


def host_cpu_metrics(host_cpu: HostCpu) -> tuple[Metric, ...]:
    """Make the metric of the CPU time that the host spent on the job, and one of the agent's share that is not in it."""
    cpu = Metric(
        name=HOST_CPU_TIME, value=host_cpu.seconds, unit="s", direction="lower", clock="cpu-time",
        source=host_cpu.source, error=host_cpu.error_seconds,
    )  # fmt: skip
    if host_cpu.agent_seconds is None:
        return (cpu,)
    agent = Metric(
        name="cpu.agent", value=host_cpu.agent_seconds, unit="s", direction="none", clock="cpu-time",
        source="process",
    )  # fmt: skip
    return cpu, agent


def wait_metrics(result: JobResult, *, guest: bool) -> tuple[tuple[Metric, ...], str]:
    """Make the metrics of waiting for a CPU; return them, or the reason why there are none.

    In a guest its own kernel counts, which does not see when the host runs something else. So there is no wall time less
    waiting; the delay of the vCPUs' threads, seen from outside, is a metric of its own (``vmm.delay.vcpu``).
    """
    thread, usage = result.first_thread, result.usage
    if usage is None:
        return (), ""
    if thread is None:
        return (), say("collector.no_schedstat", "the place has no /proc/PID/schedstat")
    total = usage.user_seconds + usage.system_seconds + result.orphan_seconds
    if result.host_cpu is not None and result.host_cpu.of_job:
        total = max(total, result.host_cpu.seconds)
    if thread.cpu_seconds < MEASURED_SHARE * total:
        share = thread.cpu_seconds / total
        return (), say(
            "collector.first_thread",
            "the first thread did {share} of the work, and the kernel forgets how long others waited",
            share=f"{share:.0%}",
        )
    clock = "guest-monotonic" if guest else "host-monotonic"
    wait = Metric(
        name=WAIT_TIME, value=thread.wait_seconds, unit="s", direction="none", clock=clock, source="agent"
    )
    if result.host_cpu is None or not result.host_cpu.of_job:
        return (wait,), ""
    working = result.inside_seconds - thread.wait_seconds
    return (
        wait,
        Metric(name=WORKING_TIME, value=working, unit="s", direction="lower", clock=clock, source="agent"),
    ), ""


def instruction_metrics(result: JobResult) -> tuple[Metric, ...]:
    """Make the metric of a job's instructions in user mode, where the processor counted them."""
    if result.counted is None:
        return ()
    return (
        Metric(name=INSTRUCTIONS_USER, value=result.counted, unit="count", direction="lower", source="pmu"),
    )


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
