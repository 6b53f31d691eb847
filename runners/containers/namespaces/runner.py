"""Run our own container: namespaces, overlayfs, cgroup limits, few capabilities, a system call filter.

It works for root and for ordinary users. For these it begins with a user namespace, which the host must permit, and
cgroup limits need a delegated cgroup. :mod:`tare.runners.containers.namespaces.rung_steps` has the steps.

Timeline: ``requested`` is stamped when the place's cgroups are made and entered (see launcher.c), ``gone`` when its
first process is reaped and its cgroups are removed. The kernel lets the first process be reaped only after all others
of its pid namespace.
"""

from __future__ import annotations

import itertools
import os
import platform
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.environment import HostFacts
from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.runners.containers.namespaces.ladder import KIND, PRIVILEGED, ladder_rung, rung_record
from tare.runners.containers.namespaces.links import LinkedPlace
from tare.runners.containers.namespaces.network import VethNetwork, address_of, join, router
from tare.runners.containers.namespaces.remedies import remedy
from tare.runners.containers.namespaces.rung_steps import (
    DEVICES,
    LINKS,
    MASKED,
    READ_ONLY,
    Layout,
    container_steps,
    inner_steps,
    with_scratch,
)
from tare.runners.errors import not_prepared
from tare.runners.host.cgroups.layout import CGROUP_REMEDY, Cgroups
from tare.runners.host.files import file_system
from tare.runners.host.trees import discard_tree, open_to_readers
from tare.runners.launcher.processes import LauncherError, SpawnError, SpawnRequest
from tare.runners.model import Probe
from tare.runners.places.folders import PlaceFolders
from tare.runners.places.launched import LaunchedPlace, LaunchPlan
from tare.runners.places.rooted import UPPER_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.images.image import Image
    from tare.runners.launcher.client import Launcher
    from tare.runners.launcher.steps.base import Step
    from tare.runners.model import Job, Limits

_PROBE_SECONDS = 2.0
_NETWORKS = {
    "none": "none, loopback only",
    "veth": "veth",
    "bridge": "veth and bridge",
    "nat": "veth, bridge, forwarding and masquerading",
}
_NO_DEVICES = say(
    "remedy.cap_mknod",
    "run where CAP_MKNOD is given and not in a user namespace, or as an ordinary user",
)

_OWN = frozenset({"dev", "proc", "sys", "scratch", "tmp"})
"""Names in a container's top folder that are never the image's."""


