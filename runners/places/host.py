"""What places have in common whose top process the launcher makes: how they are spoken to and how they end.

:class:`ProcessPlace` is any of them, a guest too. :class:`HostPlace` is one on this host's kernel, whose jobs can be
watched and limited from outside: what the launcher makes itself (:mod:`tare.runners.places.launched`) or a command that it starts
(:mod:`tare.runners.places.commanded`).
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tare.runners.agent.session import AgentSession, preload
from tare.runners.errors import PlaceFailure
from tare.runners.launcher.client import LauncherError, SpawnError
from tare.runners.launcher.steps import SetLimit
from tare.runners.model import Vantage
from tare.runners.places.limit_watch import Guard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from tare.results.record import Metric
    from tare.runners.context import RunContext
    from tare.runners.host.cgroups import Cgroup
    from tare.runners.launcher.client import Gone, Launcher, Spawned, SpawnRequest
    from tare.runners.launcher.steps import Step
    from tare.runners.model import Job, JobResult, Limits, Usage

HELLO_SECONDS = 15.0
LEAVE_SECONDS = 3.0
"""For an agent to leave after it was told so; then it is killed."""
KILLED_SECONDS = 5.0
ENDING_SECONDS = 1.0
"""How long to wait for the top process' end once its agent is lost, to learn how it ended."""
SOCKET_BYTES = 1 << 20
DRIFT_BOUND = 500e-6
"""How much faster or slower than the host's a clock may run that some kernel in between steers: as much as adjtimex(2)
lets NTP steer the host's. Added to the mapping's error for the time between a mark and the mapping."""
REMEDY = "`tare doctor` says what this host permits"


class ProcessPlace:
    """A place that lives as long as one process. See :class:`tare.runners.model.Place`."""

    what = "the place's top process"
    """For the failure's text, if it cannot be killed."""
    leave_seconds = LEAVE_SECONDS
    host_network = ""

    _session: AgentSession
    _spawned: Spawned

    def __init__(self, launcher: Launcher) -> None:
        self.timeline: dict[str, int] = {}
        self.clock_error = 0.0
        self.usage: Usage | None = None
        """Of the top process and all that it waited for, once the place is closed."""
        self.metrics: tuple[Metric, ...] = ()
        self._launcher = launcher
        self._gone: Gone | None = None
        self._never_lived = False
        """The process ended before it ran its program."""
        self._closed = False
        self._undo = ExitStack()

    def close(self) -> None:
        """See :class:`tare.runners.model.Place`."""
        if self._closed:
            return
        self._closed = True
        with self._undo:
            if not (self._ask_to_leave() and self._ended(self.leave_seconds)):
                self._kill()
                if not self._ended(KILLED_SECONDS):
                    raise PlaceFailure(
                        f"{self.what} (pid {self._spawned.pid}) cannot be killed",
                        remedy="look for a process in state D: `ps -eo pid,stat,wchan,comm | grep tare`",
                        log=self._log(),
                    )
            if self._gone:
                self.timeline["gone"] = self._gone.gone_ns
                self.usage = self._gone.usage

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except PlaceFailure:
            if error is None:
                raise

    def _ask_to_leave(self) -> bool:
        """Tell the agent; whether there is any hope that it heard."""
        self._session.exit()
        return True

    def _kill(self) -> None:
        self._launcher.kill(self._spawned.id)

    def _log(self) -> str:
        """What the place said last, for a failure."""
        return ""

    def _ended(self, timeout_seconds: float) -> bool:
        """Wait for the top process' end, for a while."""
        if self._gone is None and not self._never_lived:
            try:
                self._gone = self._launcher.wait(self._spawned.id, timeout_seconds)
            except SpawnError:
                self._never_lived = True
        return self._never_lived or self._gone is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePlan:
    """How a runner wants a place on this kernel."""

    context: RunContext
    name: str
    """Of the place, unique in the run: names its folder and its cgroup."""
    launcher: Launcher
    limits: Limits
    root: str
    """The image's tree as jobs see it."""
    scratch: str | None
    """The scratch folder as jobs see it; ``None``: where it is on the host."""
    facts: Mapping[str, object]
    """What is recorded as context."""
    host_address: str | None
    """See :class:`tare.runners.model.Place`."""
    host_network: str = ""
    """See :class:`tare.runners.model.Place`."""


