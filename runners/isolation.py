"""The isolation ladder: which steps make which rung of a container, as pure functions.

A container is built in the order of :func:`container_rungs`, whatever rungs it has: a rung adds its part in every
phase. ``namespaces`` stops at any of :data:`RUNGS`; all of them make the full container.

Real root's containers begin in a second launcher that has done, once and untimed, what is the same for all of them
(:func:`inner_steps`): it left the host's mounts behind with pivot_root and sees the image, the scratch folders and
nothing else. Copying its few mounts and moving the place's root over them is faster than copying and detaching the
host's. An ordinary user's container needs its user namespace first, and so does everything by itself.
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
    KeepCapabilities,
    LinkUp,
    MakeDirectory,
    MapUser,
    Mount,
    MoveRoot,
    NewNamespace,
    NoNewPrivileges,
    PivotRoot,
    Rung,
    Seccomp,
    SetHostname,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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
    """What a container is put together from, as paths that its first steps see."""

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
    read_only: tuple[str, ...] = ()
    """Of :data:`READ_ONLY`, what this host's /proc has."""
    inner: bool = False
    """The container begins in an inner launcher (:func:`inner_steps`)."""


def inner_steps(folders: Mapping[str, Path], staging: Path) -> tuple[Step, ...]:
    """What the inner launcher has behind it: it sees ``folders``, as ``/name``, and an empty ``/stage``."""
    root = str(staging)
    return (
        NewNamespace("mount"),
        Mount("/", flags=MS_REC | MS_PRIVATE),
        Mount(root, "tmpfs", "tmpfs", _QUIET, "mode=755,size=64k"),
        *(MakeDirectory(f"{root}/{name}") for name in (*folders, "stage")),
        *(Mount(f"{root}/{name}", source=str(path), flags=MS_BIND) for name, path in folders.items()),
        PivotRoot(root),
    )


def container_rungs(layout: Layout, names: Iterable[str]) -> list[Rung]:
    """The phases of the container's making, each under the name of the rung that asks for it.

    The cgroups of the rung ``cgroup`` are entered by the launcher beforehand; here is only their namespace.
    """
    have = frozenset(names)
    user = "user" in have
    phases = [
        Rung("mount", (NewNamespace("mount"),)),
        Rung("pid", (NewNamespace("pid"),)),
        Rung("uts+ipc", (NewNamespace("uts"), NewNamespace("ipc"))),
        Rung("user", (NewNamespace("user"), MapUser(*layout.owner))),
        Rung("net", (NewNamespace("net"),)),
        Rung("cgroup", (NewNamespace("cgroup"),)),
        Rung("mount", tuple(_mounts(layout, user=user, own_pids="pid" in have, own_net="net" in have))),
        Rung("uts+ipc", (SetHostname(layout.hostname),)),
        Rung("net", (LinkUp("lo"),)),
        Rung("caps", (KeepCapabilities(KEPT_CAPABILITIES), NoNewPrivileges())),
        Rung("seccomp", (NoNewPrivileges(), Seccomp(build_filter()))),
    ]
    return [phase for phase in phases if phase.name in have]


def container_steps(layout: Layout, names: Iterable[str]) -> tuple[Step, ...]:
    """Everything, in order; a step that two rungs ask for (no new privileges) is done once."""
    return tuple(dict.fromkeys(step for rung in container_rungs(layout, names) for step in rung.steps))


def _mounts(layout: Layout, *, user: bool, own_pids: bool, own_net: bool) -> Iterable[Step]:
    staging = str(layout.staging)
    root = f"{staging}/root"
    if not layout.inner:  # nothing of what follows may travel back to the host
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
    if own_pids or not user:
        yield Mount(f"{root}/proc", "proc", "proc", _QUIET)
    else:  # a proc of its own takes power over the pid namespace that it shows
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
    yield MoveRoot(root) if layout.inner else PivotRoot(root)


def escape(path: Path) -> str:
    """A path as overlayfs' options take it: commas, colons and backslashes are theirs."""
    return "".join(f"\\{letter}" if letter in "\\,:" else letter for letter in str(path))
