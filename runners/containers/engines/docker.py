"""The runner ``docker``: ``docker run -i --rm …``, as users run it, against the daemon that is there or Tare's own.

``docker:none``, ``docker:host`` and ``docker:bridge`` choose the network; plain ``docker`` takes Docker's default, the
bridge. The daemon is the one that ``DOCKER_HOST`` names, else the first that answers of the system's, the user's own
(rootless) and the private one that ``tare doctor --fix docker`` starts. All that is made in it carries the run's name
and label; images are loaded under a name that no registry is asked for.

Limits are read back from a container's cgroups, in a trial place that no measurement sees.
"""

from __future__ import annotations

import itertools
import os
import platform
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tare.runners.containers.engines.api import DockerApi, EngineError
from tare.runners.containers.engines.clearing import LABEL, repository
from tare.runners.containers.engines.container import Container
from tare.runners.containers.engines.limits import limit_options
from tare.runners.containers.engines.place import EnginePlace, Observer
from tare.runners.containers.engines.private import PrivateDocker, private_at
from tare.runners.containers.engines.usage import daemon_folders
from tare.runners.containers.engines.variant import EngineVariant
from tare.runners.errors import Missing, TareError
from tare.runners.host.files import file_system
from tare.runners.host.owners import note_engine
from tare.runners.images.oci import of_image
from tare.runners.model import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits
    from tare.runners.provision.tools import Provision, Tool

DEFAULT_SOCKET = "/var/run/docker.sock"
OLDEST_API = (1, 41)
"""Docker 20.10: before it ``--pull never`` was not there, and an image's name might be looked up in a registry."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that answers."""

    socket: str
    version: Mapping[str, Any]
    private: PrivateDocker | None
    """If it is Tare's own."""

    @property
    def host(self) -> str:
        """For ``--host``."""
        return f"unix://{self.socket}"


