"""Read the host's CPUs: their model, their topology and what sets their speed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from tare.runners.host.files import read

if TYPE_CHECKING:
    from pathlib import Path


def cpu_facts(root: Path) -> dict[str, Any]:
    """Collect the facts about the CPUs; what is not known is ``None``."""
    blocks = cpuinfo(root)
    first = blocks[0] if blocks else {}
    system = root / "sys/devices/system/cpu"
    topologies = [
        tuple(read(path / "topology" / name) for name in ("physical_package_id", "core_id"))
        for path in sorted(system.glob("cpu[0-9]*"))
    ]
    known = {pair for pair in topologies if None not in pair}
    return {
        "model": cpu_model(first, root),
        "vendor": first.get("vendor_id") or first.get("CPU implementer"),
        "microcode": first.get("microcode"),
        "count": len(parse_cpu_list(read(system / "online") or "")) or os.cpu_count(),
        "allowed": len(os.sched_getaffinity(0)),
        "sockets": len({package for package, _ in known}) or None,
        "cores": len(known) or None,
        "smt": {"1": True, "0": False}.get(read(system / "smt/active") or ""),
        "hypervisor_flag": "hypervisor" in first.get("flags", "").split() if "flags" in first else None,
        "governor": _one_of_all(system, "cpufreq/scaling_governor"),
        "frequency_driver": _one_of_all(system, "cpufreq/scaling_driver"),
        "turbo": turbo(root),
        "caches": _caches(system / "cpu0/cache"),
    }


def cpuinfo(root: Path) -> list[dict[str, str]]:
    """Split ``/proc/cpuinfo`` into one block for each CPU; on some ARM kernels the last one is about the machine."""
    blocks: list[dict[str, str]] = []
    for block in (read(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        if fields := {key.strip(): value.strip() for key, separator, value in pairs if separator}:
            blocks.append(fields)
    return blocks


def cpu_model(first: dict[str, str], root: Path) -> str | None:
    """Name the CPU: its marketing name, or ARM's numbers (aarch64 has no name), or the board's name."""
    if name := first.get("model name"):
        return re.sub(r"\s+", " ", name)
    if "CPU implementer" in first:
        keys = {"CPU implementer": "implementer", "CPU part": "part", "CPU variant": "variant"}
        return "ARM " + " ".join(f"{word} {first[key]}" for key, word in keys.items() if key in first)
    return (read(root / "proc/device-tree/model") or "").rstrip("\0") or None


def turbo(root: Path) -> bool | None:
    """Tell whether the clock may rise above its nominal rate; ``None`` if there is no switch for it."""
    system = root / "sys/devices/system/cpu"
    by_intel = {"0": True, "1": False}.get(read(system / "intel_pstate/no_turbo") or "")
    by_others = {"1": True, "0": False}.get(read(system / "cpufreq/boost") or "")
    return by_others if by_intel is None else by_intel


def parse_cpu_list(text: str) -> list[int]:
    """Parse a list of CPUs (cpuset(7)): ``0-2,5`` → [0, 1, 2, 5]; parts that are not understood are left out."""
    cpus: list[int] = []
    for first, last in re.findall(r"(\d{1,6})(?:-(\d{1,6}))?", text):
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def _one_of_all(system: Path, name: str) -> str | None:
    """Read the value that all CPUs share, or the different ones, comma separated."""
    found = {value for path in system.glob("cpu[0-9]*") if (value := read(path / name))}
    return ",".join(sorted(found)) or None


def _caches(folder: Path) -> dict[str, str]:
    found = {}
    for index in sorted(folder.glob("index[0-9]*")):
        level, kind, size = (read(index / name) for name in ("level", "type", "size"))
        if level and size:
            letter = {"Data": "d", "Instruction": "i"}.get(kind or "", "")
            found[f"L{level}{letter}"] = size
    return found
