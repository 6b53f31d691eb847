"""Is this host itself a guest, or this process in a container? As systemd-detect-virt finds out, without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.runners.host.cpuinfo import cpuinfo

if TYPE_CHECKING:
    from pathlib import Path

_VENDORS = (
    ("firecracker", "firecracker"),
    ("cloud hypervisor", "cloud-hypervisor"),
    ("amazon ec2", "amazon"),
    ("google compute engine", "google"),
    ("kvm", "kvm"),
    ("qemu", "qemu"),
    ("bochs", "qemu"),
    ("openstack", "kvm"),
    ("vmware", "vmware"),
    ("vmw", "vmware"),
    ("virtualbox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("xen", "xen"),
    ("parallels", "parallels"),
    ("bhyve", "bhyve"),
    ("apple virtualization", "apple"),
    ("virtual machine", "hyper-v"),
)
"""Words in the DMI strings → kind. The same words as systemd's ``src/basic/virt.c`` looks for, and two VMMs more."""

_DMI = ("product_name", "sys_vendor", "board_vendor", "bios_vendor")


def virtualisation(root: Path) -> dict[str, Any]:
    """``kind``: ``none``, a name, ``unknown`` (a guest of something), or ``None`` if there is no telling.

    On x86 the CPU's hypervisor flag decides: DMI alone is not proof, since cloud vendors' bare-metal machines
    carry their names as well.
    """
    flags = [block["flags"].split() for block in cpuinfo(root)[:1] if "flags" in block]
    kind, evidence = _named(root)
    if flags:
        if "hypervisor" not in flags[0]:
            xen = kind == "xen" and "sys/hypervisor" in evidence
            return (
                {"kind": "xen", "evidence": evidence}
                if xen
                else {"kind": "none", "evidence": "no hypervisor flag"}
            )
        return {"kind": kind or "unknown", "evidence": f"hypervisor flag; {evidence}".rstrip("; ")}
    return {
        "kind": kind,
        "evidence": evidence or "no hypervisor is named anywhere, and this CPU has no flag for it",
    }


def _named(root: Path) -> tuple[str | None, str]:
    for path in ("sys/hypervisor/type", "proc/device-tree/hypervisor/compatible"):
        if text := _read(root / path):
            return text.replace("linux,", "").strip("\0"), f"/{path}"
    for name in _DMI:
        text = _read(root / "sys/class/dmi/id" / name)
        for word, kind in _VENDORS:
            if word in text.lower():
                return kind, f"DMI {name} is {text!r}"
    clocks = _read(root / "sys/devices/system/clocksource/clocksource0/available_clocksource").split()
    for clock, kind in (("kvm-clock", "kvm"), ("hyperv_clocksource_tsc_page", "hyper-v"), ("xen", "xen")):
        if clock in clocks:
            return kind, f"clock source {clock}"
    return None, ""


def container(root: Path) -> str:
    """What container the suite runs in: a name, or ``none`` as far as one can see."""
    for name in ("docker", "podman"):
        if (root / {"docker": ".dockerenv", "podman": "run/.containerenv"}[name]).exists():
            return name
    if told := _read(root / "run/systemd/container"):
        return told
    groups = _read(root / "proc/self/cgroup")
    for word in ("kubepods", "docker", "libpod", "lxc"):
        if word in groups:
            return word
    return "none"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
