"""Compose the steps that make a container at each rung of the isolation ladder. Pure functions.

A container is built in the order of :func:`container_rungs` whatever parts it has: each part adds its steps to several
phases. :mod:`tare.runners.containers.namespaces.ladder` says which parts a rung has.

Below ``overlayfs`` the root of a container is the image itself, read-only, bound onto a folder of mount points
(:func:`_bound_root`). Each container mounts it, except for ``chroot``, which mounts nothing: there it is mounted once
beforehand, untimed.

Real root's containers start in a second launcher, which has done once and untimed what they have in common
(:func:`inner_steps`): it left the host's mounts by pivot_root and sees only the image and the scratch folders. Copying
its few mounts and moving the place's root over them is faster than copying and detaching the host's. An ordinary user's
container needs its user namespace first, so it does everything itself. One with a network is born in the user namespace
that the network belongs to (:mod:`tare.runners.containers.namespaces.network`), and shares it with its like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

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
    from tare.runners.launcher.steps.network import JoinBridge, JoinPair

KEPT_CAPABILITIES: Final = frozenset(
    {
        *(0, 1, 3, 4, 5, 6, 7, 8),  # chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap
        *(10, 13, 18, 29, 31),  # net_bind_service, net_raw, sys_chroot, audit_write, setfcap
    }
)
"""Docker's default capabilities except ``mknod``, which is harmless only with a devices cgroup, as Docker has it."""

DEVICES: Final = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
"""Device files in a container's /dev: name → major, minor."""

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
"""Files and folders hidden from containers: those that Docker masks, except for ``thermal_throttle`` of each CPU, which
would take as many mounts as the host has CPUs."""

READ_ONLY: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger")
"""Entries of /proc that are read-only, as in Docker. Real root could control the host through them even without
capabilities, also from a user namespace that maps it. In an ordinary user's namespace they belong to nobody."""

CHROOT: Final = "/root"
"""Path of the root that an inner launcher prepares for containers that only change into it."""

_QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC


class Rung(msgspec.Struct, frozen=True):
    """One rung of the isolation ladder: a name and the steps it adds."""

    name: str
    steps: tuple[Step, ...]


class Layout(msgspec.Struct, frozen=True):
    """Folders and settings that a container is made from. Paths are as its first steps see them."""

    base: Path
    """Top layer of the root: mount points and devices."""
    tree: Path
    """Tree of the image, the layer below."""
    staging: Path
    """Empty folder to mount the root on, in the container's own mount namespace."""
    scratch: Path
    """Folder that becomes ``/scratch``."""
    upper_bytes: int
    """Size of the tmpfs that takes writes to the root."""
    hostname: str
    owner: tuple[int, int]
    """Uid and gid on the host to which a user namespace maps root."""
    read_only: tuple[str, ...] = ()
    """Members of :data:`READ_ONLY` that this host's /proc has."""
    masked_files: tuple[str, ...] = ()
    """Members of :data:`MASKED` that are files on this host."""
    masked_folders: tuple[str, ...] = ()
    """Members of :data:`MASKED` that are folders on this host."""
    sys_read_only: bool = True
    """Mount /sys read-only."""
    bound: tuple[str, ...] = ()
    """Names in the image's top folder that are bound onto the base if there is no overlayfs."""
    locked: tuple[int, int] = (0, 0)
    """Flags of the mounts below the base and the image, which a user namespace may not clear."""
    join: JoinBridge | JoinPair | None = None
    """Step by which the part ``net`` joins a network; ``None``: there is only a loopback interface."""
    inner: bool = False
    """The container starts in an inner launcher (:func:`inner_steps`)."""


