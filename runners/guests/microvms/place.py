"""Run a guest of Firecracker or Cloud Hypervisor as a place.

The agent's channel is the guest's first serial port, for which kernels made for clouds have everything built in. Every
byte is an exit, so jobs with much output cost more than over a virtio port.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare.results.said import say
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
    """A saved guest that waits for its first job."""

    folder: Path
    """Folder of the VMM's files: memory, state, and others."""
    scratch: Path | None
    """Scratch disk as of the snapshot, whose content the guest's memory knows; ``None``: there is none."""
    hello: Hello
    """First message of the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroVmPlan(GuestPlan):
    """Everything needed to make a :class:`MicroVmPlace`."""

    vmm: Vmm
    binary: Path
    """The VMM's program."""
    guest: MicroVm
    snapshot: Snapshot | None = None
    """Snapshot to restore the guest from; ``None``: boot it."""

    def restored(self, snapshot: Snapshot) -> MicroVmPlan:
        """Turn the plan of a place that boots into that of one restored from a snapshot."""
        return replace(self, snapshot=snapshot, scratch=snapshot.scratch, resumed=snapshot.hello)


class MicroVmPlace(GuestPlace):
    """See :class:`tare.runners.model.Place`."""

    keeps_bytes = False
    """A serial port's driver discards what arrived before it started."""

    _plan: MicroVmPlan

    def __init__(self, plan: MicroVmPlan, first: Job | None) -> None:
        self.vmm, self.what = plan.vmm, plan.vmm.what
        self._runs_ns: int | None = None
        super().__init__(plan, first)

    @property
    def disk(self) -> Path | None:
        """File of the scratch disk; ``None``: there is none."""
        return self._disk

    def connect(self, answer_seconds: float = ANSWER_SECONDS) -> Api:
        """Connect to the VMM's API. The caller closes the connection.

        Raises:
            PlaceFailure: nothing listens at its socket.
        """
        return Api(self._appearance.connect(self._api_socket, self._has_ended), self.what, answer_seconds)

    def _launch(self, cgroup: Cgroup) -> Spawned:
        plan = self._plan
        self._api_socket, self._serial_socket = self._folder / API, self._folder / SERIAL
        if len(os.fsencode(self._serial_socket)) > LONGEST_PATH_BYTES:
            raise PlaceFailure(
                say(
                    "guest.socket_path",
                    "{serial_socket} is too long for the path of a socket",
                    serial_socket=self._serial_socket,
                ),
                remedy=say("remedy.shorter_workdir", "set TARE_WORKDIR to a shorter one"),
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
        """Tell the VMM what to run. This counts as part of the start, as it does for all its users."""
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
            # Attach early: output of the guest to a port without a listener is lost.
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
        """Tell when the VMM answered, which is later than the guest resumed by the time of the answer."""
        return self._runs_ns

    def _attach(self) -> None:
        self._line.close()
        self._line = self._appearance.connect(self._serial_socket, self._has_ended)
        self._undo.callback(self._line.close)

    def _has_ended(self) -> bool:
        return self._ended(0.0)

    def _where(self) -> str:
        """Read the end of the VMM's log."""
        try:
            with (self._folder / LOG).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
                said = file.read().decode("utf-8", "replace").strip()
        except OSError:
            return ""
        return f"[{self.what}]\n{said}" if said else ""
