"""Run a QEMU guest as a place. The agent's channel is a socket pair."""

from __future__ import annotations

import os
import re
import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.guests.place import GuestPlace, GuestPlan
from tare.runners.guests.qemu.arguments import (
    CHANNEL_FD,
    CONSOLE_FD,
    MONITOR_FD,
    NETDEV,
    STATE_FD,
    Instance,
    qemu_arguments,
)
from tare.runners.guests.qemu.network import PASST_ARGUMENTS, PEER_FD
from tare.runners.guests.qemu.qmp import Qmp, QmpError
from tare.runners.guests.qemu.readback import achieved, pin_vcpus
from tare.runners.guests.qemu.restoring import RESTORE, restored_ns
from tare.runners.guests.qemu.vcpu_log import EnteredLog
from tare.runners.guests.variant import GuestVariant
from tare.runners.guests.watch import Watch
from tare.runners.host.backlog import WIDE, widen_backlog
from tare.runners.launcher.processes import SpawnRequest
from tare.runners.model import Endpoint
from tare.runners.places.endpoint import LOCALHOST, free_port
from tare.runners.places.process import KILLED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from tare.runners.guests.qemu.machine import Machine
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.launcher.processes import Gone, Spawned
    from tare.runners.model import Job
    from tare.runners.provision.tools import Tool

_ASKED = ("info status", "info cpus", "info registers -a", "info irq")
"""Commands for the monitor about a guest that hangs; ``info lapic`` of each vCPU is added."""
_TELLS_NOTHING = re.compile(r"^(?:[XYZ]MM|FPR|Opmask|FCW|MXCSR)")
"""Lines with registers that tell nothing about a hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuPlan(GuestPlan):
    """Everything needed to make a :class:`QemuPlace`."""

    qemu: Tool
    machine: Machine
    """Machine whose :attr:`Machine.scratch` is the template, of which each place gets a copy."""
    instance: Instance
    state: Path | None = None
    """File of the snapshot to restore from; ``None``: the guest boots."""
    pin_to: tuple[int, ...] = ()
    """Host CPUs to pin the vCPUs to, round robin; empty: do not pin."""


class QemuPlace(GuestPlace):
    """See :class:`tare.runners.model.Place`."""

    what = "QEMU"

    _plan: QemuPlan

    def __init__(self, plan: QemuPlan, first: Job | None) -> None:
        self.keeps_bytes = plan.machine.wiring.virtio_channel
        self.looks_after_cold_starts = plan.machine.variant != GuestVariant()
        self.machine = plan.machine
        self._helper_gone: Gone | None = None
        self._helper: int | None = None
        super().__init__(plan, first)

    def endpoint(self, port: int) -> Endpoint | None:
        """See :class:`tare.runners.model.Place`. passt forwards only ports that it was given at its start: none."""
        network = self._plan.instance.network
        if network is None or network.helper is not None:
            return None
        if network.namespace:
            at = network.guest, port
            return Endpoint(*at, "tap", network.namespace, from_places=at)
        outside = free_port()
        try:
            refused = self.monitor.human(f"hostfwd_add {NETDEV} tcp:{LOCALHOST}:{outside}-:{port}").strip()
        except (QmpError, OSError) as error:
            refused = str(error)
        if refused:
            raise PlaceFailure(
                say(
                    "guest.no_forward",
                    "QEMU does not forward a port to the guest: {refused}",
                    refused=refused,
                )
            )
        # QEMU lets one connection wait, and refuses all others that come at the same time.
        widened = widen_backlog(self.vantage.top_pid, outside)
        self.context["forward_backlog"] = WIDE if widened else 1
        return Endpoint(LOCALHOST, outside, "forwarded", from_places=(network.host, outside))

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
            if plan.instance.network and plan.instance.network.helper:
                fds[PEER_FD] = self._help(plan.instance.network.helper, cgroup, qemu_stderr, handed_over)
            rest = self._preload(channel)
            self._entered = EnteredLog(self._folder / "qemu.log")
            instance = replace(plan.instance, log=self._entered.path)
            arguments = qemu_arguments(self.machine, instance)
            environ = {"TARE_RUN": plan.context.run, **plan.qemu.environ}
            spawned = self._spawn(SpawnRequest(plan.qemu.argv(*arguments), environ=environ, fds=fds), cgroup)
        self._converse_over(channel)
        self._rest = (channel, rest)
        return spawned

    def _help(self, tool: Tool, cgroup: Cgroup, stderr: int, handed_over: ExitStack) -> int:
        """Launch the network's helper; return QEMU's end of the connection."""
        ours, theirs = socket.socketpair()
        handed_over.callback(ours.close)
        handed_over.callback(theirs.close)
        environ = {"TARE_RUN": self._plan.context.run, **tool.environ}
        argv = tool.argv(*PASST_ARGUMENTS)
        helper = self._spawn(SpawnRequest(argv, environ=environ, fds={2: stderr, 3: theirs.fileno()}), cgroup)
        self._helper = helper.id
        self._undo.callback(self._end_helper)
        return ours.fileno()

    def _network_gone(self) -> Gone | None:
        """Look up how the network's helper ended; ``None``: it still runs, or there is none."""
        if self._helper is not None and self._helper_gone is None:
            self._helper_gone = self._plan.context.launcher.wait(self._helper, 0.0)
        return self._helper_gone

    def _end_helper(self) -> None:
        if self._helper is not None and self._network_gone() is None:
            self._plan.context.launcher.kill(self._helper)
            self._plan.context.launcher.wait(self._helper, KILLED_SECONDS)

    def _begin(self) -> None:
        if self._rest[1]:
            self._send_rest(*self._rest)
        if self._plan.pin_to:
            # QEMU answers once its machine is made, which is when the vCPUs begin to run.
            try:
                pin_vcpus(self.monitor, self._plan.pin_to)
            except (QmpError, OSError) as error:
                raise PlaceFailure(
                    say("guest.not_pinned", "the vCPUs cannot be pinned: {error}", error=error)
                ) from error

    def _monitored_by(self) -> Callable[..., Any]:
        return self.monitor.ask

    def _achieved(self) -> Mapping[str, object]:
        if gone := self._network_gone():
            raise PlaceFailure(
                say(
                    "guest.network_ended",
                    "the guest's network ended with status {exit_code}",
                    exit_code=gone.exit_code,
                ),
                remedy=say("remedy.log_or_net_user", "see the log; or use net=user"),
            )
        return achieved(self.monitor, self._spawned.pid, self.machine, bytes(self._watch.stderr))

    def _entered_ns(self) -> int | None:
        return self._entered.entered_ns()

    def _restored_ns(self) -> int | None:
        return restored_ns(self.monitor)

    def _why(self) -> str:
        return "" if self._network_gone() else super()._why()

    def _where(self) -> str:
        """Ask the monitor what the vCPUs execute, and which interrupts are pending."""
        asked = [*_ASKED, *(f"info lapic {cpu}" for cpu in range(self.machine.cpus))]
        try:
            told = [(one, self.monitor.human(one, timeout_seconds=1.0)) for one in asked]
        except QmpError as error:
            return f"[monitor]\n{error}"
        return "\n".join(
            f"[{one}]\n" + "\n".join(line for line in said.splitlines() if not _TELLS_NOTHING.match(line))
            for one, said in told
        )
