"""A guest as a place: QEMU is launched, the agent inside it speaks over a socket pair, and at the end all is gone."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runners.agent.session import AgentSession, preload
from runners.launcher.client import LauncherError, SpawnError, SpawnRequest
from runners.model import PlaceFailure, Vantage
from runners.place import SOCKET_BYTES, ProcessPlace, discard, remove_tree
from runners.qemu.clock import boot_marks, error_seconds
from runners.qemu.disks import copy_sparse
from runners.qemu.machine import CHANNEL_FD, CONSOLE_FD, MONITOR_FD, Machine, qemu_arguments
from runners.qemu.qmp import Qmp, QmpError
from runners.qemu.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runners.host.cgroups import Cgroup, Cgroups
    from runners.launcher.client import Spawned
    from runners.model import Job, JobResult, Limits, RunContext
    from runners.provision.tools import Tool

_ENDING_SECONDS = 1.0
"""How long to wait for QEMU's own end once its channel has closed, to learn its status."""


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """How the runner wants its place."""

    context: RunContext
    name: str
    """Of the place, unique in the run: names its folder and its cgroup."""
    number: int
    qemu: Tool
    machine: Machine
    """:attr:`Machine.scratch` is the template; each place gets a copy."""
    limits: Limits
    """Of QEMU as a process: memory includes what QEMU itself needs."""
    cgroups: Cgroups
    boot_seconds: float
    leave_seconds: float
    facts: Mapping[str, object]


