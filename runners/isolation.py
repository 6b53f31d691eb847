"""The isolation ladder: which steps make which rung of a container, as pure functions.

A container is built in the order of :func:`container_steps`, whatever rungs it has: a rung adds its part in every
phase. ``namespaces`` stops at any of :data:`RUNGS`; all of them make the full container.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runners.launcher.seccomp import build_filter
from runners.launcher.steps import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    JoinCgroup,
    KeepCapabilities,
    LinkUp,
    MakeDirectory,
    MapUser,
    Mount,
    NewNamespace,
    NoNewPrivileges,
    PivotRoot,
    Rung,
    Seccomp,
    SetHostname,
    Unshare,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from runners.launcher.steps import Step

RUNGS: Final = ("mount", "pid", "uts+ipc", "user", "net", "cgroup", "caps", "seccomp")
"""From the ground up. ``mount``: a mount namespace, pivot_root onto overlayfs, /proc, /sys, /dev, /scratch."""

KEPT_CAPABILITIES: Final = frozenset(
    {
        *(0, 1, 3, 4, 5, 6, 7, 8),  # chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap
        *(10, 13, 18, 29, 31),  # net_bind_service, net_raw, sys_chroot, audit_write, setfcap
    }
)
"""Docker's default set, less ``mknod``: Docker's devices cgroup makes that one harmless, and there is none here."""

DEVICES: Final = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
"""What a container finds in /dev: name → major, minor."""

LINKS: Final = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}

READ_ONLY: Final = ("bus", "irq", "sys", "sysrq-trigger")
"""Below /proc. Real root's container could steer the host through them, capabilities or not; in a user namespace
they belong to nobody."""

_QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC


@dataclass(frozen=True, slots=True)
class Layout:
    """What a container is put together from. All paths are the host's."""

    lower: tuple[Path, ...]
    """The root's layers, top first: mount points and devices, then the image's tree."""
    staging: Path
    """An empty folder. What is mounted on it is seen in the container's own mount namespace only."""
    scratch: Path
    upper_bytes: int
    """Size of the tmpfs that takes writes to the root."""
    hostname: str
    owner: tuple[int, int]
    """Our uid and gid, which root inside is mapped to if there is a user namespace."""
    cgroup_files: tuple[Path, ...] = ()
    """v1 files to join by."""
    in_cgroup: bool = False
    read_only: tuple[str, ...] = ()
    """Of :data:`READ_ONLY`, what this host's /proc has."""


def container_rungs(layout: Layout, names: Iterable[str]) -> list[Rung]:
    """The phases of the container's making, each under the name of the rung that asks for it."""
    have = frozenset(names)
    user = "user" in have
    phases = [
        Rung("mount", (NewNamespace("mount"),)),
        Rung("pid", (NewNamespace("pid"),)),
        Rung("uts+ipc", (NewNamespace("uts"), NewNamespace("ipc"))),
        Rung("user", (NewNamespace("user"),)),
        Rung("net", (NewNamespace("net"),)),
        # Cgroups are joined with the host's rights, and before the cgroup namespace takes its root from them.
        Rung("cgroup", _cgroup(layout)),
        Rung("user", (MapUser(*layout.owner),)),
        Rung("mount", tuple(_mounts(layout, user=user, own_pids="pid" in have, own_net="net" in have))),
        Rung("uts+ipc", (SetHostname(layout.hostname),)),
        Rung("net", (LinkUp("lo"),)),
        Rung("caps", (KeepCapabilities(KEPT_CAPABILITIES), NoNewPrivileges())),
        Rung("seccomp", (NoNewPrivileges(), Seccomp(build_filter()))),
    ]
    return [phase for phase in phases if phase.name in have and phase.steps]


def container_steps(layout: Layout, names: Iterable[str]) -> tuple[Step, ...]:
    """Everything, in order; a step that two rungs ask for (no new privileges) is done once."""
    return tuple(dict.fromkeys(step for rung in container_rungs(layout, names) for step in rung.steps))


def _cgroup(layout: Layout) -> tuple[Step, ...]:
    if not layout.in_cgroup:
        return ()
    return (*(JoinCgroup(str(file)) for file in layout.cgroup_files), Unshare("cgroup"))


def _mounts(layout: Layout, *, user: bool, own_pids: bool, own_net: bool) -> Iterable[Step]:
    staging = str(layout.staging)
    root = f"{staging}/root"
    # Nothing of what follows may travel back to the host.
    yield Mount("/", flags=MS_REC | MS_PRIVATE)
    # Writes to the root stay in memory, as the whole root goes with the container: on a disk, unmounting would first
    # write back everything. Jobs find their disk at /scratch.
    yield Mount(staging, "tmpfs", "tmpfs", MS_NOSUID, f"size={layout.upper_bytes},mode=755")
    for name in ("upper", "work", "root"):
        yield MakeDirectory(f"{staging}/{name}")
    lower = ":".join(escape(path) for path in layout.lower)
    upper = escape(layout.staging)
    options = f"lowerdir={lower},upperdir={upper}/upper,workdir={upper}/work" + (",userxattr" if user else "")
    yield Mount(root, "overlay", "overlay", 0, options)
    if own_pids:
        yield Mount(f"{root}/proc", "proc", "proc", _QUIET)
    else:
        yield Mount(f"{root}/proc", source="/proc", flags=MS_BIND | MS_REC)
    if not user:
        for name in layout.read_only:
            path = f"{root}/proc/{name}"
            yield Mount(path, source=path, flags=MS_BIND)
            yield Mount(path, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | _QUIET)
    if own_net or not user:
        yield Mount(f"{root}/sys", "sysfs", "sysfs", MS_RDONLY | _QUIET)
    else:  # sysfs shows the net namespace's devices, so it takes power over that to mount one
        yield Mount(f"{root}/sys", source="/sys", flags=MS_BIND | MS_REC)
    if user:  # device files do not work on what a user namespace has mounted; the host's own do
        for name in DEVICES:
            yield Mount(f"{root}/dev/{name}", source=f"/dev/{name}", flags=MS_BIND)
    yield Mount(
        f"{root}/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"
    )
    yield Mount(f"{root}/scratch", source=str(layout.scratch), flags=MS_BIND)
    yield PivotRoot(root)


def escape(path: Path) -> str:
    """A path as overlayfs' options take it: commas, colons and backslashes are theirs."""
    return "".join(f"\\{letter}" if letter in "\\,:" else letter for letter in str(path))
