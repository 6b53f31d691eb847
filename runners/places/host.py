"""Run places on this host's kernel, whose jobs can be watched and limited from outside.

Either the launcher makes the agent itself (:mod:`tare.runners.places.launched`), or it starts a command that does
(:mod:`tare.runners.places.commanded`).
"""

from __future__ import annotations

import os
import resource
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tare.results.said import joined, listed, say
from tare.runners.agent.session import AgentSession, preload
from tare.runners.collectors.host_cpu import HostCpuMeter, cpu_by_rusage
from tare.runners.errors import PlaceFailure, remedy_of
from tare.runners.host.pmu import SHARED, explain, open_event, read_count, why_not_always
from tare.runners.host.trees import discard_tree
from tare.runners.launcher.processes import LauncherError, SpawnError
from tare.runners.launcher.steps.process import SetLimit
from tare.runners.model import INSTRUCTIONS, WATCHED, Vantage
from tare.runners.places.endpoint import find_endpoint
from tare.runners.places.folders import make_scratch
from tare.runners.places.limit_watch import LimitWatch
from tare.runners.places.process import SOCKET_BYTES, ProcessPlace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.agent.service import AgentService
    from tare.runners.context import RunContext
    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.launcher.client import Launcher
    from tare.runners.launcher.processes import Gone, Spawned, SpawnRequest
    from tare.runners.launcher.steps.base import Step
    from tare.runners.model import Endpoint, Job, JobResult, Limits

HELLO_SECONDS = 15.0
"""Time for an agent to speak, from the launch on."""
ENDING_SECONDS = 1.0
"""Time for the top process to end once its agent is lost; how it ended is part of the failure's text."""
DRIFT_BOUND = 500e-6
"""Largest rate difference between the clock of another kernel and the host's: as much as adjtimex(2) lets NTP steer the
host's. It is added to the mapping's error for the time between a mark and the mapping."""
REMEDY = say("remedy.doctor", "`tare doctor` says what this host permits")


class PlacePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's order for a place on this host's kernel."""

    context: RunContext
    name: str
    """Name of the place, unique among those that are open; its folder and its cgroup are called so."""
    launcher: Launcher
    limits: Limits
    root: str
    """Path of the image's tree as jobs see it."""
    scratch: str | None
    """Path of the scratch folder as jobs see it; ``None``: the same as on the host."""
    facts: Mapping[str, object]
    """Facts for the place's context in the record."""
    host_address: str | None
    """See :class:`tare.runners.model.Place`."""
    host_network: str = ""
    """See :class:`tare.runners.model.Place`."""
    bridge_network: str | None = None
    """Network namespace of the bridge that the place is on, or of the other end of its pair, as a path; empty: the host's
    own. ``None``: the place has no interface to it."""