class HostPlace(ProcessPlace):
    """A place on this host's kernel."""

    hello_seconds = HELLO_SECONDS
    speaks_first = True
    same_clock = True
    """Both: see :class:`tare.runners.agent.session.AgentSession`."""

    def __init__(self, plan: PlacePlan, first: Job | None) -> None:
        super().__init__(plan.launcher)
        self.root = plan.root
        self.host_address, self.host_network = plan.host_address, plan.host_network
        self._run, self._limits = plan.context.run, plan.limits
        self._first = self._marked(first) if first else None
        self._cgroup: Cgroup | None = None
        try:
            self._folder = plan.context.workdir / "places" / plan.name
            self._host_scratch = self._folder / "scratch"
            self._host_scratch.mkdir(parents=True)
            self._host_scratch.chmod(0o1777)
            self._undo.callback(remove_tree, self._folder)
            self.scratch = plan.scratch or str(self._host_scratch)
            self._cgroup, cgroup_facts = self._make_cgroup()
            self._spawned = self._launch()
        except BaseException:
            self._undo.close()
            raise
        folders = dict(self._cgroup.folders) if self._cgroup else {}
        self.vantage = Vantage(self._spawned.pid, folders)
        self.context: dict[str, object] = {
            **plan.facts,
            **limits_in_force(plan.limits, self._cgroup),
            "cgroup": cgroup_facts,
        }
        self.timeline |= {"requested": self._spawned.requested_ns, "spawned": self._spawned.spawned_ns}
        if first is None:
            try:
                self._hello()
                self._settle()
            except BaseException:
                self.close()
                raise

    def run(self, job: Job) -> JobResult:
        """See :class:`tare.runners.model.Place`."""
        events = self._cgroup.events() if self._cgroup else {}
        limited = self._cgroup.achieved if self._cgroup else {}
        with ExitStack() as stack:
            guard = None
            if job.argv:  # the null job has no process that could exceed anything
                guard = Guard(
                    self._agent_pid,
                    self._host_scratch,
                    self._limits,
                    memory="memory_bytes" not in limited,
                    pids="pids" not in limited,
                )
                stack.enter_context(guard)
            try:
                result = self._converse(job)
            except PlaceFailure as failure:
                raise self._explained(failure, events) from failure
        why = (guard.verdict if guard else "") or self._kernel_verdict(events, result)
        return replace(result, error=why) if why and not result.error else result

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        """The place's cgroups, if they limit or count anything, and what the context says of them."""
        raise NotImplementedError

    def _request(self, channel: int, opened: ExitStack, *, quiet: bool) -> SpawnRequest:
        """The top process to make. ``channel`` is the agent's; what is in ``opened`` is closed after the launch."""
        raise NotImplementedError

    def _launch(self) -> Spawned:
        ours, theirs = socket.socketpair()
        self._undo.callback(ours.close)
        with theirs, ExitStack() as opened:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            # An agent with nothing to do but the null job lives shorter than it takes us to wake up and look; our
            # doing so would be a part of what is measured.
            quiet = self._first is not None and not self._first.argv and self.same_clock
            rest = memoryview(b"")
            if self._first:
                ours.setblocking(False)
                told = memoryview(preload(self._first, leave=self.same_clock))
                rest = told[ours.send(told) :]
            request = self._request(theirs.fileno(), opened, quiet=quiet)
            try:
                spawned = self._spawn(request, quiet=quiet)
            except SpawnError as error:
                raise PlaceFailure(str(error), remedy=REMEDY, log=self._log()) from error
        self._session = AgentSession(ours, same_clock=self.same_clock, speaks_first=self.speaks_first)
        if rest:  # a job larger than the socket's buffer: the agent reads it by now
            ours.settimeout(self.hello_seconds)
            try:
                ours.sendall(rest)
            except OSError as error:
                failure = PlaceFailure(f"the agent does not take its job: {error}")
                raise self._explained(failure, {}, spawned) from error
            finally:
                ours.setblocking(False)
        return spawned

    def _spawn(self, request: SpawnRequest, *, quiet: bool) -> Spawned:
        """Make the top process, and whatever else it takes until the agent starts."""
        return self._launcher.spawn(request, self.hello_seconds if quiet else None)

    def _settle(self) -> None:
        """Learn from outside what is known only now that the agent has spoken and waits for jobs."""

    def _agent_pid(self) -> int:
        """The agent's pid on the host; 0 if that is not known."""
        return self._spawned.pid

    def _kill(self) -> None:
        if self._cgroup:
            self._cgroup.kill()
        super()._kill()

    def _hello(self) -> None:
        try:
            hello = self._session.hello(self.hello_seconds)
            clock = self._session.clock if self._first else self._session.map_clock()
        except PlaceFailure as failure:
            raise self._explained(failure, {}) from failure
        self.timeline |= {"agent": clock.to_host(hello.born_ns), "ready": clock.to_host(hello.ready_ns)}
        if not self.same_clock:
            apart_ns = time.monotonic_ns() - clock.to_host(hello.born_ns)
            self.clock_error = (clock.error_ns + DRIFT_BOUND * apart_ns) / 1e9

    def _converse(self, job: Job) -> JobResult:
        if self._first is None:
            return self._session.run(self._marked(job))
        result = self._session.collect(self._first, self.hello_seconds)
        self._hello()
        self.timeline |= {"started": result.started_ns, "finished": result.finished_ns}
        if not self.same_clock:  # it had to stay until its clock was mapped
            self._session.exit()
        return result

    def _explained(
        self, failure: PlaceFailure, events: Mapping[str, int], spawned: Spawned | None = None
    ) -> PlaceFailure:
        """What the launcher and the kernel know about why the agent is lost."""
        try:
            gone = self._top_ended(spawned or self._spawned, ENDING_SECONDS)
        except SpawnError as error:
            self._never_lived = True
            return PlaceFailure(str(error), remedy=REMEDY, log=failure.log)
        except LauncherError as error:
            return PlaceFailure(f"{failure.reason} {error}", log=failure.log)
        self._gone = gone or self._gone
        if why := self._kernel_verdict(events, None):
            return PlaceFailure(
                f"{why}, and the agent with it", remedy="raise the memory limit", log=failure.log
            )
        return failure if gone is None else self._explained_end(failure, gone)

    def _top_ended(self, spawned: Spawned, timeout_seconds: float) -> Gone | None:
        """The end of the top process, if it comes in time."""
        return self._launcher.wait(spawned.id, timeout_seconds)

    def _explained_end(self, failure: PlaceFailure, gone: Gone) -> PlaceFailure:
        """The failure, now that it is known that the top process has ended."""
        return PlaceFailure(
            f"{failure.reason} (agent's exit status {gone.exit_code})", remedy=failure.remedy, log=failure.log
        )

    def _kernel_verdict(self, before: Mapping[str, int], result: JobResult | None) -> str:
        """Which limit the kernel enforced during the job, if it mattered to it."""
        if self._cgroup is None:
            return ""
        now = self._cgroup.events()
        if now.get("oom_kills", 0) > before.get("oom_kills", 0):
            return f"killed by the memory limit of {self._limits.memory_bytes >> 20} MiB"
        bad = result is not None and (result.timed_out or result.exit_code != 0)
        if bad and now.get("pids_refused", 0) > before.get("pids_refused", 0):
            return f"limit of {self._limits.pids} processes reached" + (
                "; still running at its time-out" if result and result.timed_out else ""
            )
        return ""

    def _marked(self, job: Job) -> Job:
        """Everything that runs for a run says so in its environment."""
        return replace(job, environ={**job.environ, "TARE_RUN": self._run})


