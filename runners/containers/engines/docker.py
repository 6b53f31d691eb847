"""Run containers by ``docker run -i --rm …``, as users do, in an existing Docker daemon or a private one.

``docker:none``, ``docker:host`` and ``docker:bridge`` choose the network; plain ``docker`` takes Docker's default, the
bridge. The daemon is the one that ``DOCKER_HOST`` names, else the first that answers: the system's, the user's own
(rootless), or the private one that ``tare doctor --fix docker`` starts. Everything made in it carries the run's name
and label, and images are loaded under a name that no registry is asked for.

Limits are read back from the cgroups of an unmeasured trial place.
"""

from __future__ import annotations

import itertools
import os
import platform
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from msgspec import structs

from tare.results.environment import EngineFacts
from tare.results.said import say
from tare.runners.containers.engines.api import DockerApi, EngineError
from tare.runners.containers.engines.clearing import LABEL, repository
from tare.runners.containers.engines.container import Client, Container, Terms
from tare.runners.containers.engines.limits import limit_options
from tare.runners.containers.engines.place import EnginePlace, Observer
from tare.runners.containers.engines.private import PrivateDocker, private_at
from tare.runners.containers.engines.usage import daemon_folders
from tare.runners.containers.engines.variant import EngineVariant
from tare.runners.errors import Missing, TareError, not_prepared
from tare.runners.host.files import file_system
from tare.runners.host.owners import note_engine
from tare.runners.images.oci import of_image
from tare.runners.model import Probe
from tare.runners.provision.tools import NOT_HERE_YET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits
    from tare.runners.provision.tools import Provision, Tool

DEFAULT_SOCKET = "/var/run/docker.sock"
OLDEST_API = (1, 41)
"""API of Docker 20.10. Older versions lack ``--pull never`` and might look images up in a registry."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A Docker daemon that has answered."""

    socket: str
    """Path of its socket."""
    version: Mapping[str, Any]
    """Its answer to ``GET /version``."""
    private: PrivateDocker | None
    """The private daemon, if this is it; ``None``: somebody else's."""

    @property
    def host(self) -> str:
        """Address of the daemon, as ``--host`` takes it."""
        return f"unix://{self.socket}"


def find_daemon(private: PrivateDocker | None = None) -> Daemon:
    """Choose the daemon to use.

    Raises:
        EngineError: none answers; the message says why for the one that the user most likely means.
    """
    private = private or PrivateDocker()
    if chosen := os.environ.get("DOCKER_HOST", ""):
        if not chosen.startswith("unix://"):
            raise EngineError(
                say("docker.not_here", "DOCKER_HOST={chosen} is not on this host", chosen=chosen),
                say(
                    "remedy.unix_socket",
                    "only a daemon on this kernel can be compared: use a unix:// socket, or unset DOCKER_HOST",
                ),
            )
        socket = chosen.removeprefix("unix://")
        try:
            return Daemon(socket, DockerApi(socket).version(), private_at(socket))
        except EngineError as error:
            remedy = error.remedy or say("remedy.start_or_unset", "start it, or unset DOCKER_HOST")
            raise EngineError(
                say("docker.bad_host", "DOCKER_HOST: {reason}", reason=error.reason),
                remedy,
                absent=error.absent,
            ) from error
    first: EngineError | None = None
    for socket in _candidates(private):
        try:
            return Daemon(socket, DockerApi(socket).version(), private_at(socket))
        except EngineError as error:
            # A socket that refuses us says more than a missing one.
            if first is None or (first.absent and not error.absent):
                first = error
    assert first is not None  # noqa: S101 - there is always a candidate
    raise first


def _candidates(private: PrivateDocker) -> list[str]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    rootless = [f"{runtime}/docker.sock"] if runtime and os.getuid() else []
    return [DEFAULT_SOCKET, *rootless, str(private.listens_at)]


