"""Run containers by ``podman run -i --rm …``, as root or, rootless, as an ordinary user.

``podman:none``, ``podman:host`` and ``podman:bridge`` choose the network; plain ``podman`` takes Podman's default: the
bridge for root, a user-mode network (slirp4netns, pasta) for others. Storage, settings, locks and events are in the
run's work folder (:mod:`tare.runners.containers.engines.podman_home`), so the user's are neither read nor changed.

Unmeasured trial places find out which of Podman's settings work here: crun or runc, and with or without limits, which
an ordinary user may lack. The first combination that works is used; the context has the errors of the others.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from tare.results.environment import EngineFacts
from tare.results.said import listed, say
from tare.runners.containers.engines.clearing import repository
from tare.runners.containers.engines.client_processes import await_client_processes
from tare.runners.containers.engines.container import Client, Container, Terms
from tare.runners.containers.engines.limits import limit_options
from tare.runners.containers.engines.place import EnginePlace, Observer
from tare.runners.containers.engines.podman_home import PodmanHome
from tare.runners.containers.engines.variant import EngineVariant
from tare.runners.errors import Missing, PlaceFailure, not_prepared
from tare.runners.host.files import file_system
from tare.runners.model import Probe
from tare.runners.provision.tools import NOT_HERE_YET

if TYPE_CHECKING:
    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits
    from tare.runners.provision.tools import Provision

RUNTIMES = ("crun", "runc")
"""OCI runtimes in Podman's own order of preference."""
_NAMES = {"create": "create", "start": "start", "died": "die", "remove": "remove"}
"""Podman's event → its name in :mod:`tare.runners.containers.engines.phases`."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Combination of settings with which Podman may work here."""

    runtime: str
    limited: bool
    """Podman sets the limits; if not, they are watched from outside."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    home: PodmanHome
    tag: str
    way: _Way
    terms: Terms


class PodmanRunner:
    """See :class:`tare.runners.context.Runner`."""

    accelerator: Accelerator = "none"

    def __init__(self, context: RunContext, provision: Provision, *, name: str = "podman") -> None:
        """Take the whole name: ``podman``, ``podman:NETWORK`` or ``podman:privileged``."""
        self.name = self.label = name
        self._context, self._provision = context, provision
        self._variant = EngineVariant.of(name)
        self._network = self._variant.network
        self._numbers = itertools.count()
        self._undo = ExitStack()
        self._prepared: _Prepared | None = None

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`. Making containers is tried by :meth:`prepare`."""
        rootless = os.getuid() != 0
        found = self._provision.installed("podman") if rootless else self._provision.here("podman")
        if found is None and rootless:
            return Probe(
                ok=False,
                reason=say(
                    "container.podman_absent",
                    "Podman is not installed. A fetched one works for root only: rootless Podman makes a user namespace "
                    "of its own, which it cannot do from within another",
                ),
                remedy=_remedy(),
            )
        if found is None and self._provision.offline:
            try:
                self._provision.tool("podman")
            except Missing as missing:
                return Probe(ok=False, reason=missing.reason, remedy=missing.remedy)
        version = found.version if found else NOT_HERE_YET
        return Probe(ok=True, facts=EngineFacts(engine=version, rootless=rootless))

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
        host_address = "127.0.0.1" if self._network == "host" else home.host_address
        bridge = f"/proc/{home.launcher.pid}/ns/net" if home.own_network else None
        terms = Terms(limits, self._facts(tool.version), host_address, bridge)
        complaints: list[str] = []
        for way in _ways():
            self._prepared = _Prepared(home, tag, way, terms)
            try:
                with self.open() as place:
                    achieved = place.cgroup
            except PlaceFailure as failure:
                complaints.append(
                    say("podman.way", "{name}: {why}", name=way.runtime, why=failure.reason)
                    if way.limited
                    else say(
                        "podman.unlimited",
                        "{name} without limits: {why}",
                        name=way.runtime,
                        why=failure.reason,
                    )
                )
                self._prepared = None
                continue
            facts = {
                **terms.facts,
                "oci_runtime": way.runtime,
                **({"not_used": complaints} if complaints else {}),
            }
            self._prepared = _Prepared(home, tag, way, replace(terms, facts=facts, achieved=achieved))
            return
        raise PlaceFailure(
            say(
                "container.podman_cannot",
                "podman cannot make a container here: {complaints}",
                complaints=listed(dict.fromkeys(complaints)),
            ),
            remedy=_remedy(),
        )

    def open(self, first: Job | None = None) -> EnginePlace:
        """See :class:`tare.runners.context.Runner`."""
        made = self._prepared
        if made is None:
            raise not_prepared(self.name)
        container = Container(self._context, f"{self.name.replace(':', '-')}-{next(self._numbers)}")
        limits = limit_options(made.terms.limits, self._context.workdir) if made.way.limited else ()
        options = (*self._variant.options, *made.home.run_options, *limits)
        client = Client(
            "podman run",
            (
                *made.home.argv("--runtime", made.way.runtime),
                *container.run_arguments(made.tag, *options),
            ),
            made.home.environ,
            made.home.launcher,
            lambda: made.home.remove(container.name),
            sweep=False,
        )
        logged = made.home.events_size()
        observer = Observer(
            lambda _since, _until: events(made.home.events_since(logged), container.name),
            "podman events",
            made.home.accounting,
            cgroup=made.terms.described,
            linger=lambda: await_client_processes(made.home.launcher.pid, container.name),
        )
        return EnginePlace(container.plan(client, made.terms, first), first, observer)

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
            network = say("fact.own_network", "{network} of a net namespace of its own", network=network)
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
    """Pick one container's events from Podman's log.

    Returns:
        Names as in :mod:`tare.runners.containers.engines.phases`, each with its time in ns since the epoch.
    """
    found = []
    for line in lines.splitlines():
        try:
            event = json.loads(line)
            if event.get("Name") == container and event.get("Status") in _NAMES:
                found.append((_NAMES[event["Status"]], wall_ns(event["Time"])))
        except (
            ValueError,
            KeyError,
            AttributeError,
            TypeError,
            RecursionError,
        ):  # a line that is still being written
            continue
    return found


def wall_ns(text: str) -> int:
    """Convert an RFC 3339 time with up to nine decimals to ns since the epoch."""
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
        return say(
            "remedy.podman_by_hand",
            "try `podman run` by hand to see more; crun needs cgroup v1 or v2 alone, runc takes both",
        )
    return say("remedy.install_podman", "as root: `apt-get install podman uidmap slirp4netns crun`")
