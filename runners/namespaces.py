"""Our own container: namespaces, overlayfs, cgroup limits, few capabilities, a system call filter.

Works as root and as an ordinary user. As an ordinary user it begins with a user namespace, and needs a host that
permits that; cgroup limits need a delegated cgroup. Which steps make it: :mod:`runners.isolation`.

Timeline: ``requested`` is stamped when the place's cgroups are made and entered (see launcher.c), ``gone`` when its
first process is reaped, which the kernel lets happen after all others of its pid namespace are, and its cgroups are
removed.
"""

from __future__ import annotations

import itertools
import os
import platform
import stat
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runners.host.cgroups import Cgroups
from runners.isolation import DEVICES, LINKS, READ_ONLY, RUNGS, Layout, container_steps, inner_steps
from runners.launched import LaunchedPlace, Plan
from runners.launcher.client import LauncherError, SpawnError, SpawnRequest
from runners.model import Probe, TareError
from runners.place import file_system, remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.record import Accelerator
    from runners.images.image import Image
    from runners.launcher.client import Launcher
    from runners.model import Job, Limits, RunContext

UPPER_BYTES = 256 << 20
"""At most for what jobs write outside of /scratch, and half of the memory limit: it is memory, and counted as such."""
_PROBE_SECONDS = 2.0


def rungs_of(name: str, *, root: bool) -> tuple[str, ...]:
    """The rungs that a runner's name stands for.

    ``namespaces`` is the full container, ``namespaces:+pid`` all rungs up to ``pid``. An ordinary user has
    ``user`` in all of them, root has it only when asked for.

    Raises:
        TareError: there is no such rung.
    """
    _, _, last = name.partition(":")
    last = last.removeprefix("+")
    if last in {"", "full"}:
        return tuple(rung for rung in RUNGS if not root or rung != "user")
    if last not in RUNGS:
        raise TareError(f"{name}: there is no rung {last!r}; known are {', '.join(RUNGS)} and full")
    chosen = RUNGS[: RUNGS.index(last) + 1]
    return chosen if root or "user" in chosen else (*chosen, "user")


