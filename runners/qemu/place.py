"""A QEMU guest as a place: QEMU is launched, the agent inside it speaks over a socket pair."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runners.guest import GuestPlace, GuestPlan
from runners.launcher.client import SpawnRequest
from runners.model import PlaceFailure
from runners.qemu.achieved import achieved, pin_vcpus
from runners.qemu.arguments import CHANNEL_FD, CONSOLE_FD, MONITOR_FD, STATE_FD, Instance, qemu_arguments
from runners.qemu.entered import EnteredLog
from runners.qemu.qmp import Qmp, QmpError
from runners.qemu.snapshot import RESTORE, restored_ns
from runners.qemu.variants import Variant
from runners.qemu.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from runners.host.cgroups import Cgroup
    from runners.launcher.client import Spawned
    from runners.model import Job
    from runners.provision.tools import Tool
    from runners.qemu.machine import Machine

_ASKED = ("info registers -a", "info lapic", "info irq")
"""Of the monitor, about a guest that hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuPlan(GuestPlan):
    """How the runner wants its place."""

    qemu: Tool
    machine: Machine
    """:attr:`Machine.scratch` is the template; each place gets a copy."""
    instance: Instance
    state: Path | None = None
    """The snapshot's file, if the guest is to be restored."""
    pin_to: tuple[int, ...] = ()
    """Host CPUs for the vCPUs, in turn."""


class QemuPlace(GuestPlace):
    """See :class:`runners.model.Place`."""

    what = "QEMU"

    _plan: QemuPlan

    def __init__(self, plan: QemuPlan, first: Job | None) -> None:
        self.keeps_bytes = plan.machine.wiring.virtio_channel
        self.looks_after_cold_starts = plan.machine.variant != Variant()
        self.machine = plan.machine
        super().__init__(plan, first)

    def _launch(self, cgroup: Cgroup) -> Spawned:
        plan = self._plan
        if self._disk is not None:
            self.machine = replace(plan.machine, scratch=self._disk)
        channel, guest_channel = self._channel()
        console, guest_console = socket.socketpair()
        monitor, guest_monitor = socket.socketpair()
        stderr, qemu_stderr = os.pipe2(os.O_CLOEXEC)
        self._watch = Watch(console, stderr, channel)
        self._undo.callback(self._watch.finish)
        self.monitor = Qmp(monitor)
        self._undo.callback(monitor.close)
        with guest_channel, guest_console, guest_monitor, ExitStack() as handed_over:
            handed_over.callback(os.close, qemu_stderr)
            fds = {
                2: qemu_stderr,
                CHANNEL_FD: guest_channel.fileno(),
                CONSOLE_FD: guest_console.fileno(),
                MONITOR_FD: guest_monitor.fileno(),
                **(plan.instance.network.fds if plan.instance.network else {}),
            }
            if plan.state is not None:
                fds[STATE_FD] = os.open(plan.state, os.O_RDONLY | os.O_CLOEXEC)
                handed_over.callback(os.close, fds[STATE_FD])
                self.monitor.tell(RESTORE)
            rest = self._preload(channel)
            self._entered = EnteredLog(self._folder / "qemu.log")
            instance = replace(plan.instance, log=self._entered.path)
            arguments = qemu_arguments(self.machine, instance)
            environ = {"TARE_RUN": plan.context.run, **plan.qemu.environ}
            spawned = self._spawn(SpawnRequest(plan.qemu.argv(*arguments), environ=environ, fds=fds), cgroup)
        self._converse_over(channel)
        self._rest = (channel, rest)
        return spawned

    def _begin(self) -> None:
        if self._rest[1]:
            self._send_rest(*self._rest)
        if self._plan.pin_to:
            # QEMU answers when its machine is made, which is when the vCPUs begin to run.
            try:
                pin_vcpus(self.monitor, self._plan.pin_to)
            except (QmpError, OSError) as error:
                raise PlaceFailure(f"the vCPUs cannot be pinned: {error}") from error

    def _monitored_by(self) -> Callable[..., Any]:
        return self.monitor.ask

    def _achieved(self) -> Mapping[str, object]:
        return achieved(self.monitor, self._spawned.pid, self.machine, bytes(self._watch.stderr))

    def _entered_ns(self) -> int | None:
        return self._entered.entered_ns()

    def _restored_ns(self) -> int | None:
        return restored_ns(self.monitor)

    def _where(self) -> str:
        """Its registers."""
        try:
            return "\n".join(
                f"[{asked}]\n{self.monitor.human(asked, timeout_seconds=1.0)}" for asked in _ASKED
            )
        except QmpError as error:
            return f"[monitor]\n{error}"
