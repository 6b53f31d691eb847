"""A place whose agent the launcher makes on this host's kernel: what ``bare`` and ``namespaces`` have in common."""

from __future__ import annotations

import os
import resource
import shutil
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runners.agent.session import AgentSession, preload
from runners.guard import Guard
from runners.host.cgroups import CONTROLLERS
from runners.host.disks import disk_of
from runners.launcher.client import LauncherError, SpawnError, SpawnRequest
from runners.launcher.steps import SetLimit
from runners.model import PlaceFailure, Vantage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from runners.host.cgroups import Cgroup, Cgroups
    from runners.launcher.client import Gone, Launcher, Spawned
    from runners.launcher.steps import Step
    from runners.model import Job, JobResult, Limits, RunContext, Usage

HELLO_SECONDS = 15.0
LEAVE_SECONDS = 3.0
"""For an agent to leave after it was told so; then it is killed."""
_SOCKET_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How a runner wants its place."""

    context: RunContext
    name: str
    """Of the place, unique in the run: names its folder and its cgroup."""
    launcher: Launcher
    limits: Limits
    agent: Path
    root: str
    """The image's tree as jobs see it."""
    scratch: str | None
    """The scratch folder as jobs see it; ``None``: where it is on the host."""
    steps: tuple[Step, ...]
    facts: Mapping[str, object]
    """What is recorded as context."""
    cgroups: Cgroups | None
    """``None``: no cgroup is wanted."""
    host_address: str | None
    """See :class:`runners.model.Place`."""
    controllers: tuple[str, ...] = CONTROLLERS
    """Of the cgroups, those that are wanted."""
    remove_within: bool = False
    """The removal of a cold start's cgroups belongs to its timeline. A place that runs many jobs keeps them to the
    end: they say why an agent was killed."""
    count_processes: bool = False
    """RLIMIT_NPROC counts the place's processes only, not all of this user."""


