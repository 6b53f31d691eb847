"""What kind of host this is: the facts that a run keeps, and the ones that two runs must share to be compared.

All is read from /proc, /sys and /etc below ``root``, which only tests set to something else. What cannot
be read is ``None`` or left out: absence is a fact, too, and nothing here raises.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.runners.host.cpuinfo import cpu_facts
from tare.runners.host.virtualisation import container, virtualisation

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path("/")

CONTEXT = (
    "cpu.model",
    "cpu.allowed",
    "cpu.smt",
    "cpu.governor",
    "cpu.turbo",
    "cpu.microcode",
    "kernel.release",
    "kernel.version",
    "kernel.machine",
    "kernel.mitigations",
    "kernel.clock_source",
    "kernel.huge_pages",
    "memory.class_gib",
    "virtualisation.kind",
    "container",
    "workdir.file_system",
)
"""The facts that change numbers: where they differ, two runs are compared with a remark or not at all."""


_PARAMETERS = (
    *(
        "mitigations",
        "spec_",
        "spectre",
        "l1tf",
        "mds",
        "tsx",
        "nosmt",
        "nospec",
        "pti",
        "nopti",
        "retbleed",
        "gather_data",
    ),
    *("isolcpus", "nohz", "rcu_nocbs", "irqaffinity", "maxcpus", "nr_cpus", "numa", "threadirqs", "preempt"),
    *(
        "idle",
        "intel_idle",
        "intel_pstate",
        "amd_pstate",
        "processor.",
        "cpufreq",
        "tsc",
        "clocksource",
        "hpet",
    ),
    *(
        "transparent_hugepage",
        "hugepages",
        "default_hugepagesz",
        "zswap",
        "kvm",
        "iommu",
        "intel_iommu",
        "amd_iommu",
    ),
    *("cgroup", "systemd.unified", "psi", "audit", "selinux", "apparmor", "init_on_", "slab_", "page_"),
)


def host_facts(workdir: Path | None = None, root: Path = _ROOT) -> dict[str, Any]:
    """Everything worth keeping about the host, as plain data.

    Args:
        workdir: folder whose file system will be worked on; by default ``/var/tmp``.
        root: where /proc, /sys and /etc are looked for.
    """
    return {
        "cpu": cpu_facts(root),
        "kernel": _kernel(root),
        "memory": _memory(root),
        "virtualisation": virtualisation(root),
        "container": container(root),
        "cgroup": _cgroup(root),
        "distribution": _distribution(root),
        "boot_id": read(root / "proc/sys/kernel/random/boot_id"),
        "workdir": file_system_of(workdir or Path("/var/tmp"), root),  # noqa: S108 - the default is a place, not a file
        "user": _user(root),
        "python": platform.python_version(),
    }


def context_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts named in :data:`CONTEXT`, flat; those that are not known here are ``None``."""
    flat: dict[str, Any] = {}
    for key in CONTEXT:
        value: Any = facts
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        flat[key] = value
    return flat


def host_class(facts: Mapping[str, Any]) -> str:
    """A short stable name for hosts whose numbers may share a history, such as ``xeon-8375c-2cpu-1f0c3a``.

    It is made from the hardware as seen (CPU model, CPUs that may be used, memory to the next power of two, kind of
    virtualisation), not from what changes with an update, so that a kernel's regression shows in one series.
    """
    context = context_facts(facts)
    parts = [context[key] for key in ("cpu.model", "cpu.allowed", "memory.class_gib", "virtualisation.kind")]
    parts.append(context["kernel.machine"])
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:6]
    words = re.findall(r"[a-z0-9]+", re.sub(r"\((r|tm|c)\)|@.*", " ", str(parts[0]).lower()))
    noise = {
        "intel",
        "amd",
        "cpu",
        "processor",
        "gold",
        "silver",
        "platinum",
        "core",
        "none",
        "with",
        "radeon",
    }
    slug = "-".join([word for word in words if word not in noise][:3]) or str(parts[-1] or "unknown")
    return f"{slug}-{parts[1]}cpu-{digest}"


