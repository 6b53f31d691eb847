"""Run places on this host's kernel that a *command* makes: ``runc run …``, ``bwrap …``, ``podman run -i …``.

The launcher starts the command; the agent is its innermost process and talks over the command's stdin and stdout, which
are one socket (channel ``0,1``). The end of the command's stderr is kept for failures. A runner of this kind is a small
module: for each opening it makes a :class:`CommandPlan` with the command line, the limits as far as known, and a
function that undoes the command if it fails.

Timeline: ``requested`` and ``spawned`` are the command's; ``agent`` to ``finished`` are the agent's, whose clock is the
host's; ``gone`` is stamped when the command was reaped. So everything the command does before and after is included.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.host.cgroups.group import discard
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.cgroups.membership import cgroups_of
from tare.runners.host.disks import disk_of
from tare.runners.host.endings import how_ended
from tare.runners.launcher.processes import SpawnRequest
from tare.runners.model import Vantage
from tare.runners.places.host import HELLO_SECONDS, HostPlace, PlacePlan, limits_in_force, resource_limits
from tare.runners.places.output_tail import Drain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack

    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.launcher.processes import Gone, Spawned
    from tare.runners.launcher.steps.base import Step
    from tare.runners.model import Job

_SHOWN_CHARACTERS = 300
"""Characters of a command's last line on stderr that a failure's reason quotes; the log has more."""

_REMEDY = say(
    "remedy.see_log_or_doctor", "see the log for what it said; `tare doctor` says what this host permits"
)


class CommandPlan(PlacePlan, frozen=True, kw_only=True):
    """A runner's order for a place that a command makes."""

    what: str
    """Name of the command for people, as in ``runc run``."""
    argv: tuple[str, ...]
    """The command line, with :func:`agent_argv` somewhere in it. The program is a path; ``PATH`` is not searched."""
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The command's complete environment; ``TARE_RUN`` is added. Jobs get what the agent gets of it."""
    files: Mapping[int, Path] = msgspec.field(default_factory=dict)
    """File descriptor in the command → file to open there for reading."""
    steps: tuple[Step, ...] = ()
    """Steps that the launcher's child takes before it executes the command."""
    cgroups: Cgroups | None = None
    """Hierarchies to make the place's cgroups in, for commands that do not limit; ``None``: the command does."""
    rlimits: bool = False
    """Set rlimits on the command for what :attr:`cgroups` do not limit; its container inherits them."""
    expected_cgroup: Cgroup | None = None
    """Cgroups that the command will make, with their limits; their folders as far as known. They are emptied and
    removed with the place. ``None``: it makes none, or they are not known in advance."""
    speaks_first: bool = True
    """False for an agent whose channel ends in ``?``."""
    same_clock: bool = True
    """False for places with a kernel, and so a ``CLOCK_MONOTONIC``, of their own: their marks are mapped."""
    hello_seconds: float = HELLO_SECONDS
    """Time for the agent to speak, from the launch on."""
    leave_seconds: float = 3.0
    """Time for the command to end after its agent was told to exit."""
    sweep: bool = True
    """Kill what the command leaves running. If that must live on (an engine's client that starts daemons,
    ``runc create``), ``launcher`` has to be the runner's own, ``Launcher.start(…)``: the run's launcher adopts such
    processes, and kills all it adopted whenever one of its places is closed."""
    undo: Callable[[], None] | None = None
    """Function that removes what the command made; raises :class:`PlaceFailure` if it cannot. It is called after a
    command that was killed or failed, as one that succeeds has removed everything itself."""

    def made_cgroup(self) -> Cgroup | None:
        """Make the place's cgroups if the suite has to; else return ``None``."""
        if self.cgroups is None:
            return None
        disk = disk_of(self.context.workdir)
        return self.cgroups.create(self.context.run, self.name, self.limits, disk=disk)


def agent_argv(agent: str, run: str, place: str, *, speaks_first: bool = True) -> tuple[str, ...]:
    """Give the agent's command line in a place; from outside, the agent is found by it.

    Args:
        agent: the program's path as the place sees it.
        run: the run id.
        place: the place's name, unique in the run.
        speaks_first: false if output is lost until somebody attaches to the streams.
    """
    return (agent, _mark(run, place), "0,1" if speaks_first else "0,1?")


def find_agent(run: str, place: str) -> int:
    """Find the host's pid of a place's agent by its command line; 0 if it is not visible (as in gVisor)."""
    wanted = _mark(run, place).encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                # The number of words tells the agent from the command, whose line includes the agent's.
                if len(arguments) == 4 and arguments[1] == wanted:
                    return int(entry.name)
    return 0


def _mark(run: str, place: str) -> str:
    return f"tare-{run}-{place}"


