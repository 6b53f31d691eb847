"""The isolation ladder: which steps make which rung of a container, as pure functions.

A container is built in the order of :func:`container_rungs`, whatever parts it has: a part adds its steps in every
phase. Which parts a rung has: :mod:`tare.runners.containers.namespaces.ladder`.

Below ``overlayfs`` a container's root is the image itself, read-only, put together of binds on a folder with the
mount points (:func:`_bound_root`): mounted by each container, or, for ``chroot``, which mounts nothing, once and
untimed, beforehand.

Real root's containers begin in a second launcher that has done, once and untimed, what is the same for all of them
(:func:`inner_steps`): it left the host's mounts behind with pivot_root and sees the image, the scratch folders and
nothing else. Copying its few mounts and moving the place's root over them is faster than copying and detaching the
host's. An ordinary user's container needs its user namespace first, and so does everything by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tare.runners.launcher.seccomp import build_filter
from tare.runners.launcher.steps.files import MakeDirectory
from tare.runners.launcher.steps.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    ChangeRoot,
    Mount,
    MoveRoot,
    PivotRoot,
    escape,
)
from tare.runners.launcher.steps.namespaces import MapUser, NewNamespace, SetHostname
from tare.runners.launcher.steps.network import LinkUp
from tare.runners.launcher.steps.process import KeepCapabilities, NoNewPrivileges, Seccomp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.runners.launcher.steps.base import Step
    from tare.runners.launcher.steps.network import JoinBridge

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

MASKED: Final = (
    *("proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys", "proc/latency_stats"),
    *("proc/sched_debug", "proc/scsi", "proc/timer_list", "proc/timer_stats"),
    *("sys/devices/virtual/powercap", "sys/firmware"),
)
"""Files and folders that no container shows: what Docker masks, but for the folders ``thermal_throttle`` of each CPU, which
would be as many mounts as the host has CPUs."""

READ_ONLY: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger")
"""Below /proc, as Docker has it. Real root could steer the host through them, capabilities or not, and is real root in a user namespace
that maps it, too. In an ordinary user's they belong to nobody."""

CHROOT: Final = "/root"
"""Where an inner launcher has the root that containers only change into."""

_QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the isolation ladder: a name and the steps it adds."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a container is put together from, as paths that its first steps see."""

    base: Path
    """The root's top layer: mount points and devices."""
    tree: Path
    """The image's tree, below it."""
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
    masked_files: tuple[str, ...] = ()
    """Of :data:`MASKED`, the files that this host has."""
    masked_folders: tuple[str, ...] = ()
    """Of :data:`MASKED`, the folders that this host has."""
    sys_read_only: bool = True
    bound: tuple[str, ...] = ()
    """Names in the image's top folder that are bound onto the base's where there is no overlayfs."""
    locked: tuple[int, int] = (0, 0)
    """Flags of the mounts that the base and the image are on, which a user namespace may not take off."""
    join: JoinBridge | None = None
    """How the part ``net`` joins a network; ``None``: it has only its loopback interface."""
    inner: bool = False
    """The container begins in an inner launcher (:func:`inner_steps`)."""


def inner_steps(
    folders: Mapping[str, Path],
    staging: Path,
    rooted: Layout | None = None,
    *,
    proc: bool = False,
    network: tuple[Step, ...] = (),
) -> tuple[Step, ...]:
    """What the inner launcher has behind it: it sees ``folders``, as ``/name``, and an empty ``/stage``.

    Args:
        folders: of the host.
        staging: an empty folder of the host.
        rooted: put together a root for containers that only change into it, at :data:`CHROOT`.
        proc: it needs a /proc, to find the orphans of places that have no pid namespace.
        network: its own net namespace and what is in it.
    """
    root = str(staging)
    return (
        *network,
        NewNamespace("mount"),
        Mount("/", flags=MS_REC | MS_PRIVATE),
        Mount(root, "tmpfs", "tmpfs", _QUIET, "mode=755,size=64k"),
        *(MakeDirectory(f"{root}/{name}") for name in (*folders, "stage")),
        *(Mount(f"{root}/{name}", source=str(path), flags=MS_BIND) for name, path in folders.items()),
        PivotRoot(root),
        *((MakeDirectory("/proc"), Mount("/proc", "proc", "proc", _QUIET)) if proc else ()),
        *((MakeDirectory(CHROOT), *_bound_root(rooted, CHROOT), *_furnish(rooted, CHROOT)) if rooted else ()),
    )


def container_rungs(layout: Layout, names: Iterable[str]) -> list[Rung]:
    """The phases of the container's making, each under the name of the part that asks for it.

    The cgroups of the part ``cgroup`` are entered by the launcher beforehand; here is only their namespace.
    """
    have = frozenset(names)
    phases = [
        Rung("mount", (NewNamespace("mount"),)),
        Rung("pid", (NewNamespace("pid"),)),
        Rung("uts+ipc", (NewNamespace("uts"), NewNamespace("ipc"))),
        Rung("user", (NewNamespace("user"), MapUser(*layout.owner))),
        Rung("net", (layout.join or NewNamespace("net"),)),
        Rung("cgroup", (NewNamespace("cgroup"),)),
        Rung("chroot", tuple(_chroot(layout, user="user" in have))),
        Rung("mount", tuple(_mounts(layout, have))),
        Rung("uts+ipc", (SetHostname(layout.hostname),)),
        Rung("net", (LinkUp("lo"),)),
        Rung("caps", (KeepCapabilities(KEPT_CAPABILITIES), NoNewPrivileges())),
        Rung("seccomp", (NoNewPrivileges(), Seccomp(build_filter()))),
    ]
    return [phase for phase in phases if phase.name in have]


