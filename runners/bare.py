"""Run jobs on bare metal: the agent is a plain child, in a cgroup of its own if that is permitted, and nothing else.

The image's tree is used in place. Without a cgroup, limits are enforced by rlimits (processes, file size) and by
watching (memory, scratch); the context says which.

Making and removing the cgroup is not in the timeline: a process on bare metal needs none; the suite uses it to limit
and to count.
"""

from __future__ import annotations

import itertools
import platform
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.environment import HostFacts
from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import file_system
from tare.runners.launcher.steps.namespaces import into_network
from tare.runners.model import Probe
from tare.runners.places.folders import PlaceFolders
from tare.runners.places.launched import LaunchedPlace, LaunchPlan

if TYPE_CHECKING:
    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Endpoint, Job, Limits
    from tare.runners.places.folders import PlaceFolder


class Bare:
    """See :class:`tare.runners.context.Runner`."""

    name = "bare"
    label = "bare"
    accelerator: Accelerator = "none"

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._cgroups = Cgroups.detect()
        self._folders = PlaceFolders(context.workdir / "places", self.name)
        self._prepared: tuple[Image, Limits] | None = None

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`. Whoever got this far can make processes."""
        return Probe(ok=True, facts=HostFacts(cgroups=self._cgroups.version))

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = image, limits

    def open(self, first: Job | None = None) -> LaunchedPlace:
        """See :class:`tare.runners.context.Runner`."""
        if self._prepared is None:
            raise TareError(say("internal.bare_not_prepared", "bare was opened before it was prepared"))
        image, limits = self._prepared
        folder = self._folders.take()
        plan = _plan(self._context, self._cgroups, folder.path.name, image, limits, folder)
        return LaunchedPlace(plan, first)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self._folders.close()
        self._cgroups.remove_run(self._context.run)


def open_outside(
    context: RunContext, image: Image, limits: Limits, endpoint: Endpoint | None = None
) -> LaunchedPlace:
    """Open a place on bare metal beside another runner's place, such as for the client of a server in that.

    Args:
        context: the run's.
        image: the image whose tree has the programs.
        limits: limits of this place alone.
        endpoint: the server's, for the namespaces in which it is reached. ``None``: the host's own.
    """
    plan = _plan(context, Cgroups.detect(), f"outside-{next(_OUTSIDE)}", image, limits)
    if endpoint and endpoint.network:
        plan = replace(
            plan, steps=into_network(endpoint.network), facts={**plan.facts, "network": endpoint.path}
        )
    return LaunchedPlace(plan, None)


_OUTSIDE = itertools.count()


def _plan(
    context: RunContext,
    cgroups: Cgroups,
    name: str,
    image: Image,
    limits: Limits,
    folder: PlaceFolder | None = None,
) -> LaunchPlan:
    return LaunchPlan(
        context=context,
        name=name,
        launcher=context.launcher,
        limits=limits,
        agent=image.agent,
        folder=folder,
        root=str(image.tree),
        scratch=None,
        steps=(),
        facts={
            "kernel": platform.release(),
            "root": "image tree",
            "network": "host",
            "scratch_file_system": file_system(context.workdir),
        },
        cgroups=cgroups,
        host_address="127.0.0.1",
    )


def make(supplies: Supplies, _name: str) -> Bare:
    """Make the runner for the registry."""
    return Bare(supplies.context)