class Namespaces:
    """See :class:`tare.runners.context.Runner`."""

    accelerator: Accelerator = "none"

    def __init__(self, context: RunContext, name: str = KIND) -> None:
        """Take the whole name, see :func:`tare.runners.containers.namespaces.ladder.ladder_rung`."""
        self.name = self.label = name
        self._context = context
        self._rung = ladder_rung(name, root=os.getuid() == 0)
        self._cgroups = Cgroups.detect()
        self._numbers = itertools.count()
        self._own_steps: dict[str, tuple[Step, ...]] = {}
        """Name of a place → the steps of the last one that was called so; names are used again."""
        self._undo = ExitStack()
        self._network: VethNetwork | None = None
        self._prepared: tuple[Image, Limits, Launcher, Layout, tuple[Step, ...]] | None = None
        self._folder = context.workdir / name.replace(":", "-").replace("+", "")
        self._folders = PlaceFolders(context.workdir / "places", self._folder.name)

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`. Makes one container by the real steps, with the real launcher."""
        if refused := self._refusal():
            return refused
        user = "user" in self._rung.parts
        with scratch_folder("probe", self._probe_parent()) as folder:
            tree = folder / "tree"
            tree.mkdir()
            try:
                base = _build_base(folder, tree, devices=not user)
            except PermissionError as error:
                return Probe(
                    ok=False,
                    reason=say(
                        "container.no_device_files",
                        "device files cannot be made here: {error}",
                        error=error,
                    ),
                    remedy=_NO_DEVICES,
                )
            layout = self._layout(base, tree, folder / "scratch", folder / "stage")
            layout.scratch.mkdir()
            layout.staging.mkdir()
            try:
                self._try(layout)
            except (SpawnError, LauncherError) as error:
                return Probe(ok=False, reason=str(error), remedy=remedy(error, user=user))
        return Probe(
            ok=True,
            rung=rung_record(self._rung, root=os.getuid() == 0),
            steps=self._described_steps(),
            facts=HostFacts(cgroups=self._cgroups.version),
        )

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self.close()
        parts = self._rung.parts
        user = "user" in parts
        self._folder.mkdir(parents=True)
        self._undo.callback(discard_tree, self._folder)
        bound = () if "overlayfs" in parts else _bound_names(image.tree)
        base = _build_base(self._folder, image.tree, bound, devices=not user)
        places = self._context.workdir / "places"
        places.mkdir(exist_ok=True)
        stage = self._folder / "stage"
        stage.mkdir()
        if user:
            layout = self._layout(base, image.tree, places, stage)
        else:
            layout = self._layout(Path("/base"), Path("/tree"), Path("/places"), Path("/stage"), inner=True)
        layout = replace(layout, bound=bound, upper_bytes=min(UPPER_BYTES, limits.memory_bytes // 2))
        steps = self._router()
        if not user:
            folders = {"base": base, "tree": image.tree, "places": places}
            steps = inner_steps(
                folders,
                stage,
                layout if "chroot" in parts else None,
                proc="pid" not in parts,
                network=steps,
            )
        launcher = self._context.launcher
        if steps:
            launcher = self._undo.enter_context(launcher.inside(steps, {"TARE_RUN": self._context.run}))
            self._network = self._connected(launcher, self._undo)
        self._prepared = image, limits, launcher, layout, self._steps(layout)

    def open(self, first: Job | None = None) -> LaunchedPlace:
        """See :class:`tare.runners.context.Runner`."""
        if self._prepared is None:
            raise not_prepared(self.name)
        image, limits, launcher, layout, steps = self._prepared
        parts = self._rung.parts
        network = self._network
        number = next(self._numbers)
        folder = self._folders.take()
        name = folder.path.name
        if network:
            steps = self._steps(replace(layout, join=join(network.kind, number)))
        own_steps = None if network else self._own_steps.get(name)
        if own_steps is None:
            own_steps = with_scratch(steps, layout.scratch, layout.scratch / name / "scratch")
            self._own_steps[name] = own_steps
        # A container that only changes its root has no mounts of its own, so it sees the scratch folders of all places.
        shared = "chroot" in parts and layout.inner
        plan = LaunchPlan(
            context=self._context,
            name=name,
            launcher=launcher,
            limits=limits,
            agent=image.agent,
            folder=folder,
            root="/",
            scratch=f"/scratch/{name}/scratch" if shared else "/scratch",
            steps=own_steps,
            facts=self._facts(),
            cgroups=self._cgroups if "cgroup" in parts else None,
            controllers=self._rung.controllers,
            host_address=network.host_address if network else None if "net" in parts else "127.0.0.1",
            host_network=network.host_network if network else "",
            bridge_network=network.places_network if network else None,
            remove_within=True,
            count_processes="user" in parts and network is None,
        )
        if network and network.links:
            return LinkedPlace(plan, first, network.links, address_of(number))
        return LaunchedPlace(plan, first)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = self._network = None
        self._own_steps.clear()
        self._undo.close()
        self._folders.close()
        self._cgroups.remove_run(self._context.run)

    def _facts(self) -> dict[str, object]:
        parts = self._rung.parts
        overlay = "overlayfs" in parts
        return {
            "kernel": platform.release(),
            "root": "overlayfs, writes to tmpfs" if overlay else "binds of the image tree, read-only",
            "network": _NETWORKS[self._rung.network] if "net" in parts else "host",
            "scratch_file_system": file_system(self._context.workdir),
            "rungs": ",".join(parts),
            "user_namespace": say("fact.one_for_all", "one for all places")
            if self._veth and "user" in parts
            else "user" in parts,
        }

    def _steps(self, layout: Layout) -> tuple[Step, ...]:
        return container_steps(layout, self._rung.parts)

    def _described_steps(self) -> tuple[str, ...]:
        """Describe what a place's first process does, with plain names for the folders that it uses."""
        user = "user" in self._rung.parts
        layout = self._layout(
            Path("/base"), Path("/image"), Path("/places/0/scratch"), Path("/stage"), inner=not user
        )
        layout = replace(layout, bound=("…",), join=join(self._rung.network, 0) if self._veth else None)
        return tuple(step.describe() for step in self._steps(layout))

    def _refusal(self) -> Probe | None:
        """Refuse without trying what this user may not use: networks and controllers."""
        if self._rung.below and self._veth and os.getuid():
            reason = say(
                "container.network_no_rung",
                "an ordinary user's places with a network share a user namespace, so this is no rung above {below}",
                below=self._rung.below,
            )
            remedy = say(
                "remedy.connected_or_root",
                "measure {name}:{network}, or run as root",
                name=KIND,
                network=self._rung.network,
            )
            return Probe(ok=False, reason=reason, remedy=remedy)
        if self._rung.name.startswith("cgroup:"):
            (controller,) = self._rung.controllers
            if not self._cgroups.offers(controller):
                reason = say(
                    "container.no_controller",
                    "this user may not use the cgroup controller {name} here",
                    name=controller,
                )
                return Probe(ok=False, reason=reason, remedy=CGROUP_REMEDY)
        return None

    def _layout(self, base: Path, tree: Path, scratch: Path, staging: Path, *, inner: bool = False) -> Layout:
        user = "user" in self._rung.parts
        privileged = self._rung.name == PRIVILEGED
        masked = [Path("/", name) for name in MASKED if not privileged]
        return Layout(
            base=base,
            tree=tree,
            locked=(_locked(base), _locked(tree)) if user and base.exists() else (0, 0),
            staging=staging,
            scratch=scratch,
            upper_bytes=UPPER_BYTES,
            hostname="tare",
            owner=(os.getuid(), os.getgid()),
            read_only=tuple(name for name in READ_ONLY if Path("/proc", name).exists() and not privileged),
            sys_read_only=not privileged,
            masked_files=tuple(str(path)[1:] for path in masked if path.is_file()),
            masked_folders=tuple(str(path)[1:] for path in masked if path.is_dir()),
            inner=inner,
        )

    def _probe_parent(self) -> Path:
        """Choose the folder to probe in: the work folder, whose file system counts, or its parent if it is missing."""
        workdir = self._context.workdir
        return workdir if workdir.is_dir() else workdir.parent

    @property
    def _veth(self) -> bool:
        return self._rung.network != "none"

    def _router(self) -> tuple[Step, ...]:
        """List the steps to the network of the places' launcher; none if they have none."""
        if not self._veth:
            return ()
        owner = (os.getuid(), os.getgid()) if "user" in self._rung.parts else None
        return router(self._rung.network, owner)

    def _connected(self, launcher: Launcher, undo: ExitStack) -> VethNetwork | None:
        """Make the network of that launcher's places; ``None`` if they have none."""
        if not self._veth:
            return None
        network = VethNetwork(self._rung.network)
        undo.callback(network.close)
        network.connect(self._context.launcher, launcher, self._context.run)
        return network

    def _try(self, layout: Layout) -> None:
        """Make such a container once. That its program is not found in the empty root proves that it was made."""
        environ = {"TARE_RUN": self._context.run}
        with ExitStack() as undo:
            launcher = self._context.launcher
            if self._veth:
                launcher = undo.enter_context(launcher.inside(self._router(), environ))
                self._connected(launcher, undo)
                layout = replace(layout, join=join(self._rung.network, 0))
            request = SpawnRequest(("/nothing-is-here",), environ=environ, steps=self._steps(layout))
            spawned = launcher.spawn(request)
            try:
                if launcher.wait(spawned.id, _PROBE_SECONDS) is None:
                    launcher.kill(spawned.id)
                    raise LauncherError(say(
                        "namespaces.slow", "making a container takes more than {probe_seconds} s",
                        probe_seconds=f"{_PROBE_SECONDS:g}",
                    ))  # fmt: skip
            except SpawnError as error:
                if not error.program:
                    raise


def make(supplies: Supplies, name: str) -> Namespaces:
    """Make the runner for the registry."""
    return Namespaces(supplies.context, name=name)


def _bound_names(tree: Path) -> tuple[str, ...]:
    """List the names in the image's top folder to bind if there is no overlayfs; symbolic links are copied instead."""
    return tuple(
        sorted(path.name for path in tree.iterdir() if path.name not in _OWN and not path.is_symlink())
    )


def _locked(path: Path) -> int:
    """Read the flags of a path's mount that a user namespace may not clear (alike in statvfs(3) and mount(2))."""
    return os.statvfs(path).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)


def _build_base(folder: Path, tree: Path, bound: Sequence[str] = (), *, devices: bool) -> Path:
    """Make the root's top layer, mount points and /dev, once per runner. The image's tree stays as it is.

    With ``bound`` it is a root by itself, with a mount point for each of these names and the image's links.
    """
    base = folder / "base"
    for name in ("dev/pts", "proc", "sys", "scratch"):
        (base / name).mkdir(parents=True)
    for name in ("tmp", "dev/shm"):
        (base / name).mkdir()
        (base / name).chmod(0o1777)
    for name in bound:
        if (tree / name).is_dir():
            (base / name).mkdir()
        else:
            (base / name).touch()
    for link in tree.iterdir() if bound else ():
        if link.is_symlink() and link.name not in _OWN:
            (base / link.name).symlink_to(link.readlink())
    for name, (major, minor) in DEVICES.items():
        if devices:
            os.mknod(base / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
            (base / "dev" / name).chmod(0o666)
        else:  # the host's device file is bound to it
            (base / "dev" / name).touch()
    for name, target in LINKS.items():
        (base / "dev" / name).symlink_to(target)
    open_to_readers(base)
    return base
