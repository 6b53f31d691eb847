"""Verify limits from inside: open one place of each runner, untimed, and let its jobs try to exceed them.

A place's context records the limits that were requested and accepted. This module records what jobs meet: the CPUs that
nproc sees, the contents of /proc/meminfo and of cgroup files, and the fate of a job that uses more than it was given.
Each probe is bounded in time and amount, since a place without limits must not harm its host.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from tare.results.environment import CpuProbe, IoProbe, LimitsSeen, MemoryProbe, PidsProbe
from tare.results.said import say
from tare.runners.collectors.base import TICK_SECONDS
from tare.runners.collectors.processes import stat_fields
from tare.runners.errors import TareError
from tare.runners.inside import program
from tare.runners.model import WATCHED, Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.environment import ProbeEnd
    from tare.runners.context import Runner
    from tare.runners.model import JobResult, Limits, Place

MARGIN_BYTES = 64 << 20
"""Amount by which the probe exceeds the memory limit."""
MOST_OF_FREE = 1 / 4
"""Share of the memory free on the host that the probe uses at most: others need the rest."""
MARGIN_PIDS = 16
"""Number by which the probe exceeds the limit of processes."""
SPIN_MS = 250
"""Duration of the CPU probe: two and a half periods of the kernel's quota."""
SPIN_GUEST_MS = 1000
"""Duration of the CPU probe in guests, longer because a VMM's CPU time is read in ticks of 10 ms."""
IO_SECONDS = 0.4
TIMEOUT_SECONDS = 20.0
_CGROUP = "/sys/fs/cgroup/"
_ENDS: Final[tuple[ProbeEnd, ...]] = ("killed", "refused", "held")


def verify(runner: Runner, limits: Limits) -> LimitsSeen:
    """Open a place, verify its limits with :func:`look`, and close it.

    Raises:
        TareError: The place cannot be opened, or is lost.
    """
    began = time.monotonic()
    with runner.open() as place:
        found = look(place, limits)
    return replace(found, seconds=round(time.monotonic() - began, 3))


def look(place: Place, limits: Limits) -> LimitsSeen:
    """Verify the limits of a place.

    In a guest, the guest's kernel kills a job that wants too much memory, and does so below the limit, since the kernel
    itself uses part of it.

    Raises:
        TareError: The program cannot run in the place, or the place is lost.
    """
    seen = _run(place, "see")
    text = seen.stdout.decode("ascii", "replace")
    cpus = [int(line[4:]) for line in text.splitlines() if line.startswith("cpu ") and line[4:].isdigit()]
    if not cpus:
        raise TareError(
            say("limits.look_failed", "the look at the limits from inside failed: {why}", why=_why(seen))
        )
    memory = [line.split() for line in text.splitlines() if "MemTotal:" in line]
    files = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith(_CGROUP) and " " in line)
    guest = place.vantage.vmm
    cpu = _cpu_of_guest if guest else _cpu_inside
    return LimitsSeen(
        cpus=tuple(cpus),
        memory_seen_bytes=int(memory[0][2]) * 1024 if memory else None,
        cgroup_files={path.removeprefix(_CGROUP): value for path, value in files.items()},
        guest=guest,
        cpu=cpu(place, len(cpus)) if len(cpus) > limits.cpus else None,
        memory=_memory(place, limits),
        pids=_pids(_run(place, "pids", limits.pids + MARGIN_PIDS), limits),
        io=_io(place, limits.io_bytes_per_second) if limits.io_bytes_per_second else None,
    )


def _run(place: Place, *words: object) -> JobResult:
    argv = (program(place), "limits", *map(str, words))
    return place.run(Job(argv, timeout_seconds=TIMEOUT_SECONDS))


def _numbers(result: JobResult) -> dict[str, int]:
    lines = (line.partition(" ") for line in result.stdout.decode("ascii", "replace").splitlines())
    return {name: int(value) for name, _, value in lines if value.isdigit()}


