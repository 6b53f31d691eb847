"""Which cgroups a process is in and what they limit, read from outside: for places whose cgroups somebody else made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.runners.host.cgroups import UNIFIED, V1_IO, V2_IO, Cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.runners.host.cgroups import Cgroups, Hierarchy

_UNLIMITED = 1 << 62
"""v1 says "no limit" with the largest multiple of a page."""


def cgroups_of(pid: int, cgroups: Cgroups, run: str, name: str, *, proc: Path = Path("/proc")) -> Cgroup:
    """The cgroups of a process, with the limits that are in force in them.

    A cgroup in which others are as well is not the place's and left out, for what is in it may be killed and is
    counted: an engine's daemon, if the engine does not use that hierarchy, or the suite itself. One that carries the
    run's name is the suite's own making.

    Args:
        pid: the place's agent, which has no job now.
        cgroups: this host's.
        run: whose place it is; becomes :attr:`Cgroup.run`.
        name: of the place.
        proc: where /proc is.
    """
    made = Cgroup(run, name, version=cgroups.version)
    for one, folder in where(pid, cgroups, proc=proc):
        if not (f"tare-{run}" in folder.parts or _alone(folder, pid)):
            continue
        if one.version == 2:
            made.folders[UNIFIED] = folder
            made.controllers |= _words(folder / "cgroup.controllers")
        else:
            made.folders |= dict.fromkeys(sorted(one.controllers), folder)
            made.controllers |= one.controllers
        made.achieved |= limits_of(folder)
    return made


def where(pid: int, cgroups: Cgroups, *, proc: Path = Path("/proc")) -> Iterator[tuple[Hierarchy, Path]]:
    """The cgroups of a process, whoever else is in them, as far as they are mounted here."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    paths = {}
    for line in lines:
        number, names, path = line.split(":", 2)
        for controller in names.split(",") if number != "0" else [""]:
            paths[controller] = path
    for one in cgroups.hierarchies:
        folder = _folder(one, paths.get("" if one.version == 2 else min(one.controllers)))
        if folder is not None:
            yield one, folder


def foretold(cgroups: Cgroups, run: str, name: str) -> Cgroup:
    """The cgroups that a runtime makes at the path ``/tare-<run>/<name>`` of every hierarchy it may use."""
    made = Cgroup(run, name, version=cgroups.version)
    for one in cgroups.hierarchies:
        folder = one.top / f"tare-{run}" / name
        made.folders |= dict.fromkeys([UNIFIED] if one.version == 2 else sorted(one.controllers), folder)
        made.controllers |= one.controllers
    return made


def limits_of(folder: Path) -> dict[str, Any]:
    """The limits of one cgroup, v1 or v2, in the words of :attr:`Cgroup.achieved`; "no limit" is left out.

    Only ``folder`` itself is read: what lies above it limits all places alike.
    """
    found: dict[str, Any] = {}
    for key, files in (
        ("memory_bytes", ("memory.max", "memory.limit_in_bytes")),
        ("pids", ("pids.max",)),
    ):
        for file in files:
            value = _read(folder / file)
            if value.isdecimal() and int(value) < _UNLIMITED:
                found[key] = int(value)
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not period:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period):
        cpus = int(quota) / int(period)
        found["cpus"] = int(cpus) if cpus.is_integer() else cpus
    if cpuset := _read(folder / "cpuset.cpus"):
        numbers = cpu_numbers(cpuset)
        if len(numbers) < (os.cpu_count() or 1):
            found["cpuset"] = numbers
    if io := _io_limits(folder):
        found["io"] = io
    return found


def _io_limits(folder: Path) -> dict[str, Any]:
    """Rates that reads and writes of one disk are both limited to, in the words of :class:`Cgroup`; else nothing."""
    old = (folder / "blkio.throttle.read_bps_device").exists()
    found: dict[str, Any] = {}
    for kind in ("bps", "iops"):
        limits = {_io_limit(folder, way, kind) for way in ("read", "write")}
        limit = limits.pop()
        if limit and not limits:
            found |= {"disk": limit[0], kind: limit[1]}
    return found | {"of": V1_IO if old else V2_IO} if found else {}


def _io_limit(folder: Path, way: str, kind: str) -> tuple[str, int] | None:
    """The first disk that is limited so, and its rate."""
    for line in _read(folder / f"blkio.throttle.{way}_{kind}_device").splitlines():
        disk, rate = line.split()
        return disk, int(rate)
    for line in _read(folder / "io.max").splitlines():
        disk, *pairs = line.split()
        rate = dict(pair.split("=") for pair in pairs).get(f"{way[0]}{kind}", "max")
        if rate != "max":
            return disk, int(rate)
    return None


def cpu_numbers(text: str) -> list[int]:
    """``0-2,5`` → 0, 1, 2, 5 (cpuset(7), list format)."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal():
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def _folder(one: Hierarchy, path: str | None) -> Path | None:
    """Where the cgroup of that path lies; ``None`` if it is not in what is mounted here."""
    if path is None or path.startswith("/.."):  # above the root of our cgroup namespace
        return None
    inside = os.path.relpath(path, one.root) if path.startswith(one.root) else "."
    folder = one.top / inside
    return folder if folder.is_dir() else None


def _alone(folder: Path, pid: int) -> bool:
    return _read(folder / "cgroup.procs").split() == [str(pid)]


def _words(file: Path) -> set[str]:
    return set(_read(file).split())


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except OSError:
        return ""
