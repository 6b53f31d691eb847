"""Describe one container to be made: what ``docker run`` and ``podman run`` have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tare.runners.containers.engines.clearing import label
from tare.runners.images.image import AGENT
from tare.runners.places.commanded import CommandPlan, agent_argv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.runners.context import RunContext
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.launcher.client import Launcher
    from tare.runners.model import Job, Limits

HELLO_SECONDS = 60.0
"""Time limit for the agent's first message."""
LEAVE_SECONDS = 20.0
"""Time limit for the container's removal on a busy disk."""


@dataclass(frozen=True, slots=True)
class Client:
    """Call of an engine's client that runs one container."""

    what: str
    """The command's name in messages: ``docker run``."""
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    launcher: Launcher
    undo: Callable[[], None]
    """Removes the container if the client did not."""
    sweep: bool = True
    """See :attr:`tare.runners.places.commanded.CommandPlan.sweep`."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Conditions that all places of a prepared runner share."""

    limits: Limits
    facts: Mapping[str, object] = field(default_factory=dict)
    """For the places' context."""
    host_address: str | None = None
    """See :class:`tare.runners.model.Place`."""
    bridge_network: str | None = None
    """See :class:`tare.runners.places.host.PlacePlan`."""
    achieved: Cgroup | None = None
    """Cgroups of the trial place, with the limits read back from them; ``None`` before there was one."""

    @property
    def described(self) -> str:
        """Cgroups of the trial place in words; empty before there was one."""
        return self.achieved.describe() if self.achieved else ""

    def expected_cgroup(self, run: str, place: str) -> Cgroup | None:
        """Predict the limits of a place that ends before it can be looked up: those of the trial place."""
        if self.achieved is None:
            return None
        return replace(self.achieved, run=run, name=place, folders={}, tasks=[], parents=[])


@dataclass(frozen=True, slots=True)
class Container:
    """Names of one container. Nothing is made in an engine yet."""

    context: RunContext
    place: str
    """The place's name, unique in the run."""

    @property
    def name(self) -> str:
        """The container's name in the engine."""
        return f"tare-{self.context.run}-{self.place}"

    @property
    def scratch(self) -> Path:
        """The host's folder that the container has as ``/scratch``."""
        return self.context.workdir / "places" / self.place / "scratch"

    def run_arguments(self, tag: str, *options: str) -> tuple[str, ...]:
        """Compose ``run`` and everything behind it. The image's entry point is the agent."""
        return (
            *("run", "--interactive", "--rm", "--pull", "never"),
            *("--name", self.name, "--label", label(self.context.run), "--hostname", "tare"),
            *options,
            *("--mount", f"type=bind,source={self.scratch},target=/scratch"),
            tag,
            *agent_argv(f"/{AGENT}", self.context.run, self.place)[1:],
        )

    def plan(self, client: Client, terms: Terms, first: Job | None) -> CommandPlan:
        """Plan the place that the client makes. ``first``: its only job, if it has but one."""
        return CommandPlan(
            context=self.context,
            name=self.place,
            launcher=client.launcher,
            limits=terms.limits,
            root="/",
            scratch="/scratch",
            facts=terms.facts,
            host_address=terms.host_address,
            bridge_network=terms.bridge_network,
            what=client.what,
            argv=client.argv,
            environ=client.environ,
            expected_cgroup=terms.expected_cgroup(self.context.run, self.place) if first else None,
            hello_seconds=HELLO_SECONDS,
            leave_seconds=LEAVE_SECONDS,
            sweep=client.sweep,
            undo=client.undo,
        )
