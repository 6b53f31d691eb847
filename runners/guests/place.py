"""Run a guest as a place with any VMM: its boot or restoration, its clock, its jobs and its failures."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import joined, say
from tare.runners.agent.session import AgentSession, preload
from tare.runners.collectors.host_cpu import HostCpuMeter
from tare.runners.errors import PlaceFailure
from tare.runners.guests.clock import boot_marks, error_seconds
from tare.runners.guests.disks import copy_sparse
from tare.runners.guests.watch import complaints
from tare.runners.host.cgroups.group import discard
from tare.runners.host.endings import how_ended
from tare.runners.host.trees import discard_tree
from tare.runners.launcher.processes import LauncherError, SpawnError
from tare.runners.model import Vantage
from tare.runners.places.process import SOCKET_BYTES, ProcessPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from tare.runners.agent.clock import ClockMap
    from tare.runners.agent.service import AgentService
    from tare.runners.agent.wire import Hello
    from tare.runners.context import RunContext
    from tare.runners.guests.watch import Watch
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.host.cgroups.layout import Cgroups
    from tare.runners.launcher.processes import Spawned, SpawnRequest
    from tare.runners.model import Endpoint, Job, JobResult, Limits

_ENDING_SECONDS = 1.0
"""Longest wait for the VMM's end, to learn its exit status, once the channel has closed."""

SCRATCH_FILE = "scratch.ext4"
"""Name of the scratch disk in a place's folder."""

LIMITED_BY = {"memory_limit_by": "guest memory", "pids_limit_by": "none"}
"""What keeps the limits that a guest's VMM is not limited by, for the context."""

COPIES = "all places are copies of one guest: random numbers may repeat, and the time of day is that of the snapshot"
"""Limitation of restored guests, for the record."""


def scratch_disk(cache: str, below: str) -> str:
    """Describe the scratch disk of a guest, by its cache mode and the host's file system below it, for the context."""
    return say("fact.scratch_disk", "ext4 on virtio-blk (cache={cache}) on {below}", cache=cache, below=below)


NOT_COUNTED = say("count.in_guest", "from outside, a guest's job cannot be told from its kernel")
"""Reason why there is no ``instructions.user``."""

