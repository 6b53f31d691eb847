"""Compose a bundle's ``config.json`` (OCI runtime specification 1.0.2). Pure functions.

Namespaces, capabilities and the system call filter are those of our own container
(:mod:`tare.runners.containers.namespaces.rung_steps`); mounts, masked and read-only paths are what ``runc spec``
writes. An ordinary user's container begins in an existing user namespace, so it has no cgroups, no device rules and no
ids but root's.
"""

from __future__ import annotations

import errno
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.runners.containers.namespaces.rung_steps import KEPT_CAPABILITIES, MASKED
from tare.runners.host.cgroups.limits import CPU_PERIOD_MICROSECONDS
from tare.runners.launcher.seccomp import denied_arguments, denied_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tare.runners.model import Limits

CAPABILITIES = {
    0: "CAP_CHOWN",
    1: "CAP_DAC_OVERRIDE",
    3: "CAP_FOWNER",
    4: "CAP_FSETID",
    5: "CAP_KILL",
    6: "CAP_SETGID",
    7: "CAP_SETUID",
    8: "CAP_SETPCAP",
    10: "CAP_NET_BIND_SERVICE",
    13: "CAP_NET_RAW",
    18: "CAP_SYS_CHROOT",
    29: "CAP_AUDIT_WRITE",
    31: "CAP_SETFCAP",
}

_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything that decides a container's configuration."""

    agent: tuple[str, ...]
    """Command line of the process, with paths as the container sees them."""
    environ: Mapping[str, str]
    root: Path
    scratch: Path
    """Folder of the host that becomes ``/scratch``."""
    limits: Limits
    host_cpus: int
    disk: str = ""
    """``major:minor`` of the disk that the scratch folder is on; empty: no I/O limits."""
    cgroups_path: str = ""
    """Path at which the runtime makes the container's cgroups; empty: it makes none."""
    limit_processes: bool = False
    """Limit processes by an rlimit, because no cgroup does. A user namespace counts its own."""
    filtered: bool = True
    """Install the system call filter. gVisor needs none: no call of its guests reaches the host's kernel."""


def config(bundle: Bundle) -> dict[str, Any]:
    """Compose the content of ``config.json``."""
    limited = bool(bundle.cgroups_path)
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": [f"/{name}" for name in MASKED],
        "readonlyPaths": list(_READ_ONLY),
    }
    if limited:
        linux |= {"cgroupsPath": bundle.cgroups_path, "resources": resources(bundle)}
    if bundle.filtered:
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(_denied())}
    return {
        "ociVersion": "1.0.2",
        "process": _process(bundle),
        "root": {"path": str(bundle.root), "readonly": False},
        "hostname": "tare",
        "mounts": list(_mounts(bundle, cgroup=limited)),
        "linux": linux,
    }


def _denied() -> Iterator[dict[str, Any]]:
    """Write the rules of :func:`tare.runners.launcher.seccomp.build_filter` in the terms of the specification."""
    deny = {"action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}
    yield deny | {"names": denied_names()}
    yield deny | {"names": ["clone3"], "errnoRet": errno.ENOSYS}
    for rule in denied_arguments():
        # A masked comparison takes the mask first, then the value.
        masked = {"value": rule.mask, "valueTwo": rule.value, "op": "SCMP_CMP_MASKED_EQ"}
        equal = {"value": rule.value, "op": "SCMP_CMP_EQ"}
        yield deny | {"names": [rule.call], "args": [{"index": 0, **(masked if rule.mask else equal)}]}


def resources(bundle: Bundle) -> dict[str, Any]:
    """Write the limits in the terms of the specification."""
    limits = bundle.limits
    cpu: dict[str, Any] = {}
    if limits.cpus < bundle.host_cpus:
        cpu |= {"quota": limits.cpus * CPU_PERIOD_MICROSECONDS, "period": CPU_PERIOD_MICROSECONDS}
    if limits.cpuset:
        cpu["cpus"] = ",".join(map(str, limits.cpuset))
    found: dict[str, Any] = {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": limits.memory_bytes, "swap": limits.memory_bytes},
        "pids": {"limit": limits.pids},
    }
    if cpu:
        found["cpu"] = cpu
    if block := _block_io(bundle):
        found["blockIO"] = block
    return found


def _block_io(bundle: Bundle) -> dict[str, Any]:
    if not bundle.disk:
        return {}
    major, _, minor = bundle.disk.partition(":")
    found = {}
    for kind, rate in (
        ("Bps", bundle.limits.io_bytes_per_second),
        ("IOPS", bundle.limits.io_operations_per_second),
    ):
        if rate:
            for way in ("Read", "Write"):
                found[f"throttle{way}{kind}Device"] = [
                    {"major": int(major), "minor": int(minor), "rate": rate}
                ]
    return found


def _process(bundle: Bundle) -> dict[str, Any]:
    kept = sorted(CAPABILITIES[number] for number in KEPT_CAPABILITIES)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = bundle.limits.scratch_bytes if hard < 0 else min(bundle.limits.scratch_bytes, hard)
    sizes = {"RLIMIT_FSIZE": size}
    if bundle.limit_processes:
        sizes["RLIMIT_NPROC"] = bundle.limits.pids
    return {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": list(bundle.agent),
        "env": [f"{name}={value}" for name, value in sorted(bundle.environ.items())],
        "cwd": "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), kept),
        "rlimits": [{"type": name, "soft": value, "hard": value} for name, value in sizes.items()],
        "noNewPrivileges": True,
    }


def _mounts(bundle: Bundle, *, cgroup: bool) -> Iterator[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    yield _mount("/proc", "proc")
    yield _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"])
    yield _mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"])
    yield _mount("/dev/shm", "tmpfs", [*quiet, "mode=1777", "size=65536k"], "shm")  # noqa: S108 - in the container
    yield _mount("/dev/mqueue", "mqueue", quiet)
    yield _mount("/sys", "sysfs", [*quiet, "ro"])
    if cgroup:
        yield _mount("/sys/fs/cgroup", "cgroup", [*quiet, "relatime", "ro"])
    yield _mount("/scratch", "bind", ["rbind", "rw"], str(bundle.scratch))


def _mount(destination: str, kind: str, options: list[str] | None = None, source: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"destination": destination, "type": kind, "source": source or kind}
    return found | ({"options": options} if options else {})
