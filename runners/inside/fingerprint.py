"""Turn the output of ``tare-inside fingerprint`` into named facts about the environment that a job sees.

A fact is a text or a number; a fact that the place does not show is missing. Names are for people and sort by subject.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.inside import program
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.images.image import Image
    from tare.runners.model import Place

Facts = dict[str, str | int]

TIMEOUT_SECONDS = 60.0
_OUTPUT_BYTES = 8 << 20

SYSTEM_LIBRARIES: Final = (
    "/lib64/libc.so.6",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
)
"""Paths at which a program that brings no C library finds the place's own."""

NAMESPACES: Final = ("mnt", "pid", "uts", "ipc", "user", "net", "cgroup", "time")

CAPABILITIES: Final = tuple(
    """
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
    net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct
    sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap
    mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore
    """.split()  # noqa: SIM905 - forty-one lines otherwise
)
"""Names of capabilities by number, see capabilities(7)."""

_SECCOMP: Final = {"0": "off", "1": "strict", "2": "filter"}
_ITEM = re.compile(rb"([^\n]+) (\d+)\n")
_LIMITS: Final = ("open files", "processes", "locked memory", "file size", "address space", "core file size")


def take(place: Place, image: Image) -> Facts:
    """Run the program in a place and return the place's facts.

    Raises:
        TareError: The program did not run, or its output is malformed.
    """
    own = sorted(
        path for path in image.libraries if path.rpartition("/")[2].startswith(("libc.so.6", "ld-musl-"))
    )
    libraries = [*(place.root.rstrip("/") + path for path in own), *SYSTEM_LIBRARIES]
    job = Job(
        (program(place), "fingerprint", *libraries),
        timeout_seconds=TIMEOUT_SECONDS,
        output_limit_bytes=_OUTPUT_BYTES,
    )
    before = time.monotonic_ns()
    result = place.run(job)
    after = time.monotonic_ns()
    if result.error or result.exit_code != 0:
        raise TareError(
            say(
                "isolation.look_failed",
                "the look at the place from inside failed: {error}",
                error=result.error or result.exit_code,
            )
        )
    found = items(result.stdout)
    clock = found.get("monotonic", "")
    seen = facts(found, image_root=place.root, image_libraries=own)
    if clock.isdecimal():
        seen["kernel.clock"] = "the host's" if before <= int(clock) <= after else "its own"
    return seen


