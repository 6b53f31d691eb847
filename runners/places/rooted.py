"""Define runners whose command gets a root that the launcher's child has mounted.

This is the common part of OCI runtimes, bubblewrap, systemd-nspawn and LXC. Before it executes the command, the
launcher's child enters a mount namespace of its own and mounts the place's root there: the image's tree below a tmpfs
that takes the writes, as in our own container. So every place has a private, writable root of the same files. The
host's mount table never shows it, and it vanishes with the place. As for our own container, this work is in the
timeline. An ordinary user's command gets a user namespace first, in which that user is root.
"""

from __future__ import annotations

import itertools
import os
import platform
import shutil
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.environment import ToolFacts
from tare.results.said import say
from tare.runners.errors import Missing, PlaceFailure, TareError, not_prepared
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import file_system
from tare.runners.host.trees import discard_tree, open_to_readers
from tare.runners.images.build import AGENT_SOURCE
from tare.runners.images.image import AGENT, Image
from tare.runners.launcher.steps.files import MakeDirectory
from tare.runners.launcher.steps.mounts import MS_NOSUID, MS_PRIVATE, MS_REC, Mount, escape
from tare.runners.launcher.steps.namespaces import MapUser, NewNamespace
from tare.runners.model import Job, Limits, Probe
from tare.runners.native.build import build
from tare.runners.places.commanded import CommandedPlace, CommandPlan, agent_argv
from tare.runners.places.created import CreatedPlace, CreatedPlan
from tare.runners.provision.tools import NOT_HERE_YET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext
    from tare.runners.launcher.client import Launcher
    from tare.runners.launcher.steps.base import Step
    from tare.runners.provision.tools import Provision, Tool

UPPER_BYTES = 256 << 20
"""Most bytes that jobs may write outside /scratch, and at most half of the memory limit, since they are memory."""

MOUNT_POINTS = ("dev", "proc", "sys", "scratch", "run", "tmp", "usr", "etc")
"""Folders in every root for commands to mount on."""

_PROBE_LIMITS = Limits(cpus=1, memory_bytes=128 << 20, scratch_bytes=16 << 20)


class Making(msgspec.Struct, frozen=True, kw_only=True):
    """The ingredients of one place's command line."""

    name: str
    """Name of the place."""
    container: str
    """Name of the container, ``tare-<run>-<name>``."""
    agent: tuple[str, ...]
    """The agent's command line, with paths as jobs see them."""
    root: Path
    """Path of the private, writable root as the command sees it."""
    folder: Path
    """The place's own folder on the host."""
    limits: Limits
    tool: Tool
    """The program that makes the container."""


class _Prepared(msgspec.Struct, frozen=True):
    image: Image
    limits: Limits
    tool: Tool
    launcher: Launcher
    steps: tuple[Step, ...]
    staging: Path