class CommandedPlace(HostPlace):
    """See :class:`tare.runners.model.Place`."""

    one_command = True
    """No further command will write to the same stderr."""

    def __init__(self, plan: CommandPlan, first: Job | None) -> None:
        if not plan.sweep and plan.launcher is plan.context.launcher:
            raise ValueError(f"{plan.what} leaves processes behind, so it needs a launcher of its own")
        self._plan = plan
        self.what = plan.what
        self.hello_seconds, self.leave_seconds = plan.hello_seconds, plan.leave_seconds
        self.speaks_first, self.same_clock = plan.speaks_first, plan.same_clock
        self._pid = 0
        self._spoke = False
        super().__init__(plan, first)

    @property
    def plan(self) -> CommandPlan:
        """The plan that it was made from."""
        return self._plan

    @property
    def limited(self) -> Mapping[str, Any]:
        """Limits in force, with the keys of :attr:`Cgroup.achieved`."""
        return self._cgroup.achieved if self._cgroup else {}

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        plan = self._plan
        self._stderr = Drain()
        self._undo.callback(self._stderr.close)
        cgroup = plan.expected_cgroup or plan.made_cgroup()
        if cgroup is not None:
            self._undo.callback(discard, cgroup)
        self._undo.callback(self._undo_command)
        return cgroup, cgroup.describe() if cgroup else "none"

    def _request(self, channel: int, opened: ExitStack, *, quiet: bool) -> SpawnRequest:
        plan, cgroup = self._plan, self._cgroup
        if self.one_command:
            opened.callback(self._stderr.let_go)
        fds = {0: channel, 1: channel, 2: self._stderr.write_fd}
        for number, path in plan.files.items():
            fds[number] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, fds[number])
        ours = cgroup if plan.expected_cgroup is None else None
        limits = resource_limits(plan.limits, ours, alone=os.getuid() != 0) if plan.rlimits else ()
        return SpawnRequest(
            plan.argv,
            environ={**plan.environ, "TARE_RUN": plan.context.run},
            fds=fds,
            steps=(*limits, *plan.steps),
            cgroup=ours.unified if ours else None,
            tasks=tuple(ours.tasks) if ours else (),
            remove=tuple(ours.all_folders) if ours and self._first else (),
            quiet=quiet,
            sweep=plan.sweep,
        )

    def _settle(self) -> None:
        """Find the agent's pid and the cgroups that the command made for it."""
        if self._agent_pid() and self._plan.cgroups is None:
            seen = cgroups_of(self._pid, Cgroups.detect(), self._plan.context.run, self._plan.name)
            if seen.folders:
                self._cgroup = seen
                self.context |= limits_in_force(self._limits, seen) | {"cgroup": seen.describe()}
        folders = dict(self._cgroup.folders) if self._cgroup else {}
        self.vantage = Vantage(
            self._pid or self._spawned.pid, folders, self._pid, shared_with_host=self._pid > 0
        )

    def _agent_pid(self) -> int:
        """Return the agent's pid on the host; 0 if it does not exist yet or is not visible."""
        if not self._pid:
            self._pid = find_agent(self._plan.context.run, self._plan.name)
        return self._pid

    def _hello(self) -> None:
        super()._hello()
        self._spoke = True

    def _undo_command(self) -> None:
        well = self._gone is not None and self._gone.exit_code == 0
        if self._plan.undo and not well and not self._never_lived:
            self._plan.undo()

    def _log(self) -> str:
        return self._stderr.text()

    def _explained(
        self, failure: PlaceFailure, events: Mapping[str, int], spawned: Spawned | None = None
    ) -> PlaceFailure:
        explained = super()._explained(failure, events, spawned)
        if type(explained) is not PlaceFailure:  # a contradictory clock needs no further explanation
            return explained
        lives = self._gone is None and not self._never_lived
        reason = self._explained_life(explained.reason) if lives else explained.reason
        log = "\n".join(part for part in (self._log(), explained.log) if part)
        return PlaceFailure(reason, remedy=explained.remedy or _REMEDY, log=log)

    def _explained_life(self, reason: str) -> str:
        """Explain that the agent is lost although the command has not ended."""
        return say("place.still_runs", "{what} still runs, but: {reason}", what=self.what, reason=reason)

    def _explained_end(self, failure: PlaceFailure, gone: Gone) -> PlaceFailure:
        return PlaceFailure(
            say(
                "place.command_ended",
                "{what} {ended}{when}{words}",
                what=self.what,
                ended=ended_how(gone),
                when=self._when(),
                words=self._last_words(),
            ),
            remedy=failure.remedy,
            log=failure.log,
        )

    def _when(self) -> str:
        return "" if self._spoke else say("place.before_hello", " before its agent spoke")

    def _last_words(self) -> str:
        lines = self._log().splitlines()
        return (
            f": {lines[-1][:_SHOWN_CHARACTERS]}"
            if lines
            else say("place.wordless", ", without a word on stderr")
        )


def ended_how(gone: Gone) -> str:
    """Say how a process ended, for people."""
    return how_ended(gone.exit_code)
