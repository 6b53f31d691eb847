"""Set the limits of control groups in the files of v1 and v2, and read them back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tare.runners.host.cgroups.files import read, write
from tare.runners.host.cpuinfo import parse_cpu_list

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tare.runners.model import Limits

CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io")
"""Controllers that limits are set with, by their names of v2; ``io`` is ``blkio`` on v1."""

CPU_PERIOD_MICROSECONDS = 100_000

V1_IO = "reads, direct and synchronous writes"
"""I/O that limits cover on v1, which charges the write-back of cached pages to nobody."""
V2_IO = "reads and writes"
"""I/O that limits cover on v2."""

_UNLIMITED = 1 << 62
"""v1 says "no limit" with the largest multiple of a page."""

SWAP_FILES = ("memory.memsw.limit_in_bytes", "memory.swap.max")
"""Files that are absent without swap accounting; swap is not limited then."""


def limit_files(controller: str, version: int, limits: Limits, disk: str) -> tuple[tuple[str, str], ...]:
    """List the files by which one controller limits, and what to write into them, in order.

    Args:
        controller: its name in that version.
        version: 1 or 2.
        limits: the limits to set.
        disk: ``major:minor`` of the disk that I/O limits are for; empty: do not limit I/O.
    """
    memory, quota = str(limits.memory_bytes), limits.cpus * CPU_PERIOD_MICROSECONDS
    rates = io_rates(limits) if disk else {}
    ways = ("read", "write")
    files = {
        ("memory", 1): [("memory.limit_in_bytes", memory), (SWAP_FILES[0], memory)],
        ("memory", 2): [("memory.max", memory), (SWAP_FILES[1], "0")],
        ("cpu", 1): [("cpu.cfs_period_us", str(CPU_PERIOD_MICROSECONDS)), ("cpu.cfs_quota_us", str(quota))],
        ("cpu", 2): [("cpu.max", f"{quota} {CPU_PERIOD_MICROSECONDS}")],
        ("blkio", 1): [
            (f"blkio.throttle.{way}_{kind}_device", f"{disk} {rate}")
            for kind, rate in rates.items()
            for way in ways
        ],
        ("io", 2): [("io.max", f"{disk} " + " ".join(f"r{k}={n} w{k}={n}" for k, n in rates.items()))]
        * bool(rates),
        ("pids", version): [("pids.max", str(limits.pids))],
        ("cpuset", version): [("cpuset.cpus", ",".join(map(str, limits.cpuset)))] * bool(limits.cpuset),
    }
    return tuple(files.get((controller, version), ()))


def limit_writes(
    version: int, controllers: Iterable[str], limits: Limits, disk: str
) -> tuple[tuple[tuple[str, str], ...], dict[str, Any]]:
    """List the files that set a cgroup's limits, each with what is written into it, and the limits that they set.

    The latter have the keys of :attr:`Cgroup.achieved`.
    """
    meanings: dict[str, tuple[str, Any]] = {
        "memory": ("memory_bytes", limits.memory_bytes),
        "pids": ("pids", limits.pids),
        "cpu": ("cpus", limits.cpus),
        "cpuset": ("cpuset", list(limits.cpuset)),
    }
    io = ("io", {"disk": disk, **io_rates(limits), "of": V1_IO if version == 1 else V2_IO})
    found = {one: limit_files(one, version, limits, disk) for one in sorted(controllers)}
    achieved = dict(meanings.get(one, io) for one, files in found.items() if files)
    return tuple(pair for files in found.values() for pair in files), achieved


def write_limits(folder: Path, writes: Iterable[tuple[str, str]]) -> None:
    """Set the limits of one cgroup.

    Raises:
        OSError: the kernel refuses a limit.
    """
    for name, text in writes:
        file = f"{folder}/{name}"  # joining paths would cost more than the kernel does
        if name not in SWAP_FILES or os.path.exists(file):  # noqa: PTH110 - see above
            write(file, text)


def io_rates(limits: Limits) -> dict[str, int]:
    """Give the rates that are limited: ``bps``, bytes per second, and ``iops``, requests per second."""
    rates = {"bps": limits.io_bytes_per_second, "iops": limits.io_operations_per_second}
    return {kind: rate for kind, rate in rates.items() if rate}


def limits_of(folder: Path) -> dict[str, Any]:
    """Read the limits of one cgroup, v1 or v2, with the keys of :attr:`Cgroup.achieved`; "no limit" is left out.

    Only ``folder`` itself is read: the limits of the folders above apply to all places alike.
    """
    found: dict[str, Any] = {}
    for key, files in (
        ("memory_bytes", ("memory.max", "memory.limit_in_bytes")),
        ("pids", ("pids.max",)),
    ):
        for file in files:
            value = read(folder / file)
            if value.isdecimal() and int(value) < _UNLIMITED:
                found[key] = int(value)
    quota, _, period = read(folder / "cpu.max").partition(" ")
    if not period:
        quota, period = read(folder / "cpu.cfs_quota_us"), read(folder / "cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period):
        cpus = int(quota) / int(period)
        found["cpus"] = int(cpus) if cpus.is_integer() else cpus
    if cpuset := read(folder / "cpuset.cpus"):
        numbers = parse_cpu_list(cpuset)
        if len(numbers) < (os.cpu_count() or 1):
            found["cpuset"] = numbers
    if io := _io_limits(folder):
        found["io"] = io
    return found


def _io_limits(folder: Path) -> dict[str, Any]:
    """Read the rates to which both reads and writes of one disk are limited; empty if there are none."""
    old = (folder / "blkio.throttle.read_bps_device").exists()
    found: dict[str, Any] = {}
    for kind in ("bps", "iops"):
        limits = {_io_limit(folder, way, kind) for way in ("read", "write")}
        limit = limits.pop()
        if limit and not limits:
            found |= {"disk": limit[0], kind: limit[1]}
    return found | {"of": V1_IO if old else V2_IO} if found else {}


def _io_limit(folder: Path, way: str, kind: str) -> tuple[str, int] | None:
    """Find the first disk with a limit of this kind, and its rate."""
    for line in read(folder / f"blkio.throttle.{way}_{kind}_device").splitlines():
        disk, rate = line.split()
        return disk, int(rate)
    for line in read(folder / "io.max").splitlines():
        disk, *pairs = line.split()
        rate = dict(pair.split("=") for pair in pairs).get(f"{way[0]}{kind}", "max")
        if rate != "max":
            return disk, int(rate)
    return None
