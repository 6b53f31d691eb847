"""Read back for the context what QEMU achieved of the configuration, from its monitor and the host's /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.guests.qemu.qmp import QmpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.runners.guests.qemu.machine import Machine
    from tare.runners.guests.qemu.qmp import Qmp

_KIB = 1024
_MOST = 0.9
"""Share of a guest's memory from which all of it counts as allocated."""


def vcpu_threads(monitor: Qmp) -> list[int]:
    """List the host thread of each vCPU, in order. Several share a thread if QEMU interleaves them."""
    cpus = sorted(monitor.ask("query-cpus-fast"), key=lambda cpu: cpu["cpu-index"])
    return [int(cpu["thread-id"]) for cpu in cpus]


def pin_vcpus(monitor: Qmp, cpus: Sequence[int]) -> None:
    """Pin each vCPU's thread to one host CPU, round robin.

    Raises:
        QmpError: QEMU does not list its threads.
        OSError: the kernel refuses.
    """
    for number, thread in enumerate(vcpu_threads(monitor)):
        os.sched_setaffinity(thread, {cpus[number % len(cpus)]})


def achieved(monitor: Qmp, pid: int, machine: Machine, stderr: bytes) -> dict[str, object]:
    """Collect facts about a running guest. What cannot be found out is ``unknown``, never left out.

    Args:
        monitor: connection to QEMU.
        pid: QEMU's pid.
        machine: what was asked of QEMU.
        stderr: QEMU's messages until now.
    """
    variant = machine.variant
    facts: dict[str, object] = {}
    with _Unknown(facts, "vcpus", "cpu_model"):
        threads = vcpu_threads(monitor)
        facts["vcpus"] = len(threads)
        if variant.pin:
            bound = [sorted(os.sched_getaffinity(thread)) for thread in threads]
            facts["vcpus_pinned_to"] = [cpus[0] if len(cpus) == 1 else cpus for cpus in bound]
        path = monitor.ask("query-cpus-fast")[0]["qom-path"]
        model = str(monitor.ask("qom-get", {"path": path, "property": "type"}))
        facts["cpu_model"] = _with_flags(model.removesuffix("-x86_64-cpu"), machine.cpu)
    if machine.scratch is not None:
        with _Unknown(facts, "disk_cache"):
            facts["disk_cache"] = _cache(monitor)
            facts["disk_aio"] = "threads" if b"falling back to thread pool" in stderr else variant.aio
    facts |= memory_facts(pid, machine.memory_bytes)
    if variant.balloon:
        with _Unknown(facts, "balloon"):
            facts["balloon"] = "on" if monitor.ask("query-balloon")["actual"] else "off"
    return facts


class _Unknown:
    """Context manager for questions that QEMU may refuse; it sets the given facts to ``unknown`` then."""

    def __init__(self, facts: dict[str, object], *names: str) -> None:
        self._facts, self._names = facts, names

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, QmpError | OSError | KeyError | IndexError | TypeError):
            return False
        for name in self._names:
            self._facts.setdefault(name, "unknown")
        return True


def _with_flags(model: str, asked: str) -> str:
    """Add to the model the flags that were asked for, which QEMU does not report."""
    _, comma, flags = asked.partition(",")
    return f"{model}{comma}{flags}"


def _cache(monitor: Qmp) -> str:
    """Read the cache mode of the scratch disk, in the terms of ``-drive cache=``."""
    for device in monitor.ask("query-block"):
        if device.get("device") != "scratch":
            continue
        mode = device["inserted"]["cache"]
        if mode["no-flush"]:
            return "unsafe"
        if mode["direct"]:
            return "none" if mode["writeback"] else "directsync"
        return "writeback" if mode["writeback"] else "writethrough"
    raise KeyError("scratch")


def memory_facts(pid: int, memory_bytes: int, smaps: Path | None = None) -> dict[str, object]:
    """Read the page size of the guest's memory, and whether all of it is allocated.

    Args:
        pid: QEMU's pid.
        memory_bytes: the guest's memory.
        smaps: table of mappings; ``None``: that of the process.
    """
    try:
        text = (smaps or Path(f"/proc/{pid}/smaps")).read_text("ascii", "replace")
    except OSError:
        return {"memory_pages": "unknown", "memory_allocated": "unknown"}
    # The code that TCG translates may be a larger mapping than the guest's memory.
    large = [one for one in _mappings(text) if one.get("Size", 0) >= memory_bytes // _KIB]
    if not large:
        return {"memory_pages": "unknown", "memory_allocated": "unknown"}
    found = min(large, key=lambda one: one["Size"])
    size = found["Size"]
    held = found.get("Rss", 0) + found.get("Private_Hugetlb", 0) + found.get("Shared_Hugetlb", 0)
    page = found.get("KernelPageSize", 0)
    if page > 4:
        pages = say("memory.set_aside", "{page} KiB, set aside", page=page)
    else:
        pages = say(
            "memory.transparent", "{page} KiB, transparent huge pages: {policy}", page=page, policy=_policy()
        )
    return {"memory_pages": pages, "memory_allocated": "all" if held >= _MOST * size else "on demand"}


def _policy() -> str:
    """Read the host's policy for transparent huge pages. How many there are changes, so collectors count them."""
    try:
        text = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text("ascii")
    except OSError:
        return "none"
    return next((word.strip("[]") for word in text.split() if word.startswith("[")), "unknown")


_RANGE = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ", re.ASCII)


def _mappings(text: str) -> Iterator[dict[str, int]]:
    """Parse the mappings in ``smaps``, each as its fields in KiB: proc_pid_smaps(5)."""
    fields: dict[str, int] = {}
    for line in text.splitlines():
        if _RANGE.match(line):
            if fields:
                yield fields
            fields = {}
            continue
        name, _, rest = line.partition(":")
        value, _, unit = rest.strip().partition(" ")
        if unit == "kB" and value.isdecimal():
            fields[name] = int(value)
    if fields:
        yield fields