def container_steps(layout: Layout, names: Iterable[str]) -> tuple[Step, ...]:
    """Everything, in order; a step that two parts ask for (no new privileges) is done once."""
    return tuple(dict.fromkeys(step for rung in container_rungs(layout, names) for step in rung.steps))


def _chroot(layout: Layout, *, user: bool) -> Iterable[Step]:
    """Into a root that is there already; an ordinary user has to make it in a mount namespace of its own."""
    if layout.inner:
        yield ChangeRoot(CHROOT)
        return
    yield NewNamespace("mount")
    yield Mount("/", flags=MS_REC | MS_PRIVATE)
    yield from _bound_root(layout, str(layout.staging))
    yield from _furnish(layout, str(layout.staging), user=user)
    yield ChangeRoot(str(layout.staging))


def _mounts(layout: Layout, have: frozenset[str]) -> Iterable[Step]:
    user = "user" in have
    if not layout.inner:  # nothing of what follows may travel back to the host
        yield Mount("/", flags=MS_REC | MS_PRIVATE)
    if "overlayfs" in have:
        root = f"{layout.staging}/root"
        yield from _overlay_root(layout, root, user=user)
    else:
        root = str(layout.staging)
        yield from _bound_root(layout, root)
    yield from _furnish(layout, root, user=user, own_pids="pid" in have, own_net="net" in have)
    yield MoveRoot(root) if layout.inner else PivotRoot(root)


def _overlay_root(layout: Layout, root: str, *, user: bool) -> Iterable[Step]:
    staging = str(layout.staging)
    # Writes to the root stay in memory, as the whole root goes with the container: on a disk, unmounting would first
    # write back everything. Jobs find their disk at /scratch.
    yield Mount(staging, "tmpfs", "tmpfs", MS_NOSUID, f"size={layout.upper_bytes},mode=755")
    for name in ("upper", "work", "root"):
        yield MakeDirectory(f"{staging}/{name}")
    lower = f"{escape(layout.base)}:{escape(layout.tree)}"
    upper = escape(layout.staging)
    options = f"lowerdir={lower},upperdir={upper}/upper,workdir={upper}/work" + (",userxattr" if user else "")
    yield Mount(root, "overlay", "overlay", 0, options)


def _bound_root(layout: Layout, root: str) -> Iterable[Step]:
    """The image's folders on the base's mount points, read-only as they are other images' too; /tmp is memory."""
    read_only = MS_BIND | MS_REMOUNT | MS_RDONLY
    yield Mount(root, source=str(layout.base), flags=MS_BIND)
    for name in layout.bound:
        yield Mount(f"{root}/{name}", source=f"{layout.tree}/{name}", flags=MS_BIND)
        yield Mount(f"{root}/{name}", flags=read_only | layout.locked[1])
    yield Mount(root, flags=read_only | layout.locked[0])
    for name in ("tmp", "dev/shm"):
        yield Mount(
            f"{root}/{name}",
            "tmpfs",
            "tmpfs",
            MS_NOSUID | MS_NODEV,
            f"size={layout.upper_bytes // 2},mode=1777",
        )


def _furnish(
    layout: Layout, root: str, *, user: bool = False, own_pids: bool = False, own_net: bool = False
) -> Iterable[Step]:
    """What every root needs: /proc, /sys, /dev, /scratch."""
    if own_pids or not user:
        yield Mount(f"{root}/proc", "proc", "proc", _QUIET)
    else:  # a proc of its own takes power over the pid namespace that it shows
        yield Mount(f"{root}/proc", source="/proc", flags=MS_BIND | MS_REC)
    if not user or layout.owner[0] == 0:
        for name in layout.read_only:
            path = f"{root}/proc/{name}"
            yield Mount(path, source=path, flags=MS_BIND)
            yield Mount(path, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | _QUIET)
    if own_net or not user:
        yield Mount(f"{root}/sys", "sysfs", "sysfs", MS_RDONLY * layout.sys_read_only | _QUIET)
    else:  # sysfs shows the net namespace's devices, so it takes power over that to mount one
        yield Mount(f"{root}/sys", source="/sys", flags=MS_BIND | MS_REC)
        yield Mount(f"{root}/sys", flags=MS_BIND | MS_REMOUNT | MS_RDONLY | _QUIET)
    for name in layout.masked_folders:
        yield Mount(f"{root}/{name}", "tmpfs", "tmpfs", MS_RDONLY | _QUIET, "size=0")
    for name in layout.masked_files:
        yield Mount(f"{root}/{name}", source="/dev/null" if user else f"{root}/dev/null", flags=MS_BIND)
    if user:  # device files do not work on what a user namespace has mounted; the host's own do
        for name in DEVICES:
            yield Mount(f"{root}/dev/{name}", source=f"/dev/{name}", flags=MS_BIND)
    yield Mount(
        f"{root}/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"
    )
    yield Mount(f"{root}/scratch", source=str(layout.scratch), flags=MS_BIND)
