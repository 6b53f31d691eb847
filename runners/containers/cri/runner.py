"""Run pods of one container in containerd through CRI: the calls a kubelet makes, without a kubelet.

The API is called directly: Debian has no ``crictl``, ``ctr`` makes no pods, and the users of a cluster wait for exactly
these calls. The system's containerd is used if it answers, its CRI is ready and the user may speak to it; else a
private containerd is started for the run, in namespaces of its own.
"""

from __future__ import annotations

import itertools
import os
import platform
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.environment import EngineFacts
from tare.results.said import say
from tare.runners.containers.cri.client import Cri
from tare.runners.containers.cri.enclosure import Enclosure, check
from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.cri.images import import_image, write_pause
from tare.runners.containers.cri.place import CriPlace, CriPlan
from tare.runners.containers.cri.private import (
    await_ready,
    configure,
    fetching,
    missing_programs,
    programs_root,
)
from tare.runners.containers.engines.clearing import repository
from tare.runners.containers.engines.usage import daemon_folders
from tare.runners.errors import Missing, PlaceFailure, not_prepared
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import file_system
from tare.runners.host.owners import note_engine
from tare.runners.images.oci import of_image
from tare.runners.model import Job, Probe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext
    from tare.runners.images.image import Image
    from tare.runners.model import Limits
    from tare.runners.provision.tools import Provision, Tool

SYSTEM_SOCKET = Path("/run/containerd/containerd.sock")


@dataclass(frozen=True, slots=True)
class _Prepared:
    cri: Cri
    tag: str
    limits: Limits
    cgroups: Cgroups
    daemons: tuple[Path, ...]
    facts: Mapping[str, object]


class Containerd:
    """See :class:`tare.runners.context.Runner`."""

    name = label = "containerd"
    accelerator: Accelerator = "none"

    def __init__(
        self, context: RunContext, provision: Provision, *, system_socket: Path = SYSTEM_SOCKET
    ) -> None:
        """Take ``system_socket``: where the system's containerd listens."""
        self._context, self._provision, self._system = context, provision, system_socket
        self._numbers = itertools.count()
        self._undo = ExitStack()
        self._prepared: _Prepared | None = None

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`."""
        if os.geteuid():
            return Probe(
                ok=False,
                reason=say("container.containerd_root_only", "containerd answers to root alone"),
                remedy=say("remedy.run_root", "run as root"),
            )
        version, why_not = system_version(self._system)
        if version:
            return Probe(ok=True, facts=EngineFacts(engine=version, private=False))
        try:
            check()
            if missing_programs() and not self._provision.can_fetch("containerd"):
                programs_root(self._provision)  # raises with the reason
        except (Missing, PlaceFailure) as error:
            return Probe(
                ok=False,
                reason=say(
                    "container.both_ways", "{why_not}, and: {reason}", why_not=why_not, reason=error.reason
                ),
                remedy=error.remedy,
            )
        return Probe(
            ok=True,
            facts=EngineFacts(
                engine=say("fact.own_engine", "one of Tare's own"), private=True, system=why_not
            ),
        )

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`. Ends with one unmeasured opening, to show that everything works."""
        self.close()
        try:
            self._prepare(image, limits)
            with self.open() as place:
                place.run(Job())
        except BaseException:
            self.close()
            raise

    def _prepare(self, image: Image, limits: Limits) -> None:
        context = self._context
        version, _ = system_version(self._system)
        private = not version
        cri, daemons = self._start() if private else self._join()
        tag = f"localhost/{repository(context.run)}:{image.key[:12]}"
        self._undo.callback(_unless_absent, cri, tag)
        ctr = self._ctr(private=private)
        with tempfile.TemporaryFile(dir=context.workdir) as archive:
            of_image(image, tag).write_archive(archive)
            archive.seek(0)
            import_image(ctr, cri.path, archive)
        tops = Cgroups.detect()
        self._prepared = _Prepared(
            cri=cri,
            tag=tag,
            limits=limits,
            cgroups=replace(
                tops, hierarchies=tuple(msgspec.structs.replace(one, own=one.top) for one in tops.hierarchies)
            ),
            daemons=tuple(daemons),
            facts={
                "kernel": platform.release(),
                "root": "containerd's snapshot",
                "network": "pod network: a bridge with no way out"
                if private
                else "pod network of the system's CNI",
                "scratch_file_system": file_system(context.workdir),
                "engine": cri.version(),
                "user_namespace": False,
            },
        )

    def open(self, first: Job | None = None) -> CriPlace:
        """See :class:`tare.runners.context.Runner`."""
        made = self._prepared
        if made is None:
            raise not_prepared(self.name)
        plan = CriPlan(
            context=self._context,
            name=f"{self.name}-{next(self._numbers)}",
            launcher=self._context.launcher,
            limits=made.limits,
            root="/",
            scratch="/scratch",
            facts=made.facts,
            host_address=None,
            cri=made.cri,
            image=made.tag,
            cgroups=made.cgroups,
            daemons=made.daemons,
        )
        return CriPlace(plan, first)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self._undo.close()
        Cgroups.detect().remove_run(self._context.run)

    def _start(self) -> tuple[Cri, list[Path]]:
        """Start a private containerd and load the pause image into it."""
        root = programs_root(self._provision)
        enclosure = self._undo.enter_context(
            Enclosure(self._context.run, self._context.workdir / "cri", root)
        )
        enclosure.make_folder()
        enclosure.start(configure(enclosure))
        cri = self._undo.enter_context(await_ready(enclosure))
        ctr = self._ctr(private=True)
        with tempfile.TemporaryFile(dir=self._context.workdir) as archive:
            write_pause(self._context.cache, archive)
            archive.seek(0)
            import_image(ctr, cri.path, archive)
        return cri, enclosure.accounting

    def _join(self) -> tuple[Cri, list[Path]]:
        """Connect to the system's containerd."""
        context = self._context
        note_engine(context.cache, context.run, f"cri:{self._system}")
        return self._undo.enter_context(Cri(str(self._system))), daemon_folders(("containerd",))

    def _ctr(self, *, private: bool) -> Tool:
        chosen = fetching(self._provision) if private and missing_programs() else self._provision
        return chosen.tool("ctr")


def system_version(path: Path) -> tuple[str, str]:
    """Ask the containerd at ``path`` for its version.

    Returns:
        The version and an empty reason, or an empty version and the reason why this containerd cannot be used.
    """
    if not path.exists():
        return "", say("file.absent", "there is no {path}", path=path)
    with Cri(str(path)) as cri:
        try:
            version = cri.version()
            lacks = cri.not_ready()
        except CriError as error:
            return "", error.reason
    if lacks:
        return "", say("cri.system_not_ready", "the system's containerd is not ready: {why}", why=lacks)
    return version, ""


def _unless_absent(cri: Cri, tag: str) -> None:
    """Remove an image. If the daemon is gone, the run's registration makes a later start remove it."""
    try:
        cri.remove_image(tag)
    except CriError as error:
        if not error.absent:
            raise
