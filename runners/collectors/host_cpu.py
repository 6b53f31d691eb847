"""Read from outside how much CPU time the host spends on a job, in nanoseconds.

The place's cgroup counts everything in it, processes that have ended included: ``cpuacct.usage`` on v1 (ns), ``usage_usec``
of ``cpu.stat`` on v2 (truncated to 1 µs). The agent is in the cgroup, too; what it used by its own process clock is
subtracted and recorded. A VMM without a cgroup is read by its process clock, which counts threads that have ended. All
of these come from the scheduler's exact accounting (``sum_exec_runtime``), not from sampling at ticks.

The scheduler brings a thread's count up to date whenever it leaves the CPU, and at ticks. So a VMM is read while all of
its threads sleep.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from tare.runners.model import HostCpu

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.model import JobResult, Vantage

MICROSECOND = 1e-6
CLOCK_MONOTONIC_COARSE = 6
"""Clock that advances once in a tick (time.h); its resolution is the tick's length."""
SLEEP_SECONDS = 0.02
"""Longest wait for a VMM's threads to sleep."""
RUSAGE_ERROR_SECONDS = 5e-4
"""Bound for ``struct rusage`` of a job with up to a dozen threads and processes: user and system time are
truncated to 1 µs each, and the last steps of each thread's exit come after its time is added up (1 to 35 µs)."""
_TRIES = 50
"""Attempts to read a cgroup while its agent's clock stands still."""


class _Reading(msgspec.Struct, frozen=True):
    seconds: float
    agent_seconds: float | None
    error_seconds: float


class HostCpuMeter:
    """Measure the CPU time of one job after the other in a place that stays open. The files are kept open."""

    def __init__(self, vantage: Vantage, cpu_seconds: Callable[[int], float] | None = None) -> None:
        """Open the counters.

        Args:
            vantage: the place.
            cpu_seconds: reads the clock of a process; only tests pass one.
        """
        self._vantage = vantage
        self._cpu_seconds = cpu_seconds or process_seconds
        self._unified = False
        self._file = -1
        with suppress(OSError):
            if account := vantage.cgroups.get("cpuacct"):
                self._file = os.open(account / "cpuacct.usage", os.O_RDONLY | os.O_CLOEXEC)
            elif unified := vantage.cgroups.get("unified"):
                self._unified = True
                self._file = os.open(unified / "cpu.stat", os.O_RDONLY | os.O_CLOEXEC)
        self._before: _Reading | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files that the counters are read from."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def begin(self) -> None:
        """Read the counters before a job begins."""
        self._before = self._read()

    def end(self) -> HostCpu | None:
        """Read after the job; ``None`` if this place cannot be measured from outside."""
        before, after = self._before, self._read()
        self._before = None
        if before is None or after is None or (before.agent_seconds is None) != (after.agent_seconds is None):
            return None
        total = after.seconds - before.seconds
        agent = (
            None
            if before.agent_seconds is None or after.agent_seconds is None
            else after.agent_seconds - before.agent_seconds
        )
        seconds = total - (agent or 0.0)
        if seconds < 0:
            return None
        return HostCpu(
            seconds=seconds,
            error_seconds=before.error_seconds + after.error_seconds,
            source="cgroup" if self._file >= 0 else "process",
            of_job=agent is not None,
            agent_seconds=agent,
        )

    def _read(self) -> _Reading | None:
        try:
            if self._vantage.vmm:
                return self._read_vmm()
            if self._file < 0:
                return None
            if not self._vantage.agent_pid:
                return _Reading(self._cgroup_seconds(), None, self._resolution)
            return self._read_beside_agent(self._vantage.agent_pid)
        except (OSError, ValueError):
            return None

    def _read_vmm(self) -> _Reading:
        running = _wait_for_sleep(self._vantage.top_pid)
        if self._file >= 0:
            seconds, resolution = self._cgroup_seconds(), self._resolution
        else:
            seconds, resolution = self._cpu_seconds(self._vantage.top_pid), 0.0
        return _Reading(seconds, None, resolution + running * time.clock_getres(CLOCK_MONOTONIC_COARSE))

    def _read_beside_agent(self, pid: int) -> _Reading:
        """Read cgroup and agent at one moment: the agent may still be on its way back to sleep."""
        earlier = self._cpu_seconds(pid)
        for _ in range(_TRIES):
            seconds = self._cgroup_seconds()
            later = self._cpu_seconds(pid)
            if later == earlier:
                break
            apart, earlier = later - earlier, later
        else:
            return _Reading(seconds, later, self._resolution + apart)
        return _Reading(seconds, later, self._resolution)

    @property
    def _resolution(self) -> float:
        # Each of two readings is truncated, so their difference may be wrong by one unit in all.
        return MICROSECOND / 2 if self._unified else 0.0

    def _cgroup_seconds(self) -> float:
        text = os.pread(self._file, 128, 0)
        if not self._unified:
            return int(text) / 1e9
        key, value = text.split(b"\n", 1)[0].split()
        if key != b"usage_usec":
            raise ValueError(f"cpu.stat begins with {key!r}")
        return int(value) / 1e6


def cpu_by_rusage(result: JobResult) -> HostCpu | None:
    """Take the CPU time of a job on this host's kernel from what the agent reaped; ``None`` for the null job.

    The kernel scales user and system time so that their sum is the scheduler's exact one (``cputime_adjust`` in
    kernel/sched/cputime.c). Children that nobody waits for because their parent ignores SIGCHLD are in no rusage; only a
    cgroup counts them.
    """
    if result.usage is None:
        return None
    seconds = result.usage.user_seconds + result.usage.system_seconds + result.orphan_seconds
    return HostCpu(seconds=seconds, error_seconds=RUSAGE_ERROR_SECONDS, source="rusage", of_job=True)


def process_seconds(pid: int) -> float:
    """Read a process' CPU clock: all of its threads, those that have ended included; see clock_getcpuclockid(3).

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9


def _wait_for_sleep(pid: int) -> int:
    """Wait until no thread of a process is running; return how many still are after :data:`SLEEP_SECONDS`."""
    deadline = time.monotonic() + SLEEP_SECONDS
    tasks = Path(f"/proc/{pid}/task")
    while True:
        running = sum(map(_runs, tasks.iterdir()))
        if not running or time.monotonic() > deadline:
            return running
        time.sleep(0.0002)


def _runs(task: Path) -> bool:
    try:
        stat = (task / "stat").read_bytes()
    except OSError:  # it has ended
        return False
    return stat.rpartition(b")")[2].split()[:1] == [b"R"]