def read(path: Path) -> str | None:
    """The file's text without blanks around it, or nothing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def chosen(path: Path) -> str | None:
    """What is in brackets in a file such as ``always [madvise] never``, or nothing."""
    match = re.search(r"\[(\S+)\]", read(path) or "")
    return match.group(1) if match else None


def _kernel(root: Path) -> dict[str, Any]:
    mitigations = {}
    for path in sorted((root / "sys/devices/system/cpu/vulnerabilities").glob("*")):
        mitigations[path.name] = read(path)
    system = os.uname()
    return {
        "release": read(root / "proc/sys/kernel/osrelease") or system.release,
        "version": read(root / "proc/sys/kernel/version") or system.version,
        "machine": system.machine,
        "parameters": _telling(read(root / "proc/cmdline") or ""),
        "mitigations": mitigations,
        "clock_source": read(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "aslr": _whole(read(root / "proc/sys/kernel/randomize_va_space")),
        "huge_pages": chosen(root / "sys/kernel/mm/transparent_hugepage/enabled"),
    }


def _telling(cmdline: str) -> list[str]:
    """The kernel parameters that bear on measurements. Not all of them: some name hosts or carry secrets."""
    return [word for word in cmdline.split() if word.startswith(_PARAMETERS)]


def _memory(root: Path) -> dict[str, Any]:
    kib = {}
    for line in (read(root / "proc/meminfo") or "").splitlines():
        key, _, rest = line.partition(":")
        value = rest.split()[:1]
        if value and value[0].isdecimal():
            kib[key] = int(value[0])
    total = kib.get("MemTotal")
    return {
        "total_bytes": None if total is None else total * 1024,
        # What the kernel keeps for itself differs from boot to boot; the class does not.
        "class_gib": None if total is None else 1 << max(0, (total - 1).bit_length() - 20),
        "available_bytes": kib["MemAvailable"] * 1024 if "MemAvailable" in kib else None,
        "swap_bytes": kib["SwapTotal"] * 1024 if "SwapTotal" in kib else None,
    }


def mounts(root: Path) -> list[tuple[str, str, str]]:
    """Mount point, file system, source of everything mounted, later ones last (proc_pid_mountinfo(5))."""
    found = []
    for line in (read(root / "proc/self/mountinfo") or "").splitlines():
        head, separator, tail = line.partition(" - ")
        fields, rest = head.split(), tail.split()
        if separator and len(fields) >= 5 and len(rest) >= 2:
            # Blanks in paths are written in octal.
            point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code.group(1), 8)), fields[4])
            found.append((point, rest[0], rest[1]))
    return found


def file_system_of(path: Path, root: Path = _ROOT) -> dict[str, Any]:
    """The file system below ``path`` by the longest mount point over it."""
    resolved = path.resolve()
    best: tuple[str, str, str] | None = None
    for mount in mounts(root):
        inside = resolved == Path(mount[0]) or Path(mount[0]) in resolved.parents
        if inside and (best is None or len(mount[0]) >= len(best[0])):
            best = mount
    if best is None:
        return {"path": str(path), "file_system": None, "device": None}
    return {"path": str(path), "file_system": best[1], "device": best[2]}


def _cgroup(root: Path) -> dict[str, Any]:
    """``v1``, ``v2``, ``hybrid`` or ``none``, and which controllers are in which."""
    v1: list[str] = []
    v2: list[str] = []
    unified = False
    for point, kind, _ in mounts(root):
        if kind == "cgroup2":
            unified = True
            v2 += (read(root / point.lstrip("/") / "cgroup.controllers") or "").split()
        elif kind == "cgroup":
            v1.append(point.rpartition("/")[2])
    layout = {(False, False): "none", (True, False): "v1", (False, True): "v2", (True, True): "hybrid"}[
        bool(v1), unified
    ]
    return {"layout": layout, "v1": sorted(set(v1)), "v2": sorted(set(v2))}


def _distribution(root: Path) -> dict[str, Any]:
    text = read(root / "etc/os-release") or read(root / "usr/lib/os-release") or ""
    fields = dict(re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", text, re.MULTILINE))
    return {"id": fields.get("ID"), "version": fields.get("VERSION_ID"), "name": fields.get("PRETTY_NAME")}


def _user(root: Path) -> dict[str, Any]:
    status = dict(re.findall(r"^(\w+):\s*(\S*)", read(root / "proc/self/status") or "", re.MULTILINE))
    return {
        "uid": os.geteuid(),
        "capabilities": status.get("CapEff"),
        "seccomp": _whole(status.get("Seccomp")),
    }


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
