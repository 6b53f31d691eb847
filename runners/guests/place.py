"""A guest as a place, whatever VMM runs it: its boot or restoration, its clock, its jobs and its failures."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare.runners.agent.session import AgentSession, preload
from tare.runners.errors import PlaceFailure
from tare.runners.guests.clock import boot_marks, error_seconds
from tare.runners.guests.disks import copy_sparse
from tare.runners.guests.watch import complaints
from tare.runners.host.trees import discard_tree
from tare.runners.launcher.processes import LauncherError, SpawnError
from tare.runners.model import Vantage
from tare.runners.places.host import discard
from tare.runners.places.process import SOCKET_BYTES, ProcessPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from tare.runners.agent.clock import ClockMap
    from tare.runners.agent.wire import Hello
    from tare.runners.context import RunContext
    from tare.runners.guests.watch import Watch
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.host.cgroups.layout import Cgroups
    from tare.runners.launcher.processes import Spawned, SpawnRequest
    from tare.runners.model import Job, JobResult, Limits

_ENDING_SECONDS = 1.0
"""How long to wait for the VMM's own end once its channel has closed, to learn its status."""

SCRATCH_FILE = "scratch.ext4"
"""Name of the scratch disk in a place's folder."""

COPIES = "all places are copies of one guest: random numbers may repeat, and the time of day is that of the snapshot"
"""What restored guests admit."""

_REMEDY = "see the log; try another kernel (TARE_GUEST_KERNEL) or accelerator (TARE_ACCEL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPlan:
    """How a runner wants its place."""

    context: RunContext
    name: str
    """Of the place, unique in the run: names its folder and its cgroup."""
    number: int
    limits: Limits
    """Of the VMM as a process: memory includes what the VMM itself needs."""
    cgroups: Cgroups
    boot_seconds: float
    leave_seconds: float
    facts: Mapping[str, object]
    kvm: bool
    """The VMM runs its vCPUs by KVM."""
    ram_bytes: int
    """The guest's."""
    host_address: str | None = None
    host_network: str = ""
    """Both: see :class:`tare.runners.model.Place`."""
    scratch: Path | None = None
    """Template of the scratch disk; each place gets a copy."""
    resumed: Hello | None = None
    """The guest is restored from a snapshot that was taken after its agent had said this."""