def inner_steps(
    folders: Mapping[str, Path],
    staging: Path,
    rooted: Layout | None = None,
    *,
    proc: bool = False,
    network: tuple[Step, ...] = (),
) -> tuple[Step, ...]:
    """Compose the steps of the inner launcher, after which it sees only ``folders`` and an empty ``/stage``.

    Args:
        folders: name below ``/`` → folder of the host.
        staging: an empty folder of the host.
        rooted: prepare a root at :data:`CHROOT` for containers that only change into it; ``None``: there are none.
        proc: mount /proc, needed to find the orphans of places without a pid namespace.
        network: steps to the launcher's own network namespace.
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
    """List the phases in which a container is made, each named after the part that it belongs to.

    The launcher enters the cgroups of the part ``cgroup`` beforehand; here only their namespace is made.
    """
    have = frozenset(names)
    phases = [
        Rung("mount", (NewNamespace("mount"),)),
        Rung("pid", (NewNamespace("pid"),)),
        Rung("uts+ipc", (NewNamespace("uts"), NewNamespace("ipc"))),
        # The network belongs to a user namespace in which the container is born.
        Rung("user", () if layout.join else (NewNamespace("user"), MapUser(*layout.owner))),
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
    """List all steps in order. A step that two parts need (no new privileges) is done once."""
    return tuple(dict.fromkeys(step for rung in container_rungs(layout, names) for step in rung.steps))


def with_scratch(steps: tuple[Step, ...], old: Path, new: Path) -> tuple[Step, ...]:
    """Give the steps of a container the scratch folder of another one: all else is the same for a runner's containers."""
    before, after = str(old), str(new)
    return tuple(
        replace(step, source=after) if isinstance(step, Mount) and step.source == before else step
        for step in steps
    )


def _chroot(layout: Layout, *, user: bool) -> Iterable[Step]:
    """Change into a root that exists already; an ordinary user first mounts it in a private mount namespace."""
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
    if not layout.inner:  # no mount that follows may propagate to the host
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
    # Writes to the root stay in memory, since the root goes with the container: on a disk, unmounting would first write
    # everything back. Jobs have their disk at /scratch.
    yield Mount(staging, "tmpfs", "tmpfs", MS_NOSUID, f"size={layout.upper_bytes},mode=755")
    for name in ("upper", "work", "root"):
        yield MakeDirectory(f"{staging}/{name}")
    lower = f"{escape(layout.base)}:{escape(layout.tree)}"
    upper = escape(layout.staging)
    options = f"lowerdir={lower},upperdir={upper}/upper,workdir={upper}/work" + (",userxattr" if user else "")
    yield Mount(root, "overlay", "overlay", 0, options)


def _bound_root(layout: Layout, root: str) -> Iterable[Step]:
    """Bind the image's folders onto the mount points of the base, read-only since others share them; /tmp is memory."""
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
    """Mount what every root needs: /proc, /sys, /dev, /scratch."""
    if own_pids or not user:
        yield Mount(f"{root}/proc", "proc", "proc", _QUIET)
    else:  # mounting a new proc takes privileges over the pid namespace that it shows
        yield Mount(f"{root}/proc", source="/proc", flags=MS_BIND | MS_REC)
    if not user or layout.owner[0] == 0:
        for name in layout.read_only:
            path = f"{root}/proc/{name}"
            yield Mount(path, source=path, flags=MS_BIND)
            yield Mount(path, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | _QUIET)
    if own_net or not user:
        yield Mount(f"{root}/sys", "sysfs", "sysfs", MS_RDONLY * layout.sys_read_only | _QUIET)
    else:  # mounting a new sysfs takes privileges over the network namespace whose devices it shows
        yield Mount(f"{root}/sys", source="/sys", flags=MS_BIND | MS_REC)
        yield Mount(f"{root}/sys", flags=MS_BIND | MS_REMOUNT | MS_RDONLY | _QUIET)
    for name in layout.masked_folders:
        yield Mount(f"{root}/{name}", "tmpfs", "tmpfs", MS_RDONLY | _QUIET, "size=0")
    for name in layout.masked_files:
        yield Mount(f"{root}/{name}", source="/dev/null" if user else f"{root}/dev/null", flags=MS_BIND)
    if user:  # device files do not work on mounts of a user namespace; binds of the host's do
        for name in DEVICES:
            yield Mount(f"{root}/dev/{name}", source=f"/dev/{name}", flags=MS_BIND)
    yield Mount(
        f"{root}/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"
    )
    yield Mount(f"{root}/scratch", source=str(layout.scratch), flags=MS_BIND)
