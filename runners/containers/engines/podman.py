"""The runner ``podman``: ``podman run -i --rm …``, as root or, rootless, as an ordinary user.

``podman:none``, ``podman:host`` and ``podman:bridge`` choose the network; plain ``podman`` takes Podman's default: the
bridge for root, a user-mode network (slirp4netns, pasta) for others. Storage, settings, locks and events are in the
run's own work folder (:mod:`tare.runners.containers.engines.podman_home`), so the user's are neither read nor changed.

Which of Podman's settings work here (crun or runc; limits, which an ordinary user may not have) is found out before
anything is measured, by trial places; the first that works is used, and what the others said is in the context.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tare.runners.containers.engines.clearing import repository
from tare.runners.containers.engines.client_processes import await_lingering
from tare.runners.containers.engines.container import Container
from tare.runners.containers.engines.limits import limit_options
from tare.runners.containers.engines.place import EnginePlace, Observer
from tare.runners.containers.engines.podman_home import PodmanHome
from tare.runners.containers.engines.variant import EngineVariant
from tare.runners.errors import Missing, PlaceFailure, TareError
from tare.runners.host.files import file_system
from tare.runners.model import Probe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits
    from tare.runners.provision.tools import Provision

RUNTIMES = ("crun", "runc")
"""In Podman's own order of preference."""
_NAMES = {"create": "create", "start": "start", "died": "die", "remove": "remove"}
"""Podman's events, by the names of :mod:`tare.runners.containers.engines.phases`."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Settings with which Podman may work here."""

    runtime: str
    limited: bool
    """The limits are given to Podman; otherwise they are watched from outside."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    home: PodmanHome
    tag: str
    limits: Limits
    way: _Way
    facts: Mapping[str, object]
    achieved: Cgroup | None = None
    """Of the trial place."""


class PodmanRunner:
    """See :class:`tare.runners.context.Runner`."""

    accelerator: Accelerator = "none"

    def __init__(self, context: RunContext, provision: Provision, *, name: str = "podman") -> None:
        """``name``: ``podman``, ``podman:NETWORK`` or ``podman:privileged``."""
        self.name = self.label = name
        self._context, self._provision = context, provision
        self._variant = EngineVariant.of(name)
        self._network = self._variant.network
        self._numbers = itertools.count()
        self._undo = ExitStack()
        self._prepared: _Prepared | None = None

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`. Whether containers can be made is tried when it is prepared."""
        rootless = os.getuid() != 0
        found = self._provision.installed("podman") if rootless else self._provision.here("podman")
        if found is None and rootless:
            return Probe(
                ok=False,
                reason="Podman is not installed, and an ordinary user's cannot be called where it was only fetched: it "
                "makes its user namespace by itself, and does not from within another",
                remedy=_remedy(),
            )
        if found is None and self._provision.offline:
            try:
                self._provision.tool("podman")
            except Missing as missing:
                return Probe(ok=False, reason=missing.reason, remedy=missing.remedy)
        version = found.version if found else "not here yet; is fetched before the run"
        return Probe(ok=True, facts={"engine": version, "rootless": rootless})

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self.close()
        context = self._context
        tool = self._provision.tool("podman")
        home = self._undo.enter_context(
            PodmanHome.make(context, tool, own_network=self._network in {"", "bridge"} and os.getuid() == 0)
        )
        tag = f"{repository(context.run)}:{image.key[:12]}"
        home.load(image, tag, context.run)
        facts = self._facts(tool.version)
        complaints: list[str] = []
        for way in _ways():
            self._prepared = _Prepared(home, tag, limits, way, facts)
            try:
                with self.open() as place:
                    achieved = place.cgroup
            except PlaceFailure as failure:
                complaints.append(
                    f"{way.runtime}{'' if way.limited else ' without limits'}: {failure.reason}"
                )
                self._prepared = None
                continue
            facts = {**facts, "oci_runtime": way.runtime, **({"not_used": complaints} if complaints else {})}
            self._prepared = _Prepared(home, tag, limits, way, facts, achieved)
            return
        raise PlaceFailure(
            f"podman makes no container here: {'; '.join(dict.fromkeys(complaints))}",
            remedy=_remedy(),
        )

    def open(self, first: Job | None = None) -> EnginePlace:
        """See :class:`tare.runners.context.Runner`."""
        made = self._prepared
        if made is None:
            raise TareError(f"{self.name} was opened before it was prepared")
        container = Container(self._context, f"{self.name.replace(':', '-')}-{next(self._numbers)}")
        limits = limit_options(made.limits, self._context.workdir) if made.way.limited else ()
        options = (*self._variant.options, *made.home.run_options, *limits)
        plan = container.plan(
            "podman",
            (
                *made.home.argv("--runtime", made.way.runtime),
                *container.run_arguments(made.tag, *options),
            ),
            made.home.environ,
            launcher=made.home.launcher,
            limits=made.limits,
            facts=made.facts,
            host_address="127.0.0.1" if self._network == "host" else made.home.host_address,
            achieved=made.achieved,
            first=first,
            sweep=False,
            undo=lambda: made.home.remove(container.name),
        )
        told = made.home.events_size()
        observer = Observer(
            lambda _since, _until: events(made.home.events_since(told), container.name),
            "podman events",
            made.home.accounting,
            cgroup=made.achieved.describe() if made.achieved else "",
            linger=lambda: await_lingering(made.home.launcher.pid, container.name),
        )
        return EnginePlace(plan, first, observer)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self._undo.close()

    def _facts(self, version: str) -> dict[str, object]:
        rootless = os.getuid() != 0
        default = "user-mode network of Podman's choice" if rootless else "bridge, NAT"
        network = {"": default, "none": "none, loopback only", "host": "host", "bridge": "bridge, NAT"}[
            self._network
        ]
        if network == "bridge, NAT":
            network += " of a net namespace of its own"
        return {
            "kernel": platform.release(),
            "root": "overlay in the work folder",
            "network": network,
            "scratch_file_system": file_system(self._context.workdir),
            "engine": version,
            "log_driver": "k8s-file",
            "rootless": rootless,
            "privileged": self._variant.privileged,
            "user_namespace": rootless,
        }


def make(supplies: Supplies, name: str) -> PodmanRunner:
    """Make the runner for the registry."""
    return PodmanRunner(supplies.context, supplies.provision, name=name)


def events(lines: str, container: str) -> list[tuple[str, int]]:
    """Of Podman's log of events those of one container: name as in :mod:`tare.runners.containers.engines.phases`, time in ns."""
    found = []
    for line in lines.splitlines():
        try:
            event = json.loads(line)
            if event.get("Name") == container and event.get("Status") in _NAMES:
                found.append((_NAMES[event["Status"]], wall_ns(event["Time"])))
        except (ValueError, KeyError, AttributeError):  # half a line: somebody is writing it
            continue
    return found


def wall_ns(text: str) -> int:
    """RFC 3339 with up to nine digits behind the point → ns since the epoch."""
    whole, _, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if rest else ""
    seconds = datetime.fromisoformat(whole + zone).timestamp()
    return int(seconds) * 1_000_000_000 + int(digits.ljust(9, "0")[:9] or 0)


def _ways() -> list[_Way]:
    limited = (True,) if os.getuid() == 0 else (True, False)
    return [_Way(runtime, each) for each in limited for runtime in RUNTIMES]


def _remedy() -> str:
    if os.getuid() == 0:
        return "`podman run` by hand says more; crun needs cgroup v1 or v2 alone, runc takes both"
    return "as root: `apt-get install podman uidmap slirp4netns crun`"
