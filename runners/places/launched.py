"""Run places whose agent the launcher makes directly: ``bare`` and ``namespaces``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.host.cgroups.group import discard
from tare.runners.host.cgroups.limits import CONTROLLERS
from tare.runners.host.disks import disk_of
from tare.runners.launcher.processes import SpawnRequest
from tare.runners.native.sealed import sealed
from tare.runners.places.host import HostPlace, PlacePlan, resource_limits

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.host.cgroups.layout import Cgroups
    from tare.runners.launcher.steps.base import Step
    from tare.runners.model import Job
    from tare.runners.places.folders import PlaceFolder


class LaunchPlan(PlacePlan, frozen=True, kw_only=True):
    """A runner's order for a place whose agent the launcher makes."""

    agent: Path
    folder: PlaceFolder | None = None
    """The place's folder, lent by its runner; ``None``: make one."""
    steps: tuple[Step, ...]
    cgroups: Cgroups | None
    """Hierarchies to make the place's cgroups in; ``None``: make none."""
    controllers: tuple[str, ...] = CONTROLLERS
    """Controllers to use."""
    remove_within: bool = False
    """Remove a cold start's cgroups within its timeline. A place that runs many jobs keeps its cgroups to the end: they
    tell why an agent was killed."""
    count_processes: bool = False
    """RLIMIT_NPROC counts the place's processes only, not all of this user's."""


class LaunchedPlace(HostPlace):
    """See :class:`tare.runners.model.Place`."""

    what = say("place.agent", "the place's agent")

    def __init__(self, plan: LaunchPlan, first: Job | None) -> None:
        self._plan = plan
        self._cgroup_left = False
        """A cgroup could not be removed, so its name must not be used again."""
        super().__init__(plan, first)

    def _make_scratch(self, plan: PlacePlan) -> Path:
        lent = self._plan.folder
        if lent is None:
            return super()._make_scratch(plan)
        self._undo.callback(lambda: lent.give_back(alone=self._gone is not None and not self._cgroup_left))
        return lent.scratch

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        plan = self._plan
        if plan.cgroups is None:
            return None, "none"
        disk = disk_of(plan.context.workdir)
        cgroup = plan.cgroups.create(
            plan.context.run, plan.name, plan.limits, disk=disk, only=plan.controllers
        )
        self._undo.callback(self._discard, cgroup)
        return cgroup if cgroup.folders else None, cgroup.describe()

    def _discard(self, cgroup: Cgroup) -> None:
        """Remove the place's cgroups, unless the launcher has."""
        removed = self._removes_within() and self._gone is not None and not self._gone.remove_error
        if not removed:
            self._cgroup_left = True
            discard(cgroup)
            self._cgroup_left = False

    def _removes_within(self) -> bool:
        """Tell whether the launcher removes the place's cgroups within its timeline."""
        return self._plan.remove_within and self._first is not None

    def _request(self, channel: int, opened: ExitStack, *, quiet: bool) -> SpawnRequest:
        del opened  # the sealed agent stays open for the next place
        plan = self._plan
        cgroup = self._cgroup
        return SpawnRequest(
            ("tare-agent", plan.context.run, "3"),
            environ={"TARE_RUN": plan.context.run},
            program=sealed(plan.agent),
            fds={3: channel},
            steps=(*resource_limits(plan.limits, cgroup, alone=plan.count_processes), *plan.steps),
            cgroup=cgroup.unified if cgroup else None,
            tasks=tuple(cgroup.tasks) if cgroup else (),
            remove=tuple(cgroup.all_folders) if cgroup and self._removes_within() else (),
            quiet=quiet,
            sweep=True,
        )
