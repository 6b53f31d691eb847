"""A guest of Firecracker or Cloud Hypervisor as a place: the VMM is launched, told what to run, and left alone.

The agent speaks over the guest's first serial port, which needs nothing of the guest's kernel but what the ones for
clouds have built in. Every byte of it is an exit, so jobs that write much cost more here than on a virtio port.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare.runners.errors import PlaceFailure
from tare.runners.guests.microvms.api import ANSWER_SECONDS, LONGEST_PATH_BYTES, Api, Appearance
from tare.runners.guests.microvms.vmms import API, LOG, SERIAL
from tare.runners.guests.place import GuestPlace, GuestPlan
from tare.runners.guests.watch import Watch
from tare.runners.launcher.processes import SpawnRequest
from tare.runners.launcher.steps.files import ChangeDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.agent.wire import Hello
    from tare.runners.guests.microvms.vmms import MicroVm, Vmm
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.launcher.processes import Spawned
    from tare.runners.model import Job

_LOG_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A guest that waits for its first job, at rest."""

    folder: Path
    """The VMM's files: memory, state, and what else it keeps."""
    scratch: Path | None
    """The scratch disk as it was then: the guest's memory knows what is on it."""
    hello: Hello
    """What the agent had said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroVmPlan(GuestPlan):
    """How the runner wants its place."""

    vmm: Vmm
    binary: Path
    guest: MicroVm
    snapshot: Snapshot | None = None
    """To be restored from, instead of booted."""

    def restored(self, snapshot: Snapshot) -> MicroVmPlan:
        """The plan of a place that is restored, from that of one that would boot."""
        return replace(self, snapshot=snapshot, scratch=snapshot.scratch, resumed=snapshot.hello)


class MicroVmPlace(GuestPlace):
    """See :class:`tare.runners.model.Place`."""

    keeps_bytes = False
    """A serial port's driver empties it when it starts."""

    _plan: MicroVmPlan

    def __init__(self, plan: MicroVmPlan, first: Job | None) -> None:
        self.vmm, self.what = plan.vmm, plan.vmm.what
        self._runs_ns: int | None = None
        super().__init__(plan, first)

    @property
    def disk(self) -> Path | None:
        """The scratch disk's file."""
        return self._disk

    def connect(self, answer_seconds: float = ANSWER_SECONDS) -> Api:
        """The VMM's API, to be closed.

        Raises:
            PlaceFailure: nobody listens.
        """
        return Api(self._appearance.connect(self._api_socket, self._has_ended), self.what, answer_seconds)

    def _launch(self, cgroup: Cgroup) -> Spawned:
        plan = self._plan
        self._api_socket, self._serial_socket = self._folder / API, self._folder / SERIAL
        if len(os.fsencode(self._serial_socket)) > LONGEST_PATH_BYTES:
            raise PlaceFailure(
                f"{self._serial_socket} is too long for a socket's name",
                remedy="set TARE_WORKDIR to a shorter one",
            )
        (self._folder / LOG).touch()
        self._appearance = Appearance(self._folder)
        self._undo.callback(self._appearance.close)
        self._line, guest_line = self._channel()
        console, silent = socket.socketpair()
        silent.close()
        stderr, vmm_stderr = os.pipe2(os.O_CLOEXEC)
        self._watch = Watch(console, stderr, self._line)
        self._undo.callback(self._watch.finish)
        with guest_line, ExitStack() as handed_over:
            handed_over.callback(os.close, vmm_stderr)
            fds = {2: vmm_stderr}
            if plan.vmm.serial == "stdio":
                fds |= {0: guest_line.fileno(), 1: guest_line.fileno()}
            name = f"tare-{plan.context.run}-{plan.number}"
            argv = (str(plan.binary), *plan.vmm.arguments(name))
            steps = (ChangeDirectory(str(self._folder)),)
            request = SpawnRequest(argv, environ={"TARE_RUN": plan.context.run}, fds=fds, steps=steps)
            return self._spawn(request, cgroup)

    def _begin(self) -> None:
        """Tell it what to run. This is part of its start, as it is for everybody who uses it."""
        plan = self._plan
        requests = (
            plan.vmm.booting(plan.guest)
            if plan.snapshot is None
            else plan.vmm.restoring(plan.snapshot.folder)
        )
        api = self.connect()
        try:
            *before, start = requests
            api.send(before)
            # The sooner the better: what a guest says to a port without a listener is lost.
            early = plan.vmm.serial == "socket" and self._serial_socket.exists()
            if early:
                self._attach()
            api.send([start])
            self._runs_ns = time.monotonic_ns()
            if plan.vmm.serial == "socket" and not early:
                self._attach()
        finally:
            api.close()
        self._converse_over(self._line)

    def _restored_ns(self) -> int | None:
        """When the VMM had answered: later than the guest ran again by what the answer took."""
        return self._runs_ns

    def _attach(self) -> None:
        self._line.close()
        self._line = self._appearance.connect(self._serial_socket, self._has_ended)
        self._undo.callback(self._line.close)

    def _has_ended(self) -> bool:
        return self._ended(0.0)

    def _where(self) -> str:
        """The end of its own log."""
        try:
            with (self._folder / LOG).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
                said = file.read().decode("utf-8", "replace").strip()
        except OSError:
            return ""
        return f"[{self.what}]\n{said}" if said else ""
