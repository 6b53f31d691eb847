"""Limits verified from inside: one place of each runner is opened, untimed, and its jobs try what they may use.

What a place's context says of limits is what was asked for and accepted. Here is what jobs meet: the CPUs that nproc
sees, what /proc/meminfo and cgroup files say, and what happens to one who uses more than was given. Each probe is
bounded in time and amount, as a place without limits must not harm its host.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.runners.collectors.base import TICK_SECONDS
from tare.runners.collectors.processes import stat_fields
from tare.runners.errors import TareError
from tare.runners.inside import program
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.context import Runner
    from tare.runners.model import JobResult, Limits, Place

MARGIN_BYTES = 64 << 20
"""How far beyond the memory limit the probe goes, and what must be free beyond that on the host."""
MARGIN_PIDS = 16
SPIN_MS = 250
"""Two and a half periods of the kernel's quota."""
SPIN_GUEST_MS = 1000
"""A VMM's CPU time is read in ticks of 10 ms."""
IO_SECONDS = 0.4
TIMEOUT_SECONDS = 20.0
_CGROUP = "/sys/fs/cgroup/"


def verify(runner: Runner, limits: Limits) -> dict[str, Any]:
    """Open a place, look and try; see :func:`look`. The place is gone afterwards.

    Raises:
        TareError: the place cannot be made, or is lost on the way.
    """
    began = time.monotonic()
    with runner.open() as place:
        found = look(place, limits)
    return {**found, "seconds": round(time.monotonic() - began, 3)}


def look(place: Place, limits: Limits) -> dict[str, Any]:
    """What jobs of a place meet: resource → facts, as JSON has it.

    ``end`` says what became of one who wanted too much: ``refused`` (an error that a program can handle), ``killed``,
    ``held`` (nothing did), ``not tried`` (with ``why``). In a guest its own kernel ends who wants too much memory, and
    before the limit, since that kernel is within it, too.

    Raises:
        TareError: the program cannot be run there, or the place is lost on the way.
    """
    seen = _run(place, "see")
    text = seen.stdout.decode("ascii", "replace")
    cpus = [int(line[4:]) for line in text.splitlines() if line.startswith("cpu ") and line[4:].isdigit()]
    if not cpus:
        raise TareError(f"the look at the limits from inside failed: {_why(seen)}")
    memory = [line.split() for line in text.splitlines() if "MemTotal:" in line]
    files = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith(_CGROUP) and " " in line)
    found: dict[str, Any] = {
        "cpus": cpus,
        "memory_seen_bytes": int(memory[0][2]) * 1024 if memory else None,
        "cgroup_files": {path.removeprefix(_CGROUP): value for path, value in files.items()},
        "guest": place.vantage.vmm,
    }
    if len(cpus) > limits.cpus:
        found["cpu"] = _cpu_of_guest(place, len(cpus)) if place.vantage.vmm else _cpu_inside(place, len(cpus))
    found["memory"] = _memory(place, limits)
    found["pids"] = _pids(_run(place, "pids", limits.pids + MARGIN_PIDS), limits)
    if rate := limits.io_bytes_per_second:
        wanted = max(round(4 * rate * IO_SECONDS), 1 << 20)
        found["io"] = _io(_run(place, "io", place.scratch, wanted, round(IO_SECONDS * 1000)))
    return found


def _run(place: Place, *words: object) -> JobResult:
    argv = (program(place), "limits", *map(str, words))
    return place.run(Job(argv, timeout_seconds=TIMEOUT_SECONDS))


def _numbers(result: JobResult) -> dict[str, int]:
    lines = (line.partition(" ") for line in result.stdout.decode("ascii", "replace").splitlines())
    return {name: int(value) for name, _, value in lines if value.isdigit()}


def _why(result: JobResult) -> str:
    said = result.stderr.decode("utf-8", "replace").strip()
    return result.error or said or f"exit status {result.exit_code}"


def _cpu_inside(place: Place, cpus: int) -> dict[str, Any]:
    result = _run(place, "cpu", cpus, SPIN_MS)
    found = _numbers(result)
    if not found.get("wall_ns"):
        return {"end": "not tried", "why": _why(result)}
    return {"used": round(found.get("cpu_ns", 0) / found["wall_ns"], 2)}


def _cpu_of_guest(place: Place, cpus: int) -> dict[str, Any]:
    """From outside: a guest that waits for its VMM's share of the host counts that as its own use."""
    began, before = time.monotonic(), _cpu_seconds(place.vantage.top_pid)
    result = _run(place, "cpu", cpus, SPIN_GUEST_MS)
    after, wall = _cpu_seconds(place.vantage.top_pid), time.monotonic() - began
    if not _numbers(result).get("wall_ns"):
        return {"end": "not tried", "why": _why(result)}
    return {"used": round((after - before) / wall, 2)}


def _cpu_seconds(pid: int) -> float:
    """Of all threads of a process: ``utime`` and ``stime`` of proc_pid_stat(5)."""
    user, system = stat_fields(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace"))[11:13]
    return (int(user) + int(system)) * TICK_SECONDS


def _memory(place: Place, limits: Limits) -> dict[str, Any]:
    free = available_bytes()
    if free < limits.memory_bytes + 2 * MARGIN_BYTES:
        return {"end": "not tried", "why": f"the host has only {free >> 20} MiB free"}
    result = _run(place, "memory", limits.memory_bytes + MARGIN_BYTES)
    found = _numbers(result)
    reached = {"reached_bytes": found["reached_bytes"]} if "reached_bytes" in found else {}
    for end in ("killed", "refused", "held"):
        if end in found:
            by = {"by": result.error} if result.error else {}
            return {"end": end, **reached, **by}
    if result.timed_out:
        return {"end": "not tried", **reached, "why": f"it was not through in {TIMEOUT_SECONDS:g} s"}
    # Whoever keeps the limit ended the whole job.
    return {"end": "killed", **reached, "by": _why(result)}


def _pids(result: JobResult, limits: Limits) -> dict[str, Any]:
    found = _numbers(result)
    for end in ("refused", "held", "slow"):
        if end in found:
            why = {"why": "too slow to find out in a second"} if end == "slow" else {}
            name = "not tried" if end == "slow" else end
            return {"end": name, "reached": found.get("reached", 0), "asked": limits.pids, **why}
    return {"end": "killed", "asked": limits.pids, "by": _why(result)}


def _io(result: JobResult) -> dict[str, Any]:
    found = _numbers(result)
    if not found.get("elapsed_ns"):
        return {"end": "not tried", "why": _why(result)}
    return {"bytes_per_second": round(found["written_bytes"] / found["elapsed_ns"] * 1e9)}


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that the host can give without swapping."""
    found: Mapping[str, str] = dict(
        line.split(":", 1) for line in meminfo.read_text("ascii").splitlines() if ":" in line
    )
    return int(found.get("MemAvailable", "0 kB").split()[0]) * 1024