class GuestPlace(ProcessPlace):
    """See :class:`runners.model.Place`."""

    root, scratch = "/", "/scratch"
    what = "QEMU"

    def __init__(self, plan: GuestPlan, first: Job | None) -> None:
        super().__init__(plan.context.launcher)
        self.leave_seconds = plan.leave_seconds
        self.host_address: str | None = None
        self._plan, self._first = plan, _marked(first, plan) if first else None
        self._booted = False
        """The agent has spoken, so it may be asked to leave."""
        self._lost = False
        try:
            folder = plan.context.workdir / "places" / plan.name
            folder.mkdir(parents=True)
            self._undo.callback(remove_tree, folder)
            self._machine = _with_scratch(plan.machine, folder)
            cgroup = plan.cgroups.create(plan.context.run, plan.name, plan.limits)
            self._undo.callback(discard, cgroup)
            self._spawned = self._launch(cgroup)
        except BaseException:
            self._undo.close()
            raise
        self.vantage = Vantage(
            self._spawned.pid,
            dict(cgroup.folders),
            vmm=True,
            kvm=plan.machine.accelerator == "kvm",
            guest_ram_bytes=plan.machine.memory_bytes,
            shared_with_host=False,
            monitor=self._monitor.ask,
        )
        self.context: dict[str, object] = {**plan.facts, "cgroup": cgroup.describe()}
        self.timeline |= {"requested": self._spawned.requested_ns, "spawned": self._spawned.spawned_ns}
        if first is None:
            try:
                self._boot()
                self._mark_boot()
            except BaseException as error:
                self._lost = True
                explained = self._explained(error)
                self.close()
                raise explained from error

    def run(self, job: Job) -> JobResult:
        """See :class:`runners.model.Place`."""
        try:
            if self._first is None:
                return self._session.run(_marked(job, self._plan))
            return self._run_first(self._first)
        except PlaceFailure as failure:
            self._lost = True
            raise self._explained(failure) from failure

    def _ask_to_leave(self) -> bool:
        if not self._booted or self._lost:
            return False
        self._session.exit()
        return True

    def _log(self) -> str:
        return self._watch.log()

    def _launch(self, cgroup: Cgroup) -> Spawned:
        plan = self._plan
        channel, guest_channel = socket.socketpair()
        console, guest_console = socket.socketpair()
        monitor, guest_monitor = socket.socketpair()
        stderr, qemu_stderr = os.pipe2(os.O_CLOEXEC)
        self._undo.callback(channel.close)
        self._watch = Watch(console, stderr, channel)
        self._undo.callback(self._watch.finish)
        self._monitor = Qmp(monitor)
        self._undo.callback(monitor.close)
        with guest_channel, guest_console, guest_monitor, ExitStack() as handed_over:
            handed_over.callback(os.close, qemu_stderr)
            for end in (channel, guest_channel):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            rest = self._preload(channel)
            request = SpawnRequest(
                plan.qemu.argv(*qemu_arguments(self._machine, plan.context.run, plan.number)),
                environ={"TARE_RUN": plan.context.run, **plan.qemu.environ},
                fds={
                    2: qemu_stderr,
                    CHANNEL_FD: guest_channel.fileno(),
                    CONSOLE_FD: guest_console.fileno(),
                    MONITOR_FD: guest_monitor.fileno(),
                },
                cgroup=cgroup.unified,
                tasks=tuple(cgroup.tasks),
                sweep=True,
            )
            try:
                spawned = plan.context.launcher.spawn(request)
            except SpawnError as error:
                raise PlaceFailure(str(error), remedy="`tare doctor` says what this host permits") from error
        self._session = AgentSession(channel, same_clock=False)
        if rest:
            self._spawned = spawned
            self._send_rest(channel, rest)
        return spawned

    def _preload(self, channel: socket.socket) -> memoryview:
        """Put the only job into the channel before the launch, and return what did not fit.

        A virtio port keeps it until the agent opens the port. A serial port would lose it.
        """
        if self._first is None or not self._machine.wiring.virtio_channel:
            return memoryview(b"")
        told = memoryview(preload(self._first, leave=False))
        channel.setblocking(False)
        return told[channel.send(told) :]

    def _send_rest(self, channel: socket.socket, rest: memoryview) -> None:
        """What exceeds the socket's buffer the agent reads when it is there."""
        channel.settimeout(self._plan.boot_seconds)
        try:
            channel.sendall(rest)
        except OSError as error:
            self._lost = True
            failure = PlaceFailure(f"the agent does not take its job: {error}")
            raise self._explained(failure) from error
        finally:
            channel.setblocking(False)

    def _boot(self) -> None:
        self._hello = self._session.hello(self._plan.boot_seconds)
        self._booted = True

    def _mark_boot(self) -> None:
        """Map the guest's clock now, and its marks with it."""
        clock = self._session.map_clock()
        self.clock_error = error_seconds(clock, time.monotonic_ns() - clock.offset_ns)
        self.timeline |= boot_marks(self._hello, clock)

    def _run_first(self, first: Job) -> JobResult:
        """Collect the result of the place's only job, and let the guest leave.

        The clock is mapped between the job's end and the guest's leave, never on the way to the job: those pings are in
        ``finished`` → ``gone``, some 0.3 ms each.
        """
        self._boot()
        if self._machine.wiring.virtio_channel:
            result = self._session.collect(first, self._plan.boot_seconds)
        else:
            result = self._session.run(first)
        clock = self._session.clock
        self._session.exit()
        self.clock_error = error_seconds(clock, time.monotonic_ns() - clock.offset_ns)
        self.timeline |= boot_marks(self._hello, clock)
        self.timeline |= {"started": result.started_ns, "finished": result.finished_ns}
        return result

    def _explained(self, failure: BaseException) -> BaseException:
        """What QEMU, its console and the launcher know about why the agent is lost."""
        if type(failure) is not PlaceFailure:  # an interrupt, or a clock that contradicts itself
            return failure
        said = failure.reason
        try:
            ended = self._ended(_ENDING_SECONDS)
        except LauncherError as error:
            return PlaceFailure(f"{said} {error}", log=failure.log)
        if ended:
            self._watch.finish()
        where = "" if ended else self._where()
        log = "\n".join(part for part in (self._watch.log(), where, failure.log) if part)
        return PlaceFailure(f"{self._why()} ({said})", remedy=_REMEDY, log=log)

    def _where(self) -> str:
        """What a guest that hangs is doing: its registers, for the log."""
        try:
            return "\n".join(
                f"[{asked}]\n{self._monitor.human(asked, timeout_seconds=1.0)}" for asked in _ASKED
            )
        except QmpError as error:
            return f"[monitor]\n{error}"

    def _why(self) -> str:
        """The most telling thing that is known."""
        if self._watch.stuck:
            return f"QEMU stopped the guest: {self._watch.stuck}"
        console = bytes(self._watch.console).decode("utf-8", "replace")
        panic = next((line.strip() for line in console.splitlines() if "Kernel panic" in line), "")
        if panic:
            return f"the guest's kernel panicked: {panic}"
        if self._gone is None:
            return "QEMU could not be started" if self._never_lived else "the guest hangs"
        return _how_it_ended(self._gone.exit_code, bytes(self._watch.stderr))


def _how_it_ended(code: int, stderr: bytes) -> str:
    if code < 0:
        return f"QEMU was killed by signal {-code}"
    if code:
        last = stderr.decode("utf-8", "replace").strip().splitlines()
        return f"QEMU ended with status {code}: {last[-1] if last else 'without a word'}"
    return "the guest ended itself: it restarted or crashed (triple fault)"


_ASKED = ("info registers -a", "info lapic", "info irq")
"""Of the monitor, about a guest that hangs."""

_REMEDY = "see the log; try another kernel (TARE_GUEST_KERNEL) or accelerator (TARE_ACCEL)"


def _with_scratch(machine: Machine, folder: Path) -> Machine:
    if machine.scratch is None:
        return machine
    copy = folder / "scratch.ext4"
    try:
        copy_sparse(machine.scratch, copy)
    except OSError as error:
        raise PlaceFailure(
            f"no scratch disk could be made: {error}",
            remedy=f"make room in {folder.parent}, or lower --scratch",
        ) from error
    return replace(machine, scratch=copy)


def _marked(job: Job, plan: GuestPlan) -> Job:
    """Everything that runs for a run says so in its environment."""
    return replace(job, environ={**job.environ, "TARE_RUN": plan.context.run})
