"""Look for what a run left on this host, by its id and by comparison with how the host was before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/bridge/bridge-nf-call-iptables",
    "vm/overcommit_memory",
    "vm/drop_caches",
    "kernel/randomize_va_space",
    "kernel/perf_event_paranoid",
    "kernel/nmi_watchdog",
)
"""Settings of the kernel that tools of this kind change, below ``/proc/sys``."""


def sysctls() -> dict[str, str]:
    """Read the settings; those that do not exist here are left out."""
    found = {}
    for name in SYSCTLS:
        try:
            found[name] = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
    return found


def links() -> frozenset[str]:
    """List the network devices of this namespace, by name."""
    return frozenset(path.name for path in Path("/sys/class/net").iterdir())


def left(
    run: str, folders: tuple[Path, ...], before: Mapping[str, str], links_before: frozenset[str]
) -> list[str]:
    """List what is there of a run, one phrase each.

    Args:
        run: its id.
        folders: where work folders, temporary files and registrations may be.
        before: :func:`sysctls` from before the run.
        links_before: :func:`links` from before the run.
    """
    name = run.encode()
    found = [f"process {pid} ({what})" for pid, what in _processes(name)]
    found += [f"mount {line.split()[4]}" for line in _lines("/proc/self/mountinfo") if run in line]
    found += [f"cgroup {path}" for path in _cgroups(run)]
    found += [f"net namespace {path.name}" for path in Path("/run/netns").glob(f"*{run}*")]
    for folder in (*folders, Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/run")):  # noqa: S108
        found += [f"file {path}" for path in folder.glob(f"*{run}*")]
    found += [
        f"device {one}" for one in sorted(links() - links_before) if one.startswith(("tare", "tap", "ta-"))
    ]
    now = sysctls()
    found += [
        f"sysctl {key} is {now.get(key)}, was {value}"
        for key, value in before.items()
        if now.get(key) != value
    ]
    return list(dict.fromkeys(found))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _processes(run: bytes) -> list[tuple[int, str]]:
    found = []
    for name in (path.name for path in Path("/proc").iterdir()):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            about = Path("/proc", name, "cmdline").read_bytes() + Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue
        if run in about:
            found.append((int(name), about[:40].decode("utf-8", "replace").replace("\0", " ")))
    return found


def _cgroups(run: str) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup") if run in Path(folder).name]