def _why(result: JobResult) -> str:
    said = result.stderr.decode("utf-8", "replace").strip()
    return result.error or said or f"exit status {result.exit_code}"


def _cpu_inside(place: Place, cpus: int) -> CpuProbe:
    result = _run(place, "cpu", cpus, SPIN_MS)
    found = _numbers(result)
    if not found.get("wall_ns"):
        return CpuProbe(why=_why(result))
    return CpuProbe(used=round(found.get("cpu_ns", 0) / found["wall_ns"], 2))


def _cpu_of_guest(place: Place, cpus: int) -> CpuProbe:
    """Measure from outside, since a guest counts time in which its VMM waits for a host CPU as its own use."""
    began, before = time.monotonic(), _cpu_seconds(place.vantage.top_pid)
    result = _run(place, "cpu", cpus, SPIN_GUEST_MS)
    after, wall = _cpu_seconds(place.vantage.top_pid), time.monotonic() - began
    if not _numbers(result).get("wall_ns"):
        return CpuProbe(why=_why(result))
    return CpuProbe(used=round((after - before) / wall, 2))


def _cpu_seconds(pid: int) -> float:
    """Sum the CPU time of all threads of a process: ``utime`` and ``stime`` of proc_pid_stat(5)."""
    user, system = stat_fields(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace"))[11:13]
    return (int(user) + int(system)) * TICK_SECONDS


def _memory(place: Place, limits: Limits) -> MemoryProbe:
    free, wanted = available_bytes(), limits.memory_bytes + MARGIN_BYTES
    if wanted > free * MOST_OF_FREE:
        why = say(
            "limits.too_much", "it would use {wanted} MiB, more than a quarter of the {free} MiB that the host has free",
            wanted=wanted >> 20, free=free >> 20,
        )  # fmt: skip
        return MemoryProbe(end="not tried", why=why)
    result = _run(place, "memory", limits.memory_bytes + MARGIN_BYTES)
    found = _numbers(result)
    reached = found.get("reached_bytes")
    watched = place.context.get("memory_limit_by") == WATCHED
    for end in _ENDS:
        if end in found:
            return MemoryProbe(end=end, reached_bytes=reached, by=result.error, watched=watched)
    if result.timed_out:
        why = say("limits.not_through", "it did not finish in {seconds} s", seconds=f"{TIMEOUT_SECONDS:g}")
        return MemoryProbe(end="not tried", reached_bytes=reached, why=why)
    # The limit was enforced by killing the whole job.
    return MemoryProbe(end="killed", reached_bytes=reached, by=_why(result), watched=watched)


def _pids(result: JobResult, limits: Limits) -> PidsProbe:
    found = _numbers(result)
    reached = found.get("reached", 0)
    if "refused" in found:
        return PidsProbe(end="refused", reached=reached, asked=limits.pids)
    if "held" in found:
        return PidsProbe(end="held", reached=reached, asked=limits.pids)
    if "slow" in found:
        why = say("limits.too_slow", "too slow to find out in a second")
        return PidsProbe(end="not tried", reached=reached, asked=limits.pids, why=why)
    return PidsProbe(end="killed", asked=limits.pids, by=_why(result))


def _io(place: Place, rate: int) -> IoProbe:
    wanted = max(round(4 * rate * IO_SECONDS), 1 << 20)
    result = _run(place, "io", place.scratch, wanted, round(IO_SECONDS * 1000))
    found = _numbers(result)
    if not found.get("elapsed_ns"):
        return IoProbe(why=_why(result))
    return IoProbe(bytes_per_second=round(found["written_bytes"] / found["elapsed_ns"] * 1e9))


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the memory that the host can give without swapping (``MemAvailable``)."""
    found: Mapping[str, str] = dict(
        line.split(":", 1) for line in meminfo.read_text("ascii").splitlines() if ":" in line
    )
    return int(found.get("MemAvailable", "0 kB").split()[0]) * 1024