def limits_in_force(limits: Limits, cgroup: Cgroup | None) -> dict[str, object]:
    """For the context: what limits the place, and what only watches it."""
    achieved: Mapping[str, Any] = cgroup.achieved if cgroup else {}
    allowed = len(os.sched_getaffinity(0))
    io = (
        {"io": achieved.get("io", "not limited")}
        if limits.io_bytes_per_second or limits.io_operations_per_second
        else {}
    )
    return {
        **io,
        "cpus": achieved.get("cpus", min(len(limits.cpuset) or allowed, allowed)),
        "memory_bytes": achieved.get("memory_bytes", limits.memory_bytes),
        "memory_limit_by": "cgroup" if "memory_bytes" in achieved else "watching from outside",
        "pids": achieved.get("pids", limits.pids),
        "pids_limit_by": "cgroup" if "pids" in achieved else "rlimit and watching from outside",
    }


def resource_limits(limits: Limits, cgroup: Cgroup | None, *, alone: bool) -> tuple[Step, ...]:
    """Limits that every process has for itself, below what it may not exceed anyway.

    Args:
        limits: of the place.
        cgroup: its cgroups; processes are limited here if not there.
        alone: RLIMIT_NPROC counts the place's processes only, as in a user namespace, not all of this user.
    """
    steps = []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = limits.scratch_bytes if hard < 0 else min(limits.scratch_bytes, hard)
    steps.append(SetLimit("file size", resource.RLIMIT_FSIZE, size, size))
    if not cgroup or "pids" not in cgroup.achieved:
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        count = limits.pids + (0 if alone else _own_threads())
        count = count if hard < 0 else min(count, hard)
        steps.append(SetLimit("processes", resource.RLIMIT_NPROC, count, count))
    return tuple(steps)


def _own_threads() -> int:
    """Threads of this user now: RLIMIT_NPROC counts all of them."""
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    count += sum(1 for _ in (entry / "task").iterdir())
    return count


def file_system(path: Path) -> str:
    """Type of the file system a path is on (``/proc/self/mountinfo``); empty if that cannot be told."""
    best, found = -1, ""
    text = str(path.resolve())
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields, _, after = line.partition(" - ")
        point = fields.split()[4]
        inside = text == point or text.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, found = len(point), after.split()[0]
    return found


def remove_tree(folder: Path) -> None:
    """Remove a place's folder, whatever modes a job gave to what is in it."""
    for place, names, _ in os.walk(folder):
        for name in names:
            with suppress(OSError):
                path = Path(place, name)
                if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def discard(cgroup: Cgroup) -> None:
    """Remove a place's cgroups, and before that whatever lives on in them."""
    if cgroup.remove():
        cgroup.kill()
        cgroup.remove()