def items(output: bytes) -> dict[str, str]:
    """Split the program's output into named items.

    Raises:
        TareError: The output is cut or malformed.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(output):
        head = _ITEM.match(output, at)
        if head is None:
            raise TareError(
                say(
                    "isolation.no_item",
                    "no item at byte {at} of the fingerprint: {output!r}",
                    at=at,
                    output=output[at : at + 40],
                )
            )
        end = head.end() + int(head[2])
        if output[end : end + 1] != b"\n":
            raise TareError(
                say(
                    "isolation.item_cut",
                    "the fingerprint's item {decode} is cut",
                    decode=head[1].decode("ascii", "replace"),
                )
            )
        name = head[1].decode("utf-8", "surrogateescape")
        found[name] = output[head.end() : end].decode("utf-8", "backslashreplace")
        at = end + 1
    return found


def facts(
    items: Mapping[str, str], *, image_root: str = "/", image_libraries: list[str] | None = None
) -> Facts:
    """Derive the facts from the items, each under the name that reports use."""
    found: Facts = {}
    for name, item in (
        ("kernel.release", "release"),
        ("kernel.version", "version"),
        ("kernel.machine", "machine"),
        ("kernel.boot_id", "/proc/sys/kernel/random/boot_id"),
        ("kernel.command_line", "/proc/cmdline"),
        ("kernel.clock_source", "/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        ("kernel.security_modules", "/sys/kernel/security/lsm"),
        ("security.label", "/proc/self/attr/current"),
        ("hostname", "hostname"),
        ("cgroup.path", "/proc/self/cgroup"),
        ("cgroup.cpu_max", "/sys/fs/cgroup/cpu.max"),
        ("cgroup.memory_max", "/sys/fs/cgroup/memory.max"),
        ("cgroup.pids_max", "/sys/fs/cgroup/pids.max"),
    ):
        if text := items.get(item, "").replace("\0", " ").strip():
            found[name] = text
    found |= _libraries(items, image_root, image_libraries or [])
    found |= _hardware(items)
    found |= _identity(items)
    found |= _mounts(items.get("/proc/self/mountinfo", ""))
    found |= _limits(items.get("/proc/self/limits", ""))
    for kind in NAMESPACES:
        if link := items.get(f"/proc/self/ns/{kind}"):
            found[f"namespace.{kind}"] = link
    return dict(sorted(found.items()))


def names_of(mask: int) -> str:
    """Name the capabilities in a mask: ``all``, ``none``, or a list."""
    every = (1 << len(CAPABILITIES)) - 1
    if mask and mask & every == every:
        return "all"
    names = [name for number, name in enumerate(CAPABILITIES) if mask >> number & 1]
    return ", ".join(names) or "none"


def _libraries(items: Mapping[str, str], root: str, own: list[str]) -> Facts:
    versions = [
        items[f"libc:{root.rstrip('/')}{path}"] for path in own if f"libc:{root.rstrip('/')}{path}" in items
    ]
    found: Facts = {"libc.image": "; ".join(dict.fromkeys(filter(None, versions))) or "none"}
    system = [items[f"libc:{path}"] for path in SYSTEM_LIBRARIES if items.get(f"libc:{path}")]
    found["libc.system"] = system[0] if system else "none"
    return found


def _hardware(items: Mapping[str, str]) -> Facts:
    found: Facts = {}
    if cpus := items.get("cpus", ""):
        found["cpu.seen"] = int(cpus)
    if memory := re.search(r"^MemTotal:\s+(\d+) kB$", items.get("/proc/meminfo", ""), re.MULTILINE):
        found["memory.seen_bytes"] = int(memory[1]) * 1024
    table = items.get("/proc/cpuinfo", "")
    if model := re.search(r"^(?:model name|CPU part)\s*:\s*(.+)$", table, re.MULTILINE):
        found["cpu.model"] = model[1].strip()
    if flags := re.search(r"^(?:flags|Features)\s*:\s*(.+)$", table, re.MULTILINE):
        found["cpu.features"] = " ".join(sorted(flags[1].split()))
    return found


def _identity(items: Mapping[str, str]) -> Facts:
    status = dict(
        line.split(":", 1) for line in items.get("/proc/self/status", "").splitlines() if ":" in line
    )
    found: Facts = {}
    for name, field in (("user.uid", "Uid"), ("user.gid", "Gid")):
        if words := status.get(field, "").split():
            found[name] = int(words[1])
    for name, field in (("effective", "CapEff"), ("bounding", "CapBnd"), ("ambient", "CapAmb")):
        if mask := status.get(field, "").strip():
            found[f"capabilities.{name}"] = names_of(int(mask, 16))
    if mode := status.get("Seccomp", "").strip():
        found["security.seccomp"] = _SECCOMP.get(mode, mode)
    if flag := status.get("NoNewPrivs", "").strip():
        found["security.no_new_privileges"] = "yes" if flag == "1" else "no"
    for name, item in (("user.uid_map", "/proc/self/uid_map"), ("user.gid_map", "/proc/self/gid_map")):
        if rows := [" ".join(line.split()) for line in items.get(item, "").splitlines()]:
            found[name] = "; ".join(rows)
    return found


def _mounts(table: str) -> Facts:
    """List mount points with type and read-only flag from mountinfo; see proc_pid_mountinfo(5)."""
    rows = {}
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        words = before.split()
        if separator and len(words) >= 6 and after:
            rows[words[4]] = after.split()[0] + (" (ro)" if words[5].split(",")[0] == "ro" else "")
    if not rows:
        return {}
    listed = "; ".join(f"{point} {kind}" for point, kind in sorted(rows.items()))
    return {"mounts.count": len(rows), "mounts.root": rows.get("/", "not shown"), "mounts.table": listed}


def _limits(table: str) -> Facts:
    """Read soft and hard resource limits from ``/proc/self/limits``, whose names contain spaces."""
    found: Facts = {}
    for line in table.splitlines():
        for name in _LIMITS:
            if line.lower().startswith(f"max {name} "):
                soft, hard = line[len("max ") + len(name) :].split()[:2]
                found[f"limit.{name.replace(' ', '_')}"] = soft if soft == hard else f"{soft} (≤ {hard})"
    return found
