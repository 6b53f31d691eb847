"""Collect facts about the host for a run's record, and the ones that two runs must share to be compared.

Facts are read from /proc, /sys and /etc below ``root``, which only tests set to something else. A fact that cannot be
read is ``None`` or left out, and nothing here raises.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.runners.host.cpuinfo import cpu_facts
from tare.runners.host.files import ROOT, mount_over, mount_points, read
from tare.runners.host.system import memory
from tare.runners.host.virtualisation import container, virtualisation

if TYPE_CHECKING:
    from collections.abc import Mapping

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
"""Facts that change numbers: where they differ, two runs are compared with a remark or not at all."""


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


def host_facts(workdir: Path | None = None, root: Path = ROOT) -> dict[str, Any]:
    """Collect everything worth keeping about the host, as plain data.

    Args:
        workdir: folder in which places will be made; ``/var/tmp`` by default.
        root: put before /proc, /sys and /etc, for tests.
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
    """Select the facts named in :data:`CONTEXT`, by these names; unknown ones are ``None``."""
    flat: dict[str, Any] = {}
    for key in CONTEXT:
        value: Any = facts
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        flat[key] = value
    return flat


_LONGEST_CLASS = 100
"""Characters of the name of a host class, which is also that of a folder."""


def host_class(facts: Mapping[str, Any]) -> str:
    """Name the class of hosts whose numbers may share a history, such as ``xeon-8375c-2cpu-1f0c3a``.

    The name depends on the hardware as seen (CPU model, usable CPUs, memory to the next power of two, kind of
    virtualisation) and on nothing that an update changes, so that a kernel's regression shows within one series.
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
    slug = "-".join([word for word in words if word not in noise][:3]) or parts[-1] or "unknown"
    # It names a folder, and the facts may come from a manifest that somebody else wrote.
    return re.sub(r"[^\w.-]+", "_", f"{slug}-{parts[1]}cpu-{digest}")[-_LONGEST_CLASS:]


def chosen(path: Path) -> str | None:
    """Read the word in brackets from a file such as ``always [madvise] never``; ``None`` if there is none."""
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
    """Select the kernel parameters that affect measurements; others may name hosts or carry secrets."""
    return [word for word in cmdline.split() if word.startswith(_PARAMETERS)]


def _memory(root: Path) -> dict[str, Any]:
    found = memory(root)
    total_kib = found.total_bytes and found.total_bytes >> 10
    return {
        "total_bytes": found.total_bytes,
        # The kernel reserves a different amount at each boot; the class stays the same.
        "class_gib": total_kib and 1 << max(0, (total_kib - 1).bit_length() - 20),
        "available_bytes": found.available_bytes,
        "swap_bytes": found.swap_bytes,
    }


def file_system_of(path: Path, root: Path = ROOT) -> dict[str, Any]:
    """Describe the file system that a path is on; ``None`` for what no mount over it tells."""
    mount = mount_over(path, root)
    if mount is None:
        return {"path": str(path), "file_system": None, "device": None}
    device = os.fsencode(mount.source).decode("utf-8", "replace")
    return {"path": str(path), "file_system": mount.kind, "device": device}


def _cgroup(root: Path) -> dict[str, Any]:
    """Name the layout, ``v1``, ``v2``, ``hybrid`` or ``none``, and the controllers of either version."""
    v1: list[str] = []
    v2: list[str] = []
    unified = False
    for mount in mount_points(root):
        if mount.kind == "cgroup2":
            unified = True
            v2 += (read(root / mount.point.lstrip("/") / "cgroup.controllers") or "").split()
        elif mount.kind == "cgroup":
            v1.append(mount.point.rpartition("/")[2])
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