class RootedRunner(ABC):
    """See :class:`tare.runners.context.Runner`."""

    accelerator: Accelerator = "none"
    tool_name: str
    """Name of the program for :meth:`Provision.tool`."""
    for_users = True
    """True if ordinary users can run it, in a user namespace."""

    def __init__(self, context: RunContext, provision: Provision, name: str) -> None:
        self.name = self.label = name
        self._context, self._provision = context, provision
        self._cgroups = Cgroups.detect()
        self._numbers = itertools.count()
        self._undo = ExitStack()
        self._prepared: _Prepared | None = None
        self.achieved: Mapping[str, Any] = {}
        """Limits seen to be in force, with the keys of :attr:`Cgroup.achieved`."""
        self._folder = context.workdir / name.replace(":", "-")
        self._user = os.getuid() != 0

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`. If the program is on the host, a container is made with it."""
        if self._user and not self.for_users:
            return Probe(
                ok=False,
                reason=say("place.needs_root", "{name} needs root", name=self.name),
                remedy=say("remedy.root_or_without", "run as root, or leave {name} out", name=self.name),
            )
        tool = self._provision.here(self.tool_name)
        try:
            if tool is None and not self._provision.can_fetch(self.tool_name):
                tool = self._provision.tool(self.tool_name)  # says why not
            if tool is None:
                return Probe(ok=True, facts=ToolFacts(tool=NOT_HERE_YET))
            with _TinyImage(self._context, self._folder.name) as image:
                self.prepare(image, _PROBE_LIMITS)
        except (TareError, OSError) as error:
            return refusal_of(
                error,
                say(
                    "remedy.without_runner",
                    "run without {name}, or install another version of it",
                    name=self.name,
                ),
            )
        finally:
            self.close()
        facts = ToolFacts(tool=tool.version, origin=tool.origin, user_namespace=self._user)
        return Probe(ok=True, facts=facts)

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`. An unmeasured opening at the end shows that everything works."""
        self.close()
        tool = self._provision.tool(self.tool_name)
        self.found(tool)
        self._folder.mkdir(parents=True)
        self._undo.callback(discard_tree, self._folder)
        base, staging = self._folder / "base", self._folder / "stage"
        staging.mkdir()
        for name in MOUNT_POINTS:
            (base / name).mkdir(parents=True)
        (base / "tmp").chmod(0o1777)
        self.fill_base(base, tool)
        open_to_readers(base)
        size = min(UPPER_BYTES, limits.memory_bytes // 2)
        steps = root_steps((base, image.tree), staging, size, user=self._user)
        launcher = self.own_launcher(self._undo) or self._context.launcher
        self._prepared = _Prepared(image, limits, tool, launcher, (*steps, *self.more_steps()), staging)
        try:
            with self.open() as place:
                place.run(Job())
                self.achieved = place.limited
        except BaseException:
            self.close()
            raise

    def open(self, first: Job | None = None) -> CommandedPlace:
        """See :class:`tare.runners.context.Runner`."""
        plan = self.next_plan()
        return CreatedPlace(plan, first) if isinstance(plan, CreatedPlan) else CommandedPlace(plan, first)

    def next_plan(self) -> CommandPlan:
        """Plan the next place without making it; other tools may run and time its command as well."""
        if self._prepared is None:
            raise not_prepared(self.name)
        ready = self._prepared
        name = f"{self._folder.name}-{next(self._numbers)}"
        making = Making(
            name=name,
            container=f"tare-{self._context.run}-{name}",
            agent=agent_argv(f"/{AGENT}", self._context.run, name),
            root=ready.staging / "root",
            folder=self._context.workdir / "places" / name,
            limits=ready.limits,
            tool=ready.tool,
        )
        plan = CommandPlan(
            context=self._context,
            name=name,
            launcher=ready.launcher,
            limits=ready.limits,
            root="/",
            scratch="/scratch",
            facts=self._facts(ready.tool),
            host_address=None,
            what=self.name,
            argv=(),
            environ=ready.tool.environ,
            steps=ready.steps,
        )
        making.folder.mkdir(parents=True)
        return self.complete(plan, making)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self.achieved = {}
        self._undo.close()
        self._cgroups.remove_run(self._context.run)

    @abstractmethod
    def complete(self, plan: CommandPlan, making: Making) -> CommandPlan:
        """Complete a plan: add the command line, and who makes which cgroups."""

    @abstractmethod
    def facts(self) -> Mapping[str, object]:
        """Describe for the context what is special about these places: mounts, capabilities, filters."""

    def found(self, tool: Tool) -> None:
        """Learn from the program that was found; its version may be part of the label."""
        del tool

    def fill_base(self, base: Path, tool: Tool) -> None:
        """Put more files into the layer above the image's tree."""
        del base, tool

    def more_steps(self) -> tuple[Step, ...]:
        """List further steps of the launcher's child before it executes the command."""
        return ()

    def own_launcher(self, undo: ExitStack) -> Launcher | None:
        """Start a launcher of this runner's own if its commands leave processes behind."""
        del undo
        return None

    def _facts(self, tool: Tool) -> dict[str, object]:
        return {
            "kernel": platform.release(),
            "root": "overlayfs, writes to tmpfs",
            "network": "none, loopback only",
            "scratch_file_system": file_system(self._context.workdir),
            "user_namespace": self._user,
            "runtime": tool.version,
            **self.facts(),
        }


class _TinyImage:
    """A context manager that makes an image of the agent alone."""

    def __init__(self, context: RunContext, name: str) -> None:
        self._context, self._folder = context, context.workdir / f"probe-{name}"

    def __enter__(self) -> Image:
        tree = self._folder / "tree"
        tree.mkdir(parents=True)
        self._folder.chmod(0o755)
        shutil.copy(build(AGENT_SOURCE, self._context.cache), tree / AGENT)
        return Image(key="probe", tree=tree, layers=(), programs={}, libraries={})

    def __exit__(self, *_error: object) -> None:
        discard_tree(self._folder)


def root_steps(lower: Iterable[Path], staging: Path, upper_bytes: int, *, user: bool) -> tuple[Step, ...]:
    """List the steps that make a private, writable root at ``staging/root``.

    Args:
        lower: layers of the root, top first.
        staging: an empty folder.
        upper_bytes: size of the tmpfs that takes the writes.
        user: begin with a user namespace in which we are root.
    """
    stage = escape(staging)
    options = f"lowerdir={':'.join(map(escape, lower))},upperdir={stage}/upper,workdir={stage}/work"
    return (
        *((NewNamespace("user"), MapUser(os.getuid(), os.getgid())) if user else ()),
        NewNamespace("mount"),
        Mount("/", flags=MS_REC | MS_PRIVATE),
        Mount(str(staging), "tmpfs", "tmpfs", MS_NOSUID, f"size={upper_bytes},mode=755"),
        *(MakeDirectory(f"{staging}/{name}") for name in ("upper", "work", "root")),
        Mount(f"{staging}/root", "overlay", "overlay", 0, options + (",userxattr" if user else "")),
    )


def refusal_of(error: Exception, remedy: str) -> Probe:
    """Turn what kept a runner from working into a probe's answer."""
    if isinstance(error, Missing):
        return Probe(ok=False, reason=error.reason, remedy=error.remedy or remedy)
    if isinstance(error, PlaceFailure):
        return Probe(ok=False, reason=error.reason, remedy=error.remedy or remedy)
    return Probe(ok=False, reason=str(error), remedy=remedy)