class DockerRunner:
    """See :class:`tare.runners.context.Runner`."""

    accelerator: Accelerator = "none"

    def __init__(self, context: RunContext, provision: Provision, *, name: str = "docker") -> None:
        """Take the whole name: ``docker``, ``docker:NETWORK`` or ``docker:privileged``."""
        self.name = self.label = name
        self._context, self._provision = context, provision
        self._variant = EngineVariant.of(name)
        self._network = self._variant.network or "bridge"
        self._numbers = itertools.count()
        self._undo = ExitStack()
        self._prepared: _Prepared | None = None

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`."""
        try:
            daemon = find_daemon()
            facts = _facts_of(daemon)
        except EngineError as error:
            return Probe(ok=False, reason=error.reason, remedy=error.remedy or _remedy())
        cli = self._provision.here("docker")
        if cli is None and self._provision.offline:
            try:
                self._provision.tool("docker")
            except Missing as missing:
                return Probe(ok=False, reason=missing.reason, remedy=missing.remedy, facts=facts)
        facts = structs.replace(facts, client=cli.version if cli else NOT_HERE_YET)
        if refusal := _unsuitable(daemon):
            return Probe(ok=False, reason=refusal[0], remedy=refusal[1], facts=facts)
        return Probe(ok=True, facts=facts)

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self.close()
        context = self._context
        cli = self._provision.tool("docker")
        daemon = find_daemon()
        note_engine(context.cache, context.run, daemon.socket)
        api = DockerApi(daemon.socket)
        tag = f"{repository(context.run)}:{image.key[:12]}"
        self._undo.callback(_unless_absent, api.remove_image, tag)
        if not api.images(tag):  # the runner of another network may have loaded it
            with tempfile.TemporaryFile(dir=context.workdir) as archive:
                of_image(image, tag, {LABEL: context.run}).write_archive(archive)
                archive.seek(0)
                api.load(archive)
        folders = daemon.private.accounting() if daemon.private else daemon_folders()
        info = api.info()
        terms = Terms(
            limits,
            self._facts(daemon, info),
            self._host_address(daemon, api),
            _bridge_network(daemon, info),
        )
        self._prepared = _Prepared(cli, daemon, api, tag, tuple(folders), _user(info), terms)
        with self.open() as place:
            self._prepared = replace(self._prepared, terms=replace(terms, achieved=place.cgroup))

    def open(self, first: Job | None = None) -> EnginePlace:
        """See :class:`tare.runners.context.Runner`."""
        made = self._prepared
        if made is None:
            raise not_prepared(self.name)
        container = Container(self._context, f"{self.name.replace(':', '-')}-{next(self._numbers)}")
        options = (
            *self._variant.options,
            *limit_options(made.terms.limits, self._context.workdir),
            *(("--user", made.user) if made.user else ()),
        )
        client = Client(
            "docker run",
            made.cli.argv("--host", made.daemon.host, *container.run_arguments(made.tag, *options)),
            # The user's configuration could add proxies and plug-ins to what is measured.
            {**made.cli.environ, "DOCKER_CONFIG": str(self._context.workdir / "docker-config")},
            self._context.launcher,
            lambda: _unless_absent(made.api.remove_container, container.name),
        )
        observer = Observer(
            lambda since, until: _events(made.api, container.name, since, until),
            "docker events",
            made.daemons,
            lambda: _ailing(made.api),
            address=lambda: _address(made.api, container.name),
            cgroup=made.terms.described,
        )
        return EnginePlace(container.plan(client, made.terms, first), first, observer)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self._undo.close()

    def _facts(self, daemon: Daemon, info: Mapping[str, Any]) -> dict[str, object]:
        network = {"none": "none, loopback only", "host": "host", "bridge": "bridge, NAT"}[self._network]
        if daemon.private and self._network != "none":
            network = say(
                "fact.daemon_network", "{network} of the private daemon's net namespace", network=network
            )
        return {
            "kernel": platform.release(),
            "root": say(
                "fact.root_on",
                "{driver} on {folder}",
                driver=info.get("Driver"),
                folder=info.get("DockerRootDir"),
            ),
            "network": network,
            "scratch_file_system": file_system(self._context.workdir),
            "engine": _versions(daemon.version),
            "log_driver": info.get("LoggingDriver"),
            "security": ",".join(info.get("SecurityOptions") or ()),
            "privileged": self._variant.privileged,
            "user_namespace": _is_remapped(info),
            "user": _user(info).partition(":")[0] or "root",
        }

    def _host_address(self, daemon: Daemon, api: DockerApi) -> str | None:
        if self._network == "none":
            return None
        if daemon.private:
            return daemon.private.host_address
        if self._network == "host":
            return "127.0.0.1"
        configs = api.network("bridge").get("IPAM", {}).get("Config") or [{}]
        gateway = configs[0].get("Gateway")
        return str(gateway) if gateway else None


def _address(api: DockerApi, container: str) -> str:
    """Give a container's IPv4 address on the daemon's bridge; empty: it has none, or is gone."""
    try:
        networks = api.container(container).get("NetworkSettings", {}).get("Networks") or {}
    except TareError:
        return ""
    return next((str(one["IPAddress"]) for one in networks.values() if one.get("IPAddress")), "")


def make(supplies: Supplies, name: str) -> DockerRunner:
    """Make the runner for the registry."""
    return DockerRunner(supplies.context, supplies.provision, name=name)


@dataclass(frozen=True, slots=True)
class _Prepared:
    cli: Tool
    daemon: Daemon
    api: DockerApi
    tag: str
    daemons: tuple[Path, ...]
    user: str
    terms: Terms


def _user(info: Mapping[str, Any]) -> str:
    """Choose ``UID:GID`` for containers; empty: root, if its files on the host belong to this user.

    An ordinary user could not remove what the containers of a rootful daemon wrote to scratch as root.
    """
    return "" if os.getuid() == 0 or _is_remapped(info) else f"{os.getuid()}:{os.getgid()}"


def _is_remapped(info: Mapping[str, Any]) -> bool:
    """Tell whether the daemon's containers are in a user namespace, so that their root is not the host's."""
    return any("rootless" in each or "userns" in each for each in info.get("SecurityOptions") or ())


def _bridge_network(daemon: Daemon, info: Mapping[str, Any]) -> str | None:
    """Name the network namespace with Docker's bridge; ``None``: a rootless daemon's is out of reach."""
    if any("rootless" in each for each in info.get("SecurityOptions") or ()):
        return None
    return f"/proc/{daemon.private.state().get('pid', 0)}/ns/net" if daemon.private else ""


def _facts_of(daemon: Daemon) -> EngineFacts:
    return EngineFacts(
        engine=_versions(daemon.version), daemon=daemon.host, private=daemon.private is not None
    )


def _versions(version: Mapping[str, Any]) -> str:
    parts = {each["Name"]: each["Version"] for each in version.get("Components") or ()}
    parts.setdefault("Engine", version.get("Version", "?"))
    return ", ".join(
        f"{name} {parts[name]}" for name in ("Engine", "containerd", "runc", "crun") if name in parts
    )


def _unsuitable(daemon: Daemon) -> tuple[str, str] | None:
    """Say why this daemon cannot be used, and give a remedy; ``None`` if it can."""
    kernel = daemon.version.get("KernelVersion", "")
    if kernel != platform.release():
        return (
            say(
                "docker.other_kernel",
                "the Docker daemon at {socket} runs on another kernel ({kernel}), as Docker Desktop's does",
                socket=daemon.socket,
                kernel=kernel,
            ),
            say("remedy.docker_here", "use a daemon on this kernel: see `tare doctor --fix docker`"),
        )
    api = tuple(int(part) for part in str(daemon.version.get("ApiVersion", "0.0")).split("."))
    if api < OLDEST_API:
        version = daemon.version.get("Version")
        return (
            say("docker.old", "Docker {version} is too old", version=version),
            say("remedy.newer_docker", "20.10 or later is needed"),
        )
    return None


def _remedy() -> str:
    if os.getuid():
        return say(
            "remedy.start_docker",
            "start Docker and join its group; or run `tare doctor --fix docker` and Tare as root",
        )
    return say("remedy.private_docker", "`tare doctor --fix docker` starts a private one")


def _events(api: DockerApi, container: str, since: float, until: float) -> list[tuple[str, int]]:
    """List Docker's events of a container under the names of :mod:`tare.runners.containers.engines.phases`."""
    names = {"create": "create", "start": "start", "die": "die", "destroy": "remove"}
    return [
        (names[event["Action"]], event["timeNano"])
        for event in api.events(container, since, until)
        if event.get("Type") == "container" and event.get("Action") in names
    ]


def _ailing(api: DockerApi) -> tuple[str, str] | None:
    try:
        api.version()
    except EngineError as error:
        return error.reason, error.remedy or say(
            "remedy.start_again", "start it again; or {remedy}", remedy=_remedy()
        )
    return None


def _unless_absent(action: Callable[[str], None], name: str) -> None:
    """Remove something by its name. If the daemon is gone, the run's registration makes a later start remove it."""
    try:
        action(name)
    except EngineError as error:
        if not error.absent:
            raise
