"""A place whose agent the launcher makes on this host's kernel: what ``bare`` and ``namespaces`` have in common."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runners.host.cgroups import CONTROLLERS
from runners.host.disks import disk_of
from runners.launcher.client import SpawnRequest
from runners.launcher.steps import SetLimit
from runners.place import HostPlace, PlacePlan, discard

if TYPE_CHECKING:
    from contextlib import ExitStack

    from runners.host.cgroups import Cgroup, Cgroups
    from runners.launcher.steps import Step
    from runners.model import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(PlacePlan):
    """How a runner wants its place."""

    agent: Path
    steps: tuple[Step, ...]
    cgroups: Cgroups | None
    """``None``: no cgroup is wanted."""
    controllers: tuple[str, ...] = CONTROLLERS
    """Of the cgroups, those that are wanted."""
    remove_within: bool = False
    """The removal of a cold start's cgroups belongs to its timeline. A place that runs many jobs keeps them to the
    end: they say why an agent was killed."""
    count_processes: bool = False
    """RLIMIT_NPROC counts the place's processes only, not all of this user."""


class LaunchedPlace(HostPlace):
    """See :class:`runners.model.Place`."""

    what = "the place's agent"

    def __init__(self, plan: Plan, first: Job | None) -> None:
        self._plan = plan
        super().__init__(plan, first)

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        plan = self._plan
        if plan.cgroups is None:
            return None, "none"
        disk = disk_of(plan.context.workdir)
        cgroup = plan.cgroups.create(
            plan.context.run, plan.name, plan.limits, disk=disk, only=plan.controllers
        )
        self._undo.callback(discard, cgroup)
        return cgroup if cgroup.folders else None, cgroup.describe()

    def _request(self, channel: int, opened: ExitStack, *, quiet: bool) -> SpawnRequest:
        plan = self._plan
        agent = os.open(plan.agent, os.O_PATH | os.O_CLOEXEC)
        opened.callback(os.close, agent)
        cgroup = self._cgroup
        return SpawnRequest(
            ("tare-agent", plan.context.run, "3"),
            environ={"TARE_RUN": plan.context.run},
            program=agent,
            fds={3: channel},
            steps=(*_resource_limits(plan, cgroup), *plan.steps),
            cgroup=cgroup.unified if cgroup else None,
            tasks=tuple(cgroup.tasks) if cgroup else (),
            remove=tuple(cgroup.all_folders) if cgroup and plan.remove_within and self._first else (),
            quiet=quiet,
            sweep=True,
        )


def _resource_limits(plan: Plan, cgroup: Cgroup | None) -> tuple[Step, ...]:
    """Limits that every process has for itself, below what it may not exceed anyway."""
    steps = []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = plan.limits.scratch_bytes if hard < 0 else min(plan.limits.scratch_bytes, hard)
    steps.append(SetLimit("file size", resource.RLIMIT_FSIZE, size, size))
    if not cgroup or "pids" not in cgroup.achieved:
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        count = plan.limits.pids + (0 if plan.count_processes else _own_threads())
        count = count if hard < 0 else min(count, hard)
        steps.append(SetLimit("processes", resource.RLIMIT_NPROC, count, count))
    return tuple(steps)


def _own_threads() -> int:
    """Threads of this user now: RLIMIT_NPROC counts all of them."""
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    count += sum(1 for _ in (entry / "task").iterdir())
    return count
