"""One container to be: what ``docker run`` and ``podman run`` have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
LEAVE_SECONDS = 20.0
"""For the container to be removed, on a busy disk."""


@dataclass(frozen=True, slots=True)
class Container:
    """Its names; made in an engine is nothing yet."""

    context: RunContext
    place: str
    """The place's name, unique in the run."""

    @property
    def name(self) -> str:
        """In the engine."""
        return f"tare-{self.context.run}-{self.place}"

    @property
    def scratch(self) -> Path:
        """The host's folder that it has as ``/scratch``."""
        return self.context.workdir / "places" / self.place / "scratch"

    def run_arguments(self, tag: str, *options: str) -> tuple[str, ...]:
        """``run`` and what follows it; the image's entry point is the agent itself."""
        return (
            *("run", "--interactive", "--rm", "--pull", "never"),
            *("--name", self.name, "--label", label(self.context.run), "--hostname", "tare"),
            *options,
            *("--mount", f"type=bind,source={self.scratch},target=/scratch"),
            tag,
            *agent_argv(f"/{AGENT}", self.context.run, self.place)[1:],
        )

    def plan(
        self, engine: str, argv: tuple[str, ...], environ: Mapping[str, str], *, launcher: Launcher, limits: Limits,
        facts: Mapping[str, object], host_address: str | None, achieved: Cgroup | None, first: Job | None,
        undo: Callable[[], None], sweep: bool = True,
    ) -> CommandPlan:  # fmt: skip
        """The place's.

        Args:
            engine: ``docker`` or ``podman``.
            argv: the client's whole command line.
            environ: the client's.
            launcher: makes the client.
            limits: what the context says of them.
            facts: for the context.
            host_address: see :class:`tare.runners.model.Place`.
            achieved: the cgroups of a trial place. They foretell those of a place that lives too short to be looked at.
            first: the place's only job, if it has but one.
            undo: removes the container if the client did not.
            sweep: see :attr:`CommandPlan.sweep`.
        """
        foretold = achieved and replace(
            achieved, run=self.context.run, name=self.place, folders={}, tasks=[], parents=[]
        )
        return CommandPlan(
            context=self.context,
            name=self.place,
            launcher=launcher,
            limits=limits,
            root="/",
            scratch="/scratch",
            facts=facts,
            host_address=host_address,
            what=f"{engine} run",
            argv=argv,
            environ=environ,
            foretold=foretold if first else None,
            hello_seconds=HELLO_SECONDS,
            leave_seconds=LEAVE_SECONDS,
            sweep=sweep,
            undo=undo,
        )