class Namespaces:
    """See :class:`runners.model.Runner`."""

    accelerator: Accelerator = "none"

    def __init__(
        self, context: RunContext, rungs: Iterable[str] | None = None, *, name: str = "namespaces"
    ) -> None:
        """``rungs``: of :data:`runners.isolation.RUNGS`; by default what the name stands for."""
        self.name = self.label = name
        self._context = context
        self._rungs = tuple(rungs) if rungs is not None else rungs_of(name, root=os.getuid() == 0)
        self._cgroups = Cgroups.detect()
        self._numbers = itertools.count()
        self._undo = ExitStack()
        self._prepared: tuple[Image, Limits, Launcher, Layout] | None = None
        self._folder = context.workdir / name.replace(":", "-").replace("+", "")

    def probe(self) -> Probe:
        """See :class:`runners.model.Runner`. Makes a container of the real steps, with this very launcher in it."""
        user = "user" in self._rungs
        with tempfile.TemporaryDirectory(prefix="tare-probe-", dir=self._probe_parent()) as temporary:
            folder = Path(temporary)
            tree = folder / "tree"
            tree.mkdir()
            layout = self._layout(
                _build_base(folder, devices=not user), tree, folder / "scratch", folder / "stage"
            )
            layout.scratch.mkdir()
            layout.staging.mkdir()
            try:
                self._try(layout)
            except (SpawnError, LauncherError) as error:
                return Probe(ok=False, reason=str(error), remedy=_remedy(error, user=user))
        return Probe(ok=True, facts={"rungs": list(self._rungs), "cgroups": self._cgroups.version})

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`runners.model.Runner`."""
        self.close()
        user = "user" in self._rungs
        self._folder.mkdir(parents=True)
        self._undo.callback(remove_tree, self._folder)
        base = _build_base(self._folder, devices=not user)
        places = self._context.workdir / "places"
        places.mkdir(exist_ok=True)
        stage = self._folder / "stage"
        stage.mkdir()
        if user:
            launcher = self._context.launcher
            layout = self._layout(base, image.tree, places, stage)
        else:
            folders = {"base": base, "tree": image.tree, "places": places}
            launcher = self._undo.enter_context(
                self._context.launcher.inside(inner_steps(folders, stage), {"TARE_RUN": self._context.run})
            )
            layout = self._layout(Path("/base"), Path("/tree"), Path("/places"), Path("/stage"), inner=True)
        layout = replace(layout, upper_bytes=min(UPPER_BYTES, limits.memory_bytes // 2))
        self._prepared = image, limits, launcher, layout

    def open(self, first: Job | None = None) -> LaunchedPlace:
        """See :class:`runners.model.Runner`."""
        if self._prepared is None:
            raise TareError(f"{self.name} was opened before it was prepared")
        image, limits, launcher, layout = self._prepared
        name = f"{self._folder.name}-{next(self._numbers)}"
        plan = Plan(
            context=self._context,
            name=name,
            launcher=launcher,
            limits=limits,
            agent=image.agent,
            root="/",
            scratch="/scratch",
            steps=container_steps(replace(layout, scratch=layout.scratch / name / "scratch"), self._rungs),
            facts=self._facts(),
            cgroups=self._cgroups if "cgroup" in self._rungs else None,
            host_address=None if "net" in self._rungs else "127.0.0.1",
            remove_within=True,
            count_processes="user" in self._rungs,
        )
        return LaunchedPlace(plan, first)

    def close(self) -> None:
        """See :class:`runners.model.Runner`."""
        self._prepared = None
        self._undo.close()
        self._cgroups.remove_run(self._context.run)

    def _facts(self) -> dict[str, object]:
        return {
            "kernel": platform.release(),
            "root": "overlayfs, writes to tmpfs",
            "network": "none, loopback only" if "net" in self._rungs else "host",
            "scratch_file_system": file_system(self._context.workdir),
            "rungs": ",".join(self._rungs),
            "user_namespace": "user" in self._rungs,
        }

    def _layout(self, base: Path, tree: Path, scratch: Path, staging: Path, *, inner: bool = False) -> Layout:
        return Layout(
            lower=(base, tree),
            staging=staging,
            scratch=scratch,
            upper_bytes=UPPER_BYTES,
            hostname="tare",
            owner=(os.getuid(), os.getgid()),
            read_only=tuple(name for name in READ_ONLY if Path("/proc", name).exists()),
            inner=inner,
        )

    def _probe_parent(self) -> Path:
        """The work folder, whose file system is the one that counts; if it is not there yet, its parent."""
        workdir = self._context.workdir
        return workdir if workdir.is_dir() else workdir.parent

    def _try(self, layout: Layout) -> None:
        """Make such a container once; a program that cannot be started in its empty root is the proof."""
        launcher = self._context.launcher
        spawned = launcher.spawn(
            SpawnRequest(
                ("/nothing-is-here",),
                environ={"TARE_RUN": self._context.run},
                steps=container_steps(layout, self._rungs),
            )
        )
        try:
            if launcher.wait(spawned.id, _PROBE_SECONDS) is None:
                launcher.kill(spawned.id)
                raise LauncherError(f"making a container takes more than {_PROBE_SECONDS:g} s")
        except SpawnError as error:
            if not error.program:
                raise


def _build_base(folder: Path, *, devices: bool) -> Path:
    """The root's top layer: mount points and /dev. Made once; the image's tree stays as it is."""
    base = folder / "base"
    for name in ("dev/pts", "proc", "sys", "scratch"):
        (base / name).mkdir(parents=True)
    for name in ("tmp", "dev/shm"):
        (base / name).mkdir()
        (base / name).chmod(0o1777)
    for name, (major, minor) in DEVICES.items():
        if devices:
            os.mknod(base / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
            (base / "dev" / name).chmod(0o666)
        else:  # the host's own is mounted on it
            (base / "dev" / name).touch()
    for name, target in LINKS.items():
        (base / "dev" / name).symlink_to(target)
    return base


def _remedy(error: TareError, *, user: bool) -> str:
    """What would change the refusal, from what the host says of itself."""
    if not user:
        return "run where CAP_SYS_ADMIN is given: not in an unprivileged container"
    for name, bad, remedy in (
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ):
        try:
            if Path("/proc/sys", name).read_text("ascii").strip() == bad:
                return f"as root: `{remedy}`, or run as root"
        except OSError:
            continue
    if "overlay" in str(error):
        return "overlayfs in a user namespace needs Linux 5.11 or later; or run as root"
    return "run as root"
