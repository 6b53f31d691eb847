"""Start the launcher, and have it make processes, wait for them and end them.

The launcher is ``launcher.c``; it dies with this process and takes along all that it made. One launcher process makes
one process after the other. So each thread but the main one gets a launcher process of its own, a *lane*: what several
threads launch is launched at the same time.
"""

from __future__ import annotations

import os
import signal as signals
import subprocess
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tare.results.said import say
from tare.runners.host.open_files import file_limit
from tare.runners.launcher.connection import LANE_SHIFT, Connection, held_back, no_gate, socket_pair
from tare.runners.launcher.processes import LauncherError, LauncherLostError, SpawnRequest
from tare.runners.native.build import build
from tare.runners.native.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from tare.runners.launcher.processes import Gone, Spawned
    from tare.runners.launcher.steps.base import Step

SOURCE = Path(__file__).with_name("launcher.c")

MOST_LANES = 65
"""One lane for the main thread, and one each for as many others as places are ever started at once."""

_END_SECONDS = 10.0


class Launcher:
    """The running launcher. See :class:`Launcher.start`."""

    def __init__(self, program: Path, make_lane: Callable[[int], Connection]) -> None:
        """Start the main thread's lane.

        Args:
            program: the compiled launcher.
            make_lane: starts the launcher process of a lane, given its number.
        """
        self._program, self._make_lane = program, make_lane
        self._first = 0
        """Number of the main thread's lane. Numbers are never used again, so that those of old processes stay known."""
        self._lanes = {0: make_lane(0)}
        """Number of a lane → its launcher process."""
        self._lock = threading.Lock()
        """Guards the lanes and their number of threads."""
        self._threads, self._thread = 0, threading.local()

    @classmethod
    def start(cls, cache: Path, *, progress: Callable[[str], None] | None = None) -> Self:
        """Compile the launcher if need be, and start it.

        It gets a session of its own, so that a terminal's Ctrl-C reaches this process alone.

        Raises:
            TareError: there is no compiler; the text has the remedy.
        """
        program = build(SOURCE, cache, progress=progress)
        return cls(program, lambda lane: _start(program, lane))

    def inside(self, steps: tuple[Step, ...], environ: Mapping[str, str]) -> Self:
        """Start a second launcher that has taken these steps: what it launches begins where they ended.

        Raises:
            SpawnError: a step was refused.
        """
        return type(self)(self._program, lambda lane: self._start_inside(steps, environ, lane))

    def _start_inside(self, steps: tuple[Step, ...], environ: Mapping[str, str], lane: int) -> Connection:
        ours, theirs = socket_pair()
        with theirs, ExitStack() as undo:
            undo.callback(ours.close)
            fds = {3: theirs.fileno()}
            argv = ("tare-launcher", "3", _users_files())
            spawned = self.spawn(
                SpawnRequest(argv, environ, program=sealed(self._program), fds=fds, steps=steps)
            )
            undo.pop_all()

        def end() -> None:
            with suppress(LauncherLostError):  # then it is gone as well
                if self.wait(spawned.id, _END_SECONDS) is None:
                    self.kill(spawned.id)
                    self.wait(spawned.id)

        made = Connection(ours, spawned.pid, end, lane)
        try:
            made.ping()
        except LauncherError:
            made.release()
            self.wait(spawned.id)  # raises the reason
            raise
        return made

    @property
    def pid(self) -> int:
        """Pid of the main thread's launcher process."""
        return self._main.pid

    def perform(self, steps: tuple[Step, ...], environ: Mapping[str, str]) -> None:
        """Take some steps in a process of their own, which then ends.

        Raises:
            SpawnError: a step was refused.
        """
        argv = ("tare-launcher", "--self-check")
        request = SpawnRequest(argv, environ, program=sealed(self._program), steps=steps)
        self.wait(self.spawn(request).id)

    def resident_bytes(self) -> int:
        """Resident memory of the main thread's launcher process, now (``/proc/PID/statm``)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def spawn(self, request: SpawnRequest, timeout_seconds: float | None = None) -> Spawned:
        """Make a process and return when it runs its program, or when a ``quiet`` one has ended.

        A failure between its birth and its program comes from :meth:`wait`. A process that is not there in time is
        killed.

        Raises:
            SpawnError: the kernel refused to make the process.
            LauncherError: the launcher is gone.
        """
        return self._own_lane().spawn(request, timeout_seconds)

    def wait(self, number: int, timeout_seconds: float | None = None) -> Gone | None:
        """Wait for the end of a process; ``None`` if it does not come in time. An end is reported once.

        Raises:
            SpawnError: the process failed before its program ran; the text names the step.
            LauncherError: the launcher is gone.
        """
        return self._lane_of(number).wait(number, timeout_seconds)

    def kill(self, number: int, signal: int = signals.SIGKILL) -> None:
        """Send a signal to a process; nothing happens if it has ended. Reused pids are never hit."""
        self._lane_of(number).kill(number, signal)

    def ping(self) -> None:
        """Return when the main thread's launcher process answers.

        Raises:
            LauncherError: it is gone.
        """
        self._main.ping()

    def close(self) -> None:
        """End the launcher and all that it made. Idempotent."""
        for number, lane in [*self._lanes.items()][::-1]:
            lane.close()
            if number != self._first:
                del self._lanes[number]

    @property
    def lost(self) -> bool:
        """Tell whether a launcher process has ended without being told to, and with it all that it made."""
        return any(lane.is_lost() for lane in self._lanes.values())

    def restart(self) -> None:
        """Start the launcher again after it was lost. Nothing that it made before is there any more.

        Raises:
            OSError: it cannot be started.
        """
        self.close()
        with self._lock:
            self._first += MOST_LANES
            self._threads, self._thread = 0, threading.local()
            self._lanes = {self._first: self._make_lane(self._first)}

    @property
    def _main(self) -> Connection:
        return self._lanes[self._first]

    def _lane_of(self, number: int) -> Connection:
        """Find the lane of a process.

        Raises:
            LauncherLostError: it was that of a launcher process which is gone.
        """
        lane = self._lanes.get(number >> LANE_SHIFT)
        if lane is None:
            raise LauncherLostError(say("launcher.killed", "the launcher that made this process was killed"))
        return lane

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _own_lane(self) -> Connection:
        """Return this thread's lane: made on first use, and shared if there are more threads than lanes."""
        if threading.current_thread() is threading.main_thread():
            return self._main
        number: int = getattr(self._thread, "lane", 0)
        if not number:
            with self._lock:
                number = self._first + 1 + self._threads % (MOST_LANES - 1)
                if number not in self._lanes:
                    with held_back(no_gate):
                        self._lanes[number] = self._make_lane(number)
                self._threads += 1
            self._thread.lane = number
        return self._lanes[number]


def _users_files() -> str:
    """Give the soft limit of open files that processes are to have; ``0``: that of the launcher."""
    return str(max(file_limit().given, 0))


def _start(program: Path, lane: int) -> Connection:
    ours, theirs = socket_pair()
    with theirs:
        process = subprocess.Popen(
            ["tare-launcher", str(theirs.fileno()), _users_files()],
            # The child closes this descriptor before it executes, so the path leads through us.
            executable=f"/proc/{os.getpid()}/fd/{sealed(program)}",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            cwd="/",
            env={},
        )

    def end() -> None:
        try:
            process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    return Connection(ours, process.pid, end, lane)
