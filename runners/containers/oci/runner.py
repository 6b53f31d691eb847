"""Run containers by an OCI runtime from a bundle: ``runc``, ``crun``, ``youki``, ``runsc``, ``kata``.

``RUNTIME`` runs a container by one command, ``RUNTIME:create-start`` by three. The runtime itself makes the cgroups and
sets the limits, as it does for engines. An ordinary user's runtime cannot, so Tare does as far as it may. All state is
in the run's work folder (``--root``).
"""

from __future__ import annotations

import json
import platform
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tare.results.said import say
from tare.runners.containers.oci.config import Bundle, config
from tare.runners.containers.oci.runtimes import CREATE_START, RUNTIMES
from tare.runners.errors import PlaceFailure
from tare.runners.host.cgroups.membership import expected_cgroup
from tare.runners.host.disks import disk_of
from tare.runners.host.endings import last_words
from tare.runners.host.programs import run_quietly
from tare.runners.launcher.client import Launcher
from tare.runners.launcher.steps.mounts import Mount
from tare.runners.places.created import CreatedPlan
from tare.runners.places.rooted import RootedRunner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from tare.runners.context import RunContext, Supplies
    from tare.runners.launcher.steps.base import Step
    from tare.runners.places.commanded import CommandPlan
    from tare.runners.places.rooted import Making
    from tare.runners.provision.tools import Provision, Tool

_DELETE_SECONDS = 10.0


class OciRunner(RootedRunner):
    """See :class:`tare.runners.context.Runner`."""

    def __init__(self, context: RunContext, provision: Provision, name: str) -> None:
        """Take the whole name: ``RUNTIME`` or ``RUNTIME:create-start``."""
        kind, _, variant = name.partition(":")
        self._runtime = RUNTIMES[kind]
        self._apart = variant == CREATE_START
        self.tool_name, self.for_users = self._runtime.program or kind, self._runtime.for_users
        super().__init__(context, provision, name)

    def complete(self, plan: CommandPlan, making: Making) -> CommandPlan:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        bundle = making.folder / "bundle"
        bundle.mkdir()
        ours = self._cgroups if self._user else None
        expected = None if self._user else expected_cgroup(self._cgroups, plan.context.run, plan.name)
        if expected:
            expected.achieved |= self.achieved
        content = Bundle(
            agent=making.agent,
            environ={"TARE_RUN": plan.context.run},
            root=making.root,
            scratch=making.folder / "scratch",
            limits=plan.limits,
            host_cpus=self._cgroups.host_cpus,
            disk=disk_of(plan.context.workdir),
            cgroups_path=f"/tare-{plan.context.run}/{plan.name}" if expected else "",
            limit_processes=self._user,
            filtered=self._runtime.shares_kernel,
        )
        (bundle / "config.json").write_text(json.dumps(config(content)), "utf-8")
        common = replace(
            plan,
            cgroups=ours,
            expected_cgroup=expected,
            same_clock=self._runtime.shares_kernel,
            undo=lambda: self._delete(making),
        )
        return self._by_three(common, making, bundle) if self._apart else self._by_one(common, making, bundle)

    def _by_one(self, plan: CommandPlan, making: Making, bundle: Path) -> CommandPlan:
        argv = (*self._front(making.tool), "run", "--bundle", str(bundle), making.container)
        return replace(plan, what=f"{self._runtime.name} run", argv=argv)

    def _by_three(self, plan: CommandPlan, making: Making, bundle: Path) -> CreatedPlan:
        front, pid_file = self._front(making.tool), bundle / "pid"
        changed: dict[str, Any] = {
            "what": f"{self._runtime.name} create",
            "argv": (
                *(*front, "create", "--bundle", str(bundle)),
                *("--pid-file", str(pid_file), making.container),
            ),
            "sweep": False,
        }
        return CreatedPlan(
            **msgspec.structs.asdict(plan) | changed,
            start=(*front, "start", making.container),
            delete=(*front, "delete", making.container),
            pid_file=pid_file,
        )

    def facts(self) -> Mapping[str, object]:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        shared = {
            "isolation": say(
                "fact.oci_isolation",
                "namespaces, capabilities and denied calls as in our full container; mounts and masked paths as `runc spec` has them",
            ),
        }
        own = {
            "kernel": say(
                "fact.own_kernel", "{name}'s own, on {release}", name=self.label, release=platform.release()
            ),
            "isolation": say(
                "fact.gvisor_isolation",
                "a kernel in user space answers the calls; namespaces and capabilities around it as given",
            ),
        }
        return {
            **(shared if self._runtime.shares_kernel else own),
            "commands": "create, start, delete" if self._apart else "run",
        }

    def found(self, tool: Tool) -> None:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        if self._runtime.label:
            self.label = f"{self.name}({self._runtime.label(tool.version)})"

    def more_steps(self) -> tuple[Step, ...]:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        unified = self._cgroups.unified
        if not (self._runtime.needs_v1_alone and self._cgroups.version == "hybrid" and unified):
            return ()
        # Hide the v2 hierarchy in the command's own mount namespace, since this runtime refuses a mixture.
        return (Mount(str(unified.top), "tmpfs", "tmpfs", 0, "size=4k,mode=555"),)

    def own_launcher(self, undo: ExitStack) -> Launcher | None:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        return undo.enter_context(Launcher.start(self._context.cache)) if self._apart else None

    def _front(self, tool: Tool) -> tuple[str, ...]:
        options = self._runtime.options + (self._runtime.user_options if self._user else ())
        return (*tool.argv("--root", str(self._folder / "state")), *options)

    def _delete(self, making: Making) -> None:
        """Remove what is left of a container that did not end well."""
        try:
            done = run_quietly(
                [*self._front(making.tool), "delete", "--force", making.container],
                env=dict(making.tool.environ),
                timeout=_DELETE_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._undeletable(str(error)) from error
        if done.returncode and self._state(making).exists():
            raise self._undeletable(last_words(done.stderr, done.returncode), done.stderr)

    def _state(self, making: Making) -> Path:
        return self._folder / "state" / making.container

    def _undeletable(self, why: str, log: str = "") -> PlaceFailure:
        return PlaceFailure(
            say("container.delete_failed", "{name} delete: {why}", name=self._runtime.name, why=why),
            remedy=say("remedy.still_running", "look for processes that still run in the container"),
            log=log,
        )


def make(supplies: Supplies, name: str) -> OciRunner:
    """Make the runner for the registry."""
    return OciRunner(supplies.context, supplies.provision, name)