_REMEDY = say(
    "remedy.other_kernel",
    "see the log; try another kernel (TARE_GUEST_KERNEL) or accelerator (TARE_ACCEL)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPlan:
    """Everything needed to make a :class:`GuestPlace`."""

    context: RunContext
    name: str
    """Name of the place, unique in the run; names its folder and its cgroup."""
    number: int
    """Number of the place within its runner."""
    limits: Limits
    """Limits of the VMM as a process; memory includes what the VMM itself needs."""
    cgroups: Cgroups
    boot_seconds: float
    """Time limit from the launch to the agent's first message."""
    leave_seconds: float
    """Time limit from the agent's leave to the VMM's end."""
    facts: Mapping[str, object]
    """Facts for the place's context."""
    kvm: bool
    """The VMM runs its vCPUs by KVM."""
    ram_bytes: int
    """Memory of the guest."""
    host_address: str | None = None
    """See :class:`tare.runners.model.Place`."""
    host_network: str = ""
    """See :class:`tare.runners.model.Place`."""
    scratch: Path | None = None
    """Template of the scratch disk, of which each place gets a copy; ``None``: scratch is in memory."""
    resumed: Hello | None = None
    """First message of the agent in the snapshot that the guest is restored from; ``None``: the guest boots."""


class GuestPlace(ProcessPlace):
    """See :class:`tare.runners.model.Place`."""

    root, scratch = "/", "/scratch"
    keeps_bytes = True
    """The channel keeps bytes written before the agent opens it, so the only job can be written at once."""

    looks_after_cold_starts = False
    """Read back what was achieved for cold starts as well: about 1 ms between the job's end and the agent's leave."""

    _watch: Watch

    def __init__(self, plan: GuestPlan, first: Job | None) -> None:
        super().__init__(plan.context.launcher, plan.context.undo_log)
        self.leave_seconds = plan.leave_seconds
        self.host_address, self.host_network = plan.host_address, plan.host_network
        self._plan, self._first = plan, _marked(first, plan) if first else None
        self._booted = False
        """The agent has spoken, so it can be asked to leave."""
        self._lost = False
        self._begun = False
        """The VMM has got everything that it needs to run the guest."""
        try:
            self._folder = plan.context.workdir / "places" / plan.name
            self._folder.mkdir(parents=True)
            self._undo.callback(discard_tree, self._folder)
            self._disk = self._own_scratch()
            cgroup = plan.cgroups.create(plan.context.run, plan.name, plan.limits)
            self._undo.callback(discard, cgroup)
            self._spawned = self._launch(cgroup)
        except BaseException:
            self._tidy_up()
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
                self._session.meter = self._undo.enter_context(HostCpuMeter(self.vantage))
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
                result = self._session.run(_marked(job, self._plan))
                return replace(result, not_counted=NOT_COUNTED) if job.argv else result
            return self._run_first(self._first)
        except PlaceFailure as failure:
            self._lost = True
            raise self._explained(failure) from failure

    def start(self, job: Job) -> AgentService:
        """See :class:`tare.runners.model.Place`."""
        try:
            return self._session.start(_marked(job, self._plan))
        except PlaceFailure as failure:
            self._lost = True
            raise self._explained(failure) from failure

    def endpoint(self, port: int) -> Endpoint | None:
        """See :class:`tare.runners.model.Place`."""
        del port
        return None

    def abandon(self) -> None:
        """Give the guest up, so that closing kills the VMM at once instead of asking the agent to leave."""
        self._lost = True

    # -- hooks for each VMM -----------------------------------------------------------------------

    def _launch(self, cgroup: Cgroup) -> Spawned:
        """Make the VMM's process, and set :attr:`_watch`, which drains the output of the VMM and of the console."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Do what the VMM needs between its start and the guest's boot."""

    def _monitored_by(self) -> Callable[..., Any] | None:
        """Give the function for :attr:`tare.runners.model.Vantage.monitor`."""
        return None

    def _achieved(self) -> Mapping[str, object]:
        """Read back, for the context, what was achieved. The guest runs, but no job does."""
        return {}

    def _entered_ns(self) -> int | None:
        """Tell when the VMM first ran the vCPUs, by the host's clock; ``None`` if that is not known."""
        return None

    def _restored_ns(self) -> int | None:
        """Tell when the VMM had restored the guest, by the host's clock; ``None`` if that is not known."""
        return None

    def _where(self) -> str:
        """Describe for the log what a hanging guest is doing."""
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
                say("guest.scratch_disk", "no scratch disk could be made: {error}", error=error),
                remedy=say(
                    "remedy.make_room",
                    "make room in {parent}, or lower --scratch",
                    parent=self._folder.parent,
                ),
            ) from error
        return copy

    def _spawn(self, request: SpawnRequest, cgroup: Cgroup) -> Spawned:
        request = replace(request, cgroup=cgroup.unified, tasks=tuple(cgroup.tasks), sweep=True)
        try:
            return self._plan.context.launcher.spawn(request)
        except SpawnError as error:
            raise PlaceFailure(
                str(error),
                remedy=say("remedy.doctor", "`tare doctor` says what this host permits"),
            ) from error

    def _channel(self) -> tuple[socket.socket, socket.socket]:
        """Make the channel, our end and the guest's, with buffers large enough for an ordinary job."""
        ours, theirs = socket.socketpair()
        self._undo.callback(ours.close)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        return ours, theirs

    def _converse_over(self, channel: socket.socket) -> None:
        woken = self._first is not None and self.keeps_bytes
        self._session = AgentSession(channel, same_clock=False, resumed=self._plan.resumed, woken=woken)

    def _preload(self, channel: socket.socket) -> memoryview:
        """Write the only job into the channel before the launch, and return what did not fit.

        A virtio port keeps it until the agent opens the port; a serial port would lose it.
        """
        if self._first is None or not self.keeps_bytes:
            return memoryview(b"")
        told = memoryview(preload(self._first, leave=False, wake=self._plan.resumed is not None))
        channel.setblocking(False)
        return told[channel.send(told) :]

    def _send_rest(self, channel: socket.socket, rest: memoryview) -> None:
        """Write what exceeded the socket's buffer, as fast as the agent reads it."""
        channel.settimeout(self._plan.boot_seconds)
        try:
            channel.sendall(rest)
        except OSError as error:
            raise PlaceFailure(
                say("place.job_refused", "the agent does not take its job: {error}", error=error)
            ) from error
        finally:
            channel.setblocking(False)

    # -- boot, marks and the only job -------------------------------------------------------------

    def _boot(self) -> None:
        self.hello = self._session.hello(self._plan.boot_seconds)
        self._booted = True

    def _mark_boot(self) -> None:
        """Map the guest's clock now, and the marks of the boot by it."""
        self._mark(self._session.map_clock())

    def _mark(self, clock: ClockMap) -> None:
        # The clock of a restored guest stood still in between, so it drifts only since the restoration.
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

        The clock is mapped after the job, so that the pings, about 0.3 ms each, are in ``finished`` → ``gone`` and not
        on the way to the job.
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
        """Explain a failure by what the VMM, the console and the launcher know."""
        if type(failure) is not PlaceFailure:  # an interrupt, or contradicting clocks
            return failure
        said = failure.reason
        try:
            ended = self._ended(_ENDING_SECONDS)
        except LauncherError as error:
            return PlaceFailure(joined(said, str(error)), log=failure.log)
        if ended:
            self._watch.finish()
        where = "" if ended else self._where()
        log = "\n".join(part for part in (self._watch.log(), where, failure.log) if part)
        why = self._why()
        return PlaceFailure(f"{why} ({said})" if why else said, remedy=failure.remedy or _REMEDY, log=log)

    def _why(self) -> str:
        """Give the most telling cause; empty if the guest never began and its VMM, still running, has said why."""
        if self._watch.stuck:
            return say(
                "guest.stopped", "{what} stopped the guest: {why}", what=self.what, why=self._watch.stuck
            )
        console = bytes(self._watch.console).decode("utf-8", "replace")
        panic = next((line.strip() for line in console.splitlines() if "Kernel panic" in line), "")
        if panic:
            return say("guest.panicked", "the guest's kernel panicked: {line}", line=panic)
        if self._gone is None:
            if self._never_lived:
                return say("guest.not_started", "{what} could not be started", what=self.what)
            return say("guest.hangs", "the guest hangs") if self._begun else ""
        return _how_it_ended(self.what, self._gone.exit_code, bytes(self._watch.stderr))


def _how_it_ended(what: str, code: int, stderr: bytes) -> str:
    if code < 0:
        return f"{what} {how_ended(code)}"
    if code:
        last = complaints(stderr)
        said = last[-1] if last else say("guest.silent", "without a word")
        return say("guest.ended", "{what} ended with status {code}: {said}", what=what, code=code, said=said)
    return say("guest.ended_itself", "the guest ended itself: it restarted or crashed (triple fault)")


def _marked(job: Job, plan: GuestPlan) -> Job:
    """Mark a job with the run it belongs to, by its environment."""
    return replace(job, environ={**job.environ, "TARE_RUN": plan.context.run})