class HostPlace(ProcessPlace):
    """A place on this host's kernel."""

    hello_seconds = HELLO_SECONDS
    speaks_first = True
    same_clock = True
    """See :class:`tare.runners.agent.session.AgentSession` for these two."""

    def __init__(self, plan: PlacePlan, first: Job | None) -> None:
        super().__init__(plan.launcher, plan.context.undo_log)
        self.root = plan.root
        self.host_address, self.host_network = plan.host_address, plan.host_network
        self._bridge_network = plan.bridge_network
        self._run, self._limits = plan.context.run, plan.limits
        self._first = self._marked(first) if first else None
        self._cgroup: Cgroup | None = None
        try:
            self.host_scratch = self._host_scratch = self._make_scratch(plan)
            self.scratch = plan.scratch or str(self._host_scratch)
            self._cgroup, cgroup_facts = self._make_cgroup()
            self._spawned = self._launch()
        except BaseException:
            self._tidy_up()
            raise
        folders = dict(self._cgroup.folders) if self._cgroup else {}
        self.vantage = Vantage(self._spawned.pid, folders, self._spawned.pid, scratch=self._host_scratch)
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
                self._session.meter = self._undo.enter_context(HostCpuMeter(self.vantage))
            except BaseException:
                self.close()
                raise

    def run(self, job: Job) -> JobResult:
        """See :class:`tare.runners.model.Place`."""
        # Nothing has happened yet in a place that is made for its first job.
        events = self._cgroup.events() if self._cgroup and self._first is None else {}
        with ExitStack() as stack:
            # The null job has no process that could exceed anything.
            watch = stack.enter_context(self._watch()) if job.argv else None
            try:
                result = self._converse(job)
            except PlaceFailure as failure:
                raise self._explained(failure, events) from failure
        if result.host_cpu is None and self._first is None and self.vantage.shared_with_host:
            result = replace(result, host_cpu=cpu_by_rusage(result))
        why = (watch.verdict or self._kernel_verdict(events, result)) if watch else ""
        return replace(result, error=why) if why and not result.error else result

    def start(self, job: Job) -> AgentService:
        """See :class:`tare.runners.model.Place`."""
        events = self._cgroup.events() if self._cgroup else {}
        watch = self._undo.enter_context(self._watch())
        try:
            service = self._session.start(self._marked(job))
        except PlaceFailure as failure:
            raise self._explained(failure, events) from failure
        service.explain = lambda: watch.verdict or self._kernel_verdict(events, None)
        return service

    def endpoint(self, port: int) -> Endpoint | None:
        """See :class:`tare.runners.model.Place`."""
        return find_endpoint(self.vantage.agent_pid, port, self._bridge_network)

    def _watch(self) -> LimitWatch:
        limited = self._cgroup.achieved if self._cgroup else {}
        return LimitWatch(
            self._agent_pid,
            self._host_scratch,
            self._limits,
            memory="memory_bytes" not in limited,
            pids="pids" not in limited,
        )

    def _make_scratch(self, plan: PlacePlan) -> Path:
        """Make the place's folder, which is removed at its end, and return the scratch folder in it."""
        folder = plan.context.workdir / "places" / plan.name
        scratch = make_scratch(folder)
        self._undo.callback(discard_tree, folder)
        return scratch

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        """Make the place's cgroups; return them if they limit or count anything, and a description for the context."""
        raise NotImplementedError

    def _request(self, channel: int, opened: ExitStack, *, quiet: bool) -> SpawnRequest:
        """Describe the top process to make.

        Args:
            channel: file descriptor of the agent's end of the channel.
            opened: closed after the launch; takes what the request opens.
            quiet: as in :attr:`SpawnRequest.quiet`.
        """
        raise NotImplementedError

    def _launch(self) -> Spawned:
        ours, theirs = socket.socketpair()
        self._undo.callback(ours.close)
        with theirs, ExitStack() as opened:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            # An agent that only runs the null job is gone before this process could wake up; waking up would
            # disturb the measurement.
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
                raise PlaceFailure(
                    str(error), remedy=remedy_of(error.errno) or REMEDY, log=self._log()
                ) from error
        self._session = AgentSession(ours, same_clock=self.same_clock, speaks_first=self.speaks_first)
        if rest:  # the job is larger than the socket's buffer, and the agent is reading by now
            ours.settimeout(self.hello_seconds)
            try:
                ours.sendall(rest)
            except OSError as error:
                failure = PlaceFailure(
                    say("place.job_refused", "the agent does not take its job: {error}", error=error)
                )
                raise self._explained(failure, {}, spawned) from error
            finally:
                ours.setblocking(False)
        return spawned

    def _spawn(self, request: SpawnRequest, *, quiet: bool) -> Spawned:
        """Make the top process and whatever else the agent needs to start."""
        return self._launcher.spawn(request, self.hello_seconds if quiet else None)

    def _settle(self) -> None:
        """Look from outside for what is known only once the agent has spoken and waits for jobs."""

    def _agent_pid(self) -> int:
        """Return the agent's pid on the host; 0 if it is not known."""
        return self._spawned.pid

    def _ask_to_leave(self) -> bool:
        told = self._first is not None and self.same_clock  # together with its job
        return told or super()._ask_to_leave()

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
            return self._counting(job)
        result = self._session.collect(self._first, self.hello_seconds)
        self._hello()
        self.timeline |= {"started": result.started_ns, "finished": result.finished_ns}
        if not self.same_clock:  # the agent had to stay until its clock was mapped
            self._session.exit()
        return result

    def _counting(self, job: Job) -> JobResult:
        """Run a job, and count the event that it asks for, or its instructions where that disturbs nothing.

        The counter belongs to the agent's process and is opened from outside, so that a container's seccomp filter does
        not matter, and what it costs is the same on bare metal and in containers.
        """
        marked = self._marked(job)
        if not job.argv:
            return self._session.run(marked)
        if refused := why_not_always() if job.count is None else "":
            return replace(self._session.run(marked), not_counted=refused)
        event = job.count or INSTRUCTIONS
        if not self.vantage.agent_pid:
            unseen = say("count.unseen", "the place's processes are not visible from outside")
            return replace(self._session.run(marked), not_counted=unseen)
        try:
            counter = open_event(
                event.type,
                event.config,
                self.vantage.agent_pid,
                user_only=not event.in_kernel,
                of_children=True,
            )
        except OSError as error:
            return replace(self._session.run(marked), not_counted=explain(error.errno or 0))
        try:
            result = self._session.run(marked)
            value = read_count(counter)
        finally:
            os.close(counter)
        return replace(result, counted=value, not_counted="" if value is not None else SHARED)

    def _explained(
        self, failure: PlaceFailure, events: Mapping[str, int], spawned: Spawned | None = None
    ) -> PlaceFailure:
        """Add to a failure what the launcher and the kernel know about why the agent is lost."""
        try:
            gone = self._top_ended(spawned or self._spawned, ENDING_SECONDS)
        except SpawnError as error:
            self._never_lived = True
            return PlaceFailure(str(error), remedy=remedy_of(error.errno) or REMEDY, log=failure.log)
        except LauncherError as error:
            return PlaceFailure(joined(failure.reason, str(error)), log=failure.log)
        self._gone = gone or self._gone
        if why := self._kernel_verdict(events, None):
            return PlaceFailure(
                say("container.died_with_agent", "{why}, and the agent with it", why=why),
                remedy=say("remedy.raise_memory_limit", "raise the memory limit"),
                log=failure.log,
            )
        return failure if gone is None else self._explained_end(failure, gone)

    def _top_ended(self, spawned: Spawned, timeout_seconds: float) -> Gone | None:
        """Wait for the top process to end; ``None`` if it does not in time."""
        return self._launcher.wait(spawned.id, timeout_seconds)

    def _explained_end(self, failure: PlaceFailure, gone: Gone) -> PlaceFailure:
        """Add to a failure how the top process ended."""
        return PlaceFailure(
            say("place.agent_exit_status", "{reason} (agent's exit status {exit_code})", reason=failure.reason, exit_code=gone.exit_code),
            remedy=failure.remedy,
            log=failure.log,
        )  # fmt: skip

    def _kernel_verdict(self, before: Mapping[str, int], result: JobResult | None) -> str:
        """Name the limit that the kernel enforced during the job; empty if none affected it."""
        if self._cgroup is None:
            return ""
        now = self._cgroup.events()
        if now.get("oom_kills", 0) > before.get("oom_kills", 0):
            return say(
                "limit.killed", "killed by the memory limit of {size} MiB", size=self._limits.memory_bytes >> 20
            )  # fmt: skip
        bad = result is not None and (result.timed_out or result.exit_code != 0)
        if bad and now.get("pids_refused", 0) > before.get("pids_refused", 0):
            reached = say("limit.reached", "limit of {n} processes reached", n=self._limits.pids)
            late = say("limit.late", "still running at its time-out")
            return listed((reached, late)) if result and result.timed_out else reached
        return ""

    def _marked(self, job: Job) -> Job:
        """Add the run's mark to the job's environment: cleanup finds processes by it."""
        return replace(job, environ={**job.environ, "TARE_RUN": self._run})


def limits_in_force(limits: Limits, cgroup: Cgroup | None) -> dict[str, object]:
    """Describe for the record which limits are enforced by a cgroup and which only by watching."""
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
        "memory_limit_by": "cgroup" if "memory_bytes" in achieved else WATCHED,
        "pids": achieved.get("pids", limits.pids),
        "pids_limit_by": "cgroup" if "pids" in achieved else "rlimit and watching from outside",
    }


def resource_limits(limits: Limits, cgroup: Cgroup | None, *, alone: bool) -> tuple[Step, ...]:
    """List the steps that set per-process limits, never above the hard limits that are in force already.

    Args:
        limits: the place's limits.
        cgroup: the place's cgroups; the number of processes is limited here only if they do not.
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
    """Count this user's threads: RLIMIT_NPROC includes all of them."""
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    count += sum(1 for _ in (entry / "task").iterdir())
    return count