def find_daemon(private: PrivateDocker | None = None) -> Daemon:
    """The daemon to use.

    Raises:
        EngineError: none answers; the text says why, for the one that the user most likely means.
    """
    private = private or PrivateDocker()
    if chosen := os.environ.get("DOCKER_HOST", ""):
        if not chosen.startswith("unix://"):
            raise EngineError(
                f"DOCKER_HOST={chosen} is not on this host, as far as can be told",
                "only a daemon on this kernel can be compared with it: use a unix:// socket, or unset DOCKER_HOST",
            )
        socket = chosen.removeprefix("unix://")
        try:
            return Daemon(socket, DockerApi(socket).version(), private_at(socket))
        except EngineError as error:
            remedy = error.remedy or "start it, or unset DOCKER_HOST"
            raise EngineError(f"DOCKER_HOST: {error.reason}", remedy, absent=error.absent) from error
    first: EngineError | None = None
    for socket in _candidates(private):
        try:
            return Daemon(socket, DockerApi(socket).version(), private_at(socket))
        except EngineError as error:
            # A socket that is there but closed to us says more than one that is not there.
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
        """``name``: ``docker``, ``docker:NETWORK`` or ``docker:privileged``."""
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
        facts["client"] = cli.version if cli else "not here yet; is fetched before the run"
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
        if not api.images(tag):  # another network's runner may have loaded it
            with tempfile.TemporaryFile(dir=context.workdir) as archive:
                of_image(image, tag, {LABEL: context.run}).write_archive(archive)
                archive.seek(0)
                api.load(archive)
        folders = daemon.private.accounting() if daemon.private else daemon_folders()
        self._prepared = _Prepared(
            cli=cli, daemon=daemon, api=api, tag=tag, limits=limits, daemons=tuple(folders),
            facts=self._facts(daemon, api), host_address=self._host_address(daemon, api), achieved=None,
        )  # fmt: skip
        with self.open() as place:
            self._prepared = replace(self._prepared, achieved=place.cgroup)

    def open(self, first: Job | None = None) -> EnginePlace:
        """See :class:`tare.runners.context.Runner`."""
        made = self._prepared
        if made is None:
            raise TareError(f"{self.name} was opened before it was prepared")
        container = Container(self._context, f"{self.name.replace(':', '-')}-{next(self._numbers)}")
        options = (
            *self._variant.options,
            *limit_options(made.limits, self._context.workdir),
            *made.user_options,
        )
        plan = container.plan(
            "docker",
            made.cli.argv("--host", made.daemon.host, *container.run_arguments(made.tag, *options)),
            # Its own configuration could add proxies and plug-ins to what is measured.
            {**made.cli.environ, "DOCKER_CONFIG": str(self._context.workdir / "docker-config")},
            launcher=self._context.launcher,
            limits=made.limits,
            facts=made.facts,
            host_address=made.host_address,
            achieved=made.achieved,
            first=first,
            undo=lambda: _unless_absent(made.api.remove_container, container.name),
        )
        observer = Observer(
            lambda since, until: _events(made.api, container.name, since, until),
            "docker events",
            made.daemons,
            lambda: _ailing(made.api),
            cgroup=made.achieved.describe() if made.achieved else "",
        )
        return EnginePlace(plan, first, observer)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self._undo.close()

    def _facts(self, daemon: Daemon, api: DockerApi) -> dict[str, object]:
        info = api.info()
        remapped = any("rootless" in each or "userns" in each for each in info.get("SecurityOptions") or ())
        where = " of the private daemon's net namespace" if daemon.private and self._network != "none" else ""
        return {
            "kernel": platform.release(),
            "root": f"{info.get('Driver')} on {info.get('DockerRootDir')}",
            "network": {"none": "none, loopback only", "host": "host", "bridge": "bridge, NAT"}[self._network]
            + where,
            "scratch_file_system": file_system(self._context.workdir),
            "engine": _versions(daemon.version),
            "log_driver": info.get("LoggingDriver"),
            "security": ",".join(info.get("SecurityOptions") or ()),
            "privileged": self._variant.privileged,
            "user_namespace": remapped,
            "user": "root" if remapped or os.getuid() == 0 else str(os.getuid()),
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


def make(supplies: Supplies, name: str) -> DockerRunner:
    """Make the runner for the registry."""
    return DockerRunner(supplies.context, supplies.provision, name=name)


@dataclass(frozen=True, slots=True)
class _Prepared:
    cli: Tool
    daemon: Daemon
    api: DockerApi
    tag: str
    limits: Limits
    daemons: tuple[Path, ...]
    facts: Mapping[str, object]
    host_address: str | None
    achieved: Cgroup | None
    """Of the trial place."""

    @property
    def user_options(self) -> tuple[str, ...]:
        """Whom it runs as: what root's daemon wrote as root, an ordinary user could not remove from scratch."""
        return () if self.facts["user"] == "root" else ("--user", f"{os.getuid()}:{os.getgid()}")


def _facts_of(daemon: Daemon) -> dict[str, object]:
    return {"engine": _versions(daemon.version), "daemon": daemon.host, "private": daemon.private is not None}


def _versions(version: Mapping[str, Any]) -> str:
    parts = {each["Name"]: each["Version"] for each in version.get("Components") or ()}
    parts.setdefault("Engine", version.get("Version", "?"))
    return ", ".join(
        f"{name} {parts[name]}" for name in ("Engine", "containerd", "runc", "crun") if name in parts
    )


def _unsuitable(daemon: Daemon) -> tuple[str, str] | None:
    """Why this daemon cannot be used, and what to do; ``None`` if it can."""
    kernel = daemon.version.get("KernelVersion", "")
    if kernel != platform.release():
        return (
            f"the Docker daemon at {daemon.socket} runs on another kernel ({kernel}), such as Docker Desktop's guest",
            "use a daemon on this kernel: see `tare doctor --fix docker`",
        )
    api = tuple(int(part) for part in str(daemon.version.get("ApiVersion", "0.0")).split("."))
    if api < OLDEST_API:
        return (f"Docker {daemon.version.get('Version')} is too old", "20.10 or later is needed")
    return None


def _remedy() -> str:
    if os.getuid():
        return "start Docker and be in its group, or as root: `tare doctor --fix docker`, and run as root"
    return "`tare doctor --fix docker` starts a private one"


def _events(api: DockerApi, container: str, since: float, until: float) -> list[tuple[str, int]]:
    """What Docker remembers of a container, by the names of :mod:`tare.runners.containers.engines.phases`."""
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
        return error.reason, error.remedy or f"start it again; or {_remedy()}"
    return None


def _unless_absent(action: Callable[[str], None], name: str) -> None:
    """Remove it, unless the daemon is gone: then the run's registration keeps it for later."""
    try:
        action(name)
    except EngineError as error:
        if not error.absent:
            raise