class LaunchedPlace:
    """See :class:`runners.model.Place`."""

    def __init__(self, plan: Plan, first: Job | None) -> None:
        self.root = plan.root
        self.host_address = plan.host_address
        self.clock_error = 0.0
        self.timeline: dict[str, int] = {}
        self.usage: Usage | None = None
        """Of the agent and all that it waited for, once the place is closed."""
        self._plan, self._limits = plan, plan.limits
        self._first = _marked(first, plan.context.run) if first else None
        self._gone: Gone | None = None
        self._never_lived = False
        """The process ended before it became the agent."""
        self._closed = False
        self._undo = ExitStack()
        try:
            self._folder = plan.context.workdir / "places" / plan.name
            host_scratch = self._folder / "scratch"
            host_scratch.mkdir(parents=True)
            host_scratch.chmod(0o1777)
            self._undo.callback(remove_tree, self._folder)
            self.scratch, self._host_scratch = plan.scratch or str(host_scratch), host_scratch
            self._cgroup_facts = "none"
            self._cgroup = self._make_cgroup()
            self._spawned = self._launch()
        except BaseException:
            self._undo.close()
            raise
        self.vantage = Vantage(self._spawned.pid, dict(self._cgroup.folders) if self._cgroup else {})
        self.context: dict[str, object] = {
            **plan.facts,
            **limits_in_force(plan.limits, self._cgroup),
            "cgroup": self._cgroup_facts,
        }
        self.timeline |= {"requested": self._spawned.requested_ns, "spawned": self._spawned.spawned_ns}
        if first is None:
            try:
                self._hello()
            except BaseException:
                self.close()
                raise

    def run(self, job: Job) -> JobResult:
        """See :class:`runners.model.Place`."""
        events = self._cgroup.events() if self._cgroup else {}
        limited = self._cgroup.achieved if self._cgroup else {}
        with ExitStack() as stack:
            guard = None
            if job.argv:  # the null job has no process that could exceed anything
                guard = Guard(
                    self.vantage.top_pid,
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

    def close(self) -> None:
        """See :class:`runners.model.Place`."""
        if self._closed:
            return
        self._closed = True
        with self._undo:
            self._session.exit()
            if not self._ended():
                if self._cgroup:
                    self._cgroup.kill()
                self._plan.launcher.kill(self._spawned.id)
                if not self._ended():
                    raise PlaceFailure(
                        f"the place's agent (pid {self._spawned.pid}) cannot be killed",
                        remedy="look for a process in state D: `ps -eo pid,stat,wchan,comm | grep tare`",
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

    def _make_cgroup(self) -> Cgroup | None:
        plan = self._plan
        if plan.cgroups is None:
            return None
        disk = disk_of(plan.context.workdir)
        cgroup = plan.cgroups.create(
            plan.context.run, plan.name, plan.limits, disk=disk, only=plan.controllers
        )
        self._undo.callback(_discard, cgroup)
        self._cgroup_facts = cgroup.describe()
        return cgroup if cgroup.folders else None

    def _launch(self) -> Spawned:
        plan = self._plan
        ours, theirs = socket.socketpair()
        self._undo.callback(ours.close)
        agent = os.open(plan.agent, os.O_PATH | os.O_CLOEXEC)
        with theirs, ExitStack() as opened:
            opened.callback(os.close, agent)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            quiet = self._first is not None and not self._first.argv
            rest = memoryview(b"")
            if self._first:
                ours.setblocking(False)
                told = memoryview(preload(self._first))
                rest = told[ours.send(told) :]
            request = SpawnRequest(
                ("tare-agent", plan.context.run, "3"),
                environ={"TARE_RUN": plan.context.run},
                program=agent,
                fds={3: theirs.fileno()},
                steps=(*_resource_limits(plan, self._cgroup), *plan.steps),
                cgroup=self._cgroup.unified if self._cgroup else None,
                tasks=tuple(self._cgroup.tasks) if self._cgroup else (),
                remove=tuple(self._cgroup.all_folders)
                if self._cgroup and plan.remove_within and self._first
                else (),
                # An agent with nothing to do but the null job lives shorter than it takes us to wake up and look; our
                # doing so would be a part of what is measured.
                quiet=quiet,
                sweep=True,
            )
            try:
                spawned = plan.launcher.spawn(request, HELLO_SECONDS if quiet else None)
            except SpawnError as error:
                raise PlaceFailure(str(error), remedy=_REMEDY) from error
        if rest:  # a job larger than the socket's buffer: the agent reads it by now
            ours.settimeout(HELLO_SECONDS)
            try:
                ours.sendall(rest)
            except OSError as error:
                raise self._explained(
                    PlaceFailure(f"the agent does not take its job: {error}"), {}, spawned
                ) from error
        self._session = AgentSession(ours)
        return spawned

    def _hello(self) -> None:
        try:
            hello = self._session.hello(HELLO_SECONDS)
        except PlaceFailure as failure:
            raise self._explained(failure, {}) from failure
        self.timeline |= {"agent": hello.born_ns, "ready": hello.ready_ns}

    def _converse(self, job: Job) -> JobResult:
        if self._first is None:
            return self._session.run(_marked(job, self._plan.context.run))
        result = self._session.collect(self._first, HELLO_SECONDS)
        self._hello()
        self.timeline |= {"started": result.started_ns, "finished": result.finished_ns}
        return result

    def _ended(self) -> bool:
        """Wait for the top process' end, for a while."""
        if self._gone is None and not self._never_lived:
            try:
                self._gone = self._plan.launcher.wait(self._spawned.id, LEAVE_SECONDS)
            except SpawnError:
                self._never_lived = True
        return self._never_lived or self._gone is not None

    def _explained(
        self, failure: PlaceFailure, events: Mapping[str, int], spawned: Spawned | None = None
    ) -> PlaceFailure:
        """What the launcher and the kernel know about why the agent is lost."""
        try:
            gone = self._plan.launcher.wait((spawned or self._spawned).id, 1.0)
        except SpawnError as error:
            self._never_lived = True
            return PlaceFailure(str(error), remedy=_REMEDY, log=failure.log)
        except LauncherError as error:
            return PlaceFailure(f"{failure.reason} {error}", log=failure.log)
        self._gone = gone or self._gone
        if why := self._kernel_verdict(events, None):
            return PlaceFailure(
                f"{why}, and the agent with it", remedy="raise the memory limit", log=failure.log
            )
        if gone is None:
            return failure
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


_REMEDY = "`tare doctor` says what this host permits"


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
        "memory_bytes": limits.memory_bytes,
        "memory_limit_by": "cgroup" if "memory_bytes" in achieved else "watching from outside",
        "pids": limits.pids,
        "pids_limit_by": "cgroup" if "pids" in achieved else "rlimit and watching from outside",
    }


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


def _resource_limits(plan: Plan, cgroup: Cgroup | None) -> tuple[Step, ...]:
    """Limits that every process has for itself, below what it may not exceed anyway."""
    steps = []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = plan.limits.scratch_bytes if hard < 0 else min(plan.limits.scratch_bytes, hard)
    steps.append(SetLimit("file size", resource.RLIMIT_FSIZE, size, size))
    if not cgroup or "pids" not in cgroup.achieved:
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        count = plan.limits.pids + (0 if plan.count_processes else _own_threads())
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


def _marked(job: Job, run: str) -> Job:
    """Everything that runs for a run says so in its environment."""
    return replace(job, environ={**job.environ, "TARE_RUN": run})


def _discard(cgroup: Cgroup) -> None:
    if cgroup.remove():  # something lives on in it
        cgroup.kill()
        cgroup.remove()
