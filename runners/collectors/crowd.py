"""Read the memory of many places from outside: their processes, their cgroups, and the processes that serve them.

A process counts with its PSS (``/proc/PID/smaps_rollup``), which divides shared memory among those that share it, so
that sums are correct. Memory that the kernel keeps for a place (page tables, network devices, cgroups) is in no
process; the cgroup's own count and the host's ``MemAvailable`` show more of it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tare.results.details import PlacesMemory
from tare.runners.collectors.processes import process_tree, pss_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.runners.model import Vantage

DAEMONS: Final[Mapping[str, tuple[str, ...]]] = {
    "docker": ("dockerd", "containerd", "docker-proxy"),
    "containerd": ("containerd",),
    "kubernetes": (
        "kubelet",
        "containerd",
        "etcd",
        "kube-apiserver",
        "kube-scheduler",
        "kube-controller",
        "kube-proxy",
    ),
}
"""Kind of runner → names of the processes that serve all its places. The kernel cuts names after 15 characters."""


def read_memory(vantages: Iterable[Vantage], run: str, kind: str, *, root: Path = Path("/")) -> PlacesMemory:
    """Read the memory of places that are open now.

    Args:
        vantages: One for each place.
        run: The run's id, which its processes carry in their environment.
        kind: Kind of runner, such as ``docker``; see :data:`DAEMONS`.
        root: Folder that has ``proc``; tests set another one.
    """
    seen = list(vantages)
    proc = root / "proc"
    each = [place_processes(vantage, proc) for vantage in seen]
    own = {pid for found in each for pid in found}
    daemons = _named(DAEMONS.get(kind, ()), proc) - own
    beside = _attendants(own, run, proc) - daemons
    return PlacesMemory(
        places=len(seen),
        processes=len(own),
        pss_bytes=_sum(own, proc) if all(each) else None,
        cgroups_bytes=_cgroups(seen),
        attendants_bytes=_sum(beside, proc),
        daemons_bytes=_sum(daemons, proc) if kind in DAEMONS else None,
        available_bytes=_available(proc),
    )


def place_processes(vantage: Vantage, proc: Path = Path("/proc")) -> set[int]:
    """Find all processes of a place: its top process, that one's descendants, and all processes in its cgroups."""
    found = set(process_tree(vantage.top_pid, proc)) if vantage.top_pid else set()
    for folder in set(vantage.cgroups.values()):
        for path, _, files in os.walk(folder):
            if "cgroup.procs" in files:
                with suppress(OSError):
                    found |= {int(pid) for pid in Path(path, "cgroup.procs").read_text("ascii").split()}
    return found - {0}


def _sum(pids: Iterable[int], proc: Path) -> int | None:
    total = 0
    for pid in pids:
        found = pss_bytes(pid, proc)
        if found is None:
            if (proc / str(pid)).exists():
                return None
            continue  # the process has ended meanwhile
        total += found
    return total


def _cgroups(vantages: Iterable[Vantage]) -> int | None:
    total = counted = 0
    for vantage in vantages:
        for name, file in (("memory", "memory.usage_in_bytes"), ("unified", "memory.current")):
            with suppress(OSError, ValueError, KeyError):
                total += int((vantage.cgroups[name] / file).read_text("ascii"))
                counted += 1
                break
        else:
            return None
    return total if counted else None


def _attendants(own: set[int], run: str, proc: Path) -> set[int]:
    """Find the parents of the places' processes up to the launcher, and the run's other processes."""
    mark = f"TARE_RUN={run}".encode()
    found = set()
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    for pid in own:
        parent = _parent(pid, proc)
        while parent > 1 and parent != os.getpid() and parent not in own and parent not in found:
            if _name(parent, proc).startswith("tare-"):
                break
            found.add(parent)
            parent = _parent(parent, proc)
    return {pid for pid in found - own if not _name(pid, proc).startswith("tare-") and pid != os.getpid()}


def _named(names: tuple[str, ...], proc: Path) -> set[int]:
    cut = {name[:15] for name in names}
    return {
        int(entry.name)
        for entry in proc.iterdir()
        if entry.name.isdigit() and _name(int(entry.name), proc) in cut
    }


def _name(pid: int, proc: Path) -> str:
    try:
        return (proc / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _parent(pid: int, proc: Path) -> int:
    try:
        return int((proc / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _available(proc: Path) -> int:
    for line in (proc / "meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