class GuestPlace(ProcessPlace):
    """See :class:`tare.runners.model.Place`."""

    root, scratch = "/", "/scratch"
    keeps_bytes = True
    """The channel keeps what it was given before the agent opened it, so the only job can be put in at once."""

    looks_after_cold_starts = False
    """Say what was achieved of cold starts, too. It takes a millisecond or so between the job's end and the leave."""

    _watch: Watch

    def __init__(self, plan: GuestPlan, first: Job | None) -> None:
        super().__init__(plan.context.launcher)
        self.leave_seconds = plan.leave_seconds
        self.host_address, self.host_network = plan.host_address, plan.host_network
        self._plan, self._first = plan, _marked(first, plan) if first else None
        self._booted = False
        """The agent has spoken, so it may be asked to leave."""
        self._lost = False
        self._begun = False
        """The VMM has been told all that it needs to run the guest."""
        try:
            self._folder = plan.context.workdir / "places" / plan.name
            self._folder.mkdir(parents=True)
            self._undo.callback(discard_tree, self._folder)
            self._disk = self._own_scratch()
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
            kvm=plan.kvm,
            guest_ram_bytes=plan.ram_bytes,
            shared_with_host=False,
            monitor=self._monitored_by(),
        )
        self.context: dict[str, object] = {**plan.facts, "cgroup": cgroup.describe()}
        self.timeline |= {"requested": self._spawned.requested_ns, "spawned": self._spawned.spawned_ns}
        try:
            self._begin()
            self._begun = True
            if first is None:
                self._boot()
                self._mark_boot()
                self.context.update(self._achieved())
        except BaseException as error:
            self._lost = True
            explained = self._explained(error)
            self.close()
            raise explained from error

    def run(self, job: Job) -> JobResult:
        """See :class:`tare.runners.model.Place`."""
        try:
            if self._first is None:
                return self._session.run(_marked(job, self._plan))
            return self._run_first(self._first)
        except PlaceFailure as failure:
            self._lost = True
            raise self._explained(failure) from failure

    def abandon(self) -> None:
        """The guest cannot be asked to leave any more: closing kills its VMM at once."""
        self._lost = True

    # -- what a VMM adds --------------------------------------------------------------------------

    def _launch(self, cgroup: Cgroup) -> Spawned:
        """Make the VMM's process, with :meth:`_connected`; :attr:`_watch` drains what it and the console say."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Between birth and boot: what the VMM has to be told first."""

    def _monitored_by(self) -> Callable[..., Any] | None:
        """See :attr:`tare.runners.model.Vantage.monitor`."""
        return None

    def _achieved(self) -> Mapping[str, object]:
        """For the context: what became of what was asked for. The guest lives; no job runs."""
        return {}

    def _entered_ns(self) -> int | None:
        """When the VMM first let the vCPUs run, by the host's clock; ``None`` if it does not tell."""
        return None

    def _restored_ns(self) -> int | None:
        """When the VMM had restored the guest, by the host's clock."""
        return None

    def _where(self) -> str:
        """What a guest that hangs is doing, for the log."""
        return ""

    # -- launching --------------------------------------------------------------------------------

    def _own_scratch(self) -> Path | None:
        if self._plan.scratch is None:
            return None
        copy = self._folder / SCRATCH_FILE
        try:
            copy_sparse(self._plan.scratch, copy)
        except OSError as error:
            raise PlaceFailure(
                f"no scratch disk could be made: {error}",
                remedy=f"make room in {self._folder.parent}, or lower --scratch",
            ) from error
        return copy

    def _spawn(self, request: SpawnRequest, cgroup: Cgroup) -> Spawned:
        request = replace(request, cgroup=cgroup.unified, tasks=tuple(cgroup.tasks), sweep=True)
        try:
            return self._plan.context.launcher.spawn(request)
        except SpawnError as error:
            raise PlaceFailure(str(error), remedy="`tare doctor` says what this host permits") from error

    def _channel(self) -> tuple[socket.socket, socket.socket]:
        """Our end and the guest's, large enough for an ordinary job."""
        ours, theirs = socket.socketpair()
        self._undo.callback(ours.close)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        return ours, theirs

    def _converse_over(self, channel: socket.socket) -> None:
        woken = self._first is not None and self.keeps_bytes
        self._session = AgentSession(channel, same_clock=False, resumed=self._plan.resumed, woken=woken)

    def _preload(self, channel: socket.socket) -> memoryview:
        """Put the only job into the channel before the launch, and return what did not fit.

        A virtio port keeps it until the agent opens the port. A serial port would lose it.
        """
        if self._first is None or not self.keeps_bytes:
            return memoryview(b"")
        told = memoryview(preload(self._first, leave=False, wake=self._plan.resumed is not None))
        channel.setblocking(False)
        return told[channel.send(told) :]

    def _send_rest(self, channel: socket.socket, rest: memoryview) -> None:
        """What exceeds the socket's buffer the agent reads when it is there."""
        channel.settimeout(self._plan.boot_seconds)
        try:
            channel.sendall(rest)
        except OSError as error:
            raise PlaceFailure(f"the agent does not take its job: {error}") from error
        finally:
            channel.setblocking(False)

    # -- boot, marks and the only job -------------------------------------------------------------

    def _boot(self) -> None:
        self.hello = self._session.hello(self._plan.boot_seconds)
        self._booted = True

    def _mark_boot(self) -> None:
        """Map the guest's clock now, and its marks with it."""
        self._mark(self._session.map_clock())

    def _mark(self, clock: ClockMap) -> None:
        # A restored guest's clock has stood still in between: only what came after counts for its drift.
        since = self.hello.ready_ns if self._plan.resumed else 0
        self.clock_error = error_seconds(clock, time.monotonic_ns() - clock.to_host(since))
        if self._plan.resumed is None:
            if (entered := self._entered_ns()) is not None:
                self.timeline["entered"] = entered
            self.timeline |= boot_marks(self.hello, clock)
            return
        restored = self._restored_ns()
        if restored is not None:
            self.timeline["restored"] = restored
        self.timeline["ready"] = clock.to_host(self.hello.ready_ns)

    def _run_first(self, first: Job) -> JobResult:
        """Collect the result of the place's only job, and let the guest leave.

        The clock is mapped between the job's end and the guest's leave, never on the way to the job: those pings are in
        ``finished`` → ``gone``, some 0.3 ms each.
        """
        self._boot()
        collect = self.keeps_bytes  # it has the job already
        seconds = self._plan.boot_seconds
        result = self._session.collect(first, seconds) if collect else self._session.run(first)
        if self.looks_after_cold_starts:
            self.context.update(self._achieved())
        self._session.exit()
        self._mark(self._session.clock)
        self.timeline |= {"started": result.started_ns, "finished": result.finished_ns}
        return result

    # -- the end ----------------------------------------------------------------------------------

    def _ask_to_leave(self) -> bool:
        if not self._booted or self._lost:
            return False
        self._session.exit()
        return True

    def _log(self) -> str:
        return self._watch.log()

    def _explained(self, failure: BaseException) -> BaseException:
        """What the VMM, the console and the launcher know about why the agent is lost."""
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
        why = self._why()
        return PlaceFailure(f"{why} ({said})" if why else said, remedy=failure.remedy or _REMEDY, log=log)

    def _why(self) -> str:
        """The most telling thing that is known; empty if the guest never began, and its VMM lives and has said why."""
        if self._watch.stuck:
            return f"{self.what} stopped the guest: {self._watch.stuck}"
        console = bytes(self._watch.console).decode("utf-8", "replace")
        panic = next((line.strip() for line in console.splitlines() if "Kernel panic" in line), "")
        if panic:
            return f"the guest's kernel panicked: {panic}"
        if self._gone is None:
            if self._never_lived:
                return f"{self.what} could not be started"
            return "the guest hangs" if self._begun else ""
        return _how_it_ended(self.what, self._gone.exit_code, bytes(self._watch.stderr))


def _how_it_ended(what: str, code: int, stderr: bytes) -> str:
    if code < 0:
        return f"{what} was killed by signal {-code}"
    if code:
        last = complaints(stderr)
        return f"{what} ended with status {code}: {last[-1] if last else 'without a word'}"
    return "the guest ended itself: it restarted or crashed (triple fault)"


def _marked(job: Job, plan: GuestPlan) -> Job:
    """Everything that runs for a run says so in its environment."""
    return replace(job, environ={**job.environ, "TARE_RUN": plan.context.run})
