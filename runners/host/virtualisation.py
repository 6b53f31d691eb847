"""Detect whether the host is a guest and whether the suite runs in a container, as systemd-detect-virt does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.results.said import listed, say
from tare.runners.host.cpuinfo import cpuinfo
from tare.runners.host.files import read

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
"""Word in a DMI string → kind: the words of systemd's ``src/basic/virt.c``, and two more VMMs."""

_DMI = ("product_name", "sys_vendor", "board_vendor", "bios_vendor")


def virtualisation(root: Path) -> dict[str, Any]:
    """Name the hypervisor below this host, and the evidence for it.

    ``kind`` is ``none``, a name, ``unknown`` (a guest of something), or ``None`` if nothing tells. On x86 the CPU's
    hypervisor flag decides: DMI alone is no proof, since bare-metal machines of cloud vendors carry their names too.
    """
    flags = [block["flags"].split() for block in cpuinfo(root)[:1] if "flags" in block]
    kind, evidence = _named(root)
    if flags:
        if "hypervisor" not in flags[0]:
            xen = kind == "xen" and "sys/hypervisor" in evidence
            return (
                {"kind": "xen", "evidence": evidence}
                if xen
                else {"kind": "none", "evidence": say("host.no_flag", "no hypervisor flag")}
            )
        flag = say("host.flag", "hypervisor flag")
        return {"kind": kind or "unknown", "evidence": listed(filter(None, (flag, evidence)))}
    return {
        "kind": kind,
        "evidence": evidence
        or say("host.no_hypervisor", "no hypervisor is named anywhere, and this CPU has no flag for it"),
    }


def _named(root: Path) -> tuple[str | None, str]:
    for path in ("sys/hypervisor/type", "proc/device-tree/hypervisor/compatible"):
        if text := read(root / path):
            return text.replace("linux,", "").strip("\0"), f"/{path}"
    for name in _DMI:
        text = read(root / "sys/class/dmi/id" / name) or ""
        for word, kind in _VENDORS:
            if word in text.lower():
                return kind, say("host.dmi", "DMI {name} is {text!r}", name=name, text=text)
    clocks = (read(root / "sys/devices/system/clocksource/clocksource0/available_clocksource") or "").split()
    for clock, kind in (("kvm-clock", "kvm"), ("hyperv_clocksource_tsc_page", "hyper-v"), ("xen", "xen")):
        if clock in clocks:
            return kind, say("host.clock_source", "clock source {clock}", clock=clock)
    return None, ""


def container(root: Path) -> str:
    """Name the kind of container that the suite runs in; ``none`` if there is no sign of one."""
    for name in ("docker", "podman"):
        if (root / {"docker": ".dockerenv", "podman": "run/.containerenv"}[name]).exists():
            return name
    if told := read(root / "run/systemd/container"):
        return told
    groups = read(root / "proc/self/cgroup") or ""
    for word in ("kubepods", "docker", "libpod", "lxc"):
        if word in groups:
            return word
    return "none"
