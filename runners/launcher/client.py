"""The host's half of the launcher: a :class:`Launcher` starts programs, waits for them and ends them.

The launcher itself is ``launcher.c``; it dies with this process, and takes along all that it made. It makes one process
after the other. Several threads may use a :class:`Launcher` at once: each thread but the main one is served by another
such process, a *lane*, so that what they launch is launched at the same time.
"""

from __future__ import annotations

import array
import errno
import os
import select
import signal as signals
import socket
import struct
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tare.runners.errors import TareError
from tare.runners.launcher.steps import encode_text
from tare.runners.model import Usage
from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from tare.runners.launcher.steps import Step

SOURCE = Path(__file__).with_name("launcher.c")

_SPAWN, _KILL, _PING, _SPAWNED, _FAILED, _GONE, _PONG = 1, 2, 3, 17, 18, 19, 20
_END_SECONDS = 10.0
_SWEEP, _QUIET = 1, 2
_MAX_PACKET = 192 << 10
_FAILED_TO_CLONE, _FAILED_TO_EXEC, _FAILED_TO_ENTER = -1, -2, -3
_REPLY_BYTES = 512
_LANE_SHIFT = 40
"""Processes are numbered from ``lane << _LANE_SHIFT`` on, so that a number tells its lane."""

MOST_LANES = 65
"""One for the main thread, and one each for as many others as places are ever started at once."""

_waiting = threading.local()


class LauncherError(TareError):
    """The launcher itself cannot be started or is lost."""


class SpawnError(TareError):
    """A process could not be made as asked."""

    def __init__(self, what: str, error: int, *, program: bool = False) -> None:
        """``what`` was being done when the kernel said ``error`` (an errno)."""
        super().__init__(f"{what}: {os.strerror(error)} ({_errno_name(error)})")
        self.what, self.errno, self.program = what, error, program
        """``program``: all steps are done, only the program itself cannot be started."""


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """A process to make."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    program: Path | int | None = None
    """What to execute: a path, or a file descriptor, which also works after the root has changed. ``argv[0]``
    if ``None``; there is no search along ``PATH``."""
    fds: Mapping[int, int] = field(default_factory=dict)
    """Number in the new process → our file descriptor. Those not named in 0, 1, 2 are ``/dev/null``."""
    steps: tuple[Step, ...] = ()
    cgroup: Path | None = None
    """Folder of the v2 cgroup that the process is to be born in."""
    tasks: tuple[tuple[Path, Path], ...] = ()
    """``tasks`` files of the v1 cgroups that it is to be born in, each with the one that leads the launcher back."""
    remove: tuple[Path, ...] = ()
    """Empty folders (cgroups) to remove when the process was reaped, before ``gone`` is stamped."""
    quiet: bool = False
    """The birth is told with the end: who measures a short life does not want to be woken in the middle of it."""
    sweep: bool = False
    """Orphans that it leaves behind are killed. For agents; an engine's client may leave daemons on purpose."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A living process. Times are ``CLOCK_MONOTONIC`` in ns, as all here."""

    id: int
    pid: int
    requested_ns: int
    """Just before ``clone3``."""
    spawned_ns: int
    """Its first instruction, before any step."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The end of a process."""

    id: int
    status: int
    """Wait status, see wait(2)."""
    reaped_ns: int
    gone_ns: int
    """After the removal of the request's folders; equal to ``reaped_ns`` but for a moment if there were none."""
    remove_error: int
    """errno of the first folder that could not be removed, or 0."""
    usage: Usage
    """Of the process and the descendants it waited for."""

    @property
    def exit_code(self) -> int:
        """Exit status, or minus the signal that ended it, as in :mod:`subprocess`."""
        return os.waitstatus_to_exitcode(self.status)


@contextmanager
def held_back(gate: Callable[[], None]) -> Iterator[None]:
    """``gate`` is called once by this thread: when all is ready for its next launch, just before the launcher is told.

    So that several threads can launch at the same moment, however long each took to prepare.
    """
    before = getattr(_waiting, "gate", _no_gate)
    _waiting.gate = gate
    try:
        yield
    finally:
        _waiting.gate = before


def _no_gate() -> None:
    pass


def _before_launch() -> None:
    gate = getattr(_waiting, "gate", _no_gate)
    _waiting.gate = _no_gate
    gate()


class Launcher:
    """The running launcher."""

    def __init__(
        self,
        program: Path,
        peer: socket.socket,
        pid: int,
        ended: Callable[[], None],
        make_lane: Callable[[int], Launcher],
        lane: int = 0,
    ) -> None:
        """``make_lane`` starts another one like this; ``lane`` is this one's number."""
        self.pid = pid
        self._program, self._peer, self._end = program, peer, ended
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._lanes: list[Launcher] = [self]
        self._make_lane, self._threads, self._thread = make_lane, 0, threading.local()
        self._next = (lane << _LANE_SHIFT) + 1
        self._lock = threading.Condition()
        """Guards everything here; told of every reply."""
        self._reading = False
        """A thread waits for replies, and takes them for all."""
        self._answered = False
        self._steps: dict[int, SpawnRequest] = {}
        self._spawned: dict[int, Spawned] = {}
        self._ended: dict[int, Gone | SpawnError] = {}

    @classmethod
    def start(cls, cache: Path, *, progress: Callable[[str], None] | None = None) -> Self:
        """Compile it if need be, and start it in a session of its own, so that a terminal's Ctrl-C is ours alone.

        Raises:
            TareError: there is no compiler; the text has the remedy.
        """
        program = build(SOURCE, cache, progress=progress)
        return cls._begin(program, 0)

    @classmethod
    def _begin(cls, program: Path, lane: int) -> Self:
        ours, theirs = _socket_pair()
        with theirs:
            process = subprocess.Popen(
                ["tare-launcher", str(theirs.fileno())],
                executable=program,
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

        return cls(program, ours, process.pid, end, lambda lane: cls._begin(program, lane), lane)

    def inside(self, steps: tuple[Step, ...], environ: Mapping[str, str]) -> Self:
        """A second launcher that has these steps behind it: what it launches begins where they ended.

        Raises:
            SpawnError: a step was refused.
        """
        return self._begin_inside(steps, environ, 0)

    def _begin_inside(self, steps: tuple[Step, ...], environ: Mapping[str, str], lane: int) -> Self:
        ours, theirs = _socket_pair()
        program = os.open(self._program, os.O_PATH | os.O_CLOEXEC)
        with theirs, ExitStack() as opened:
            opened.callback(os.close, program)
            spawned = self.spawn(
                SpawnRequest(
                    ("tare-launcher", "3"), environ, program=program, fds={3: theirs.fileno()}, steps=steps
                )
            )

        def end() -> None:
            if self.wait(spawned.id, _END_SECONDS) is None:
                self.kill(spawned.id)
                self.wait(spawned.id)

        def sibling(lane: int) -> Launcher:
            return self._begin_inside(steps, environ, lane)

        made = type(self)(self._program, ours, spawned.pid, end, sibling, lane)
        try:
            made.ping()
        except LauncherError:
            made._release()  # noqa: SLF001 - it is one of us
            self.wait(spawned.id)  # has the reason
            raise
        return made

    def perform(self, steps: tuple[Step, ...], environ: Mapping[str, str]) -> None:
        """Do some steps in a process of their own, which then ends.

        Raises:
            SpawnError: a step was refused.
        """
        program = os.open(self._program, os.O_PATH | os.O_CLOEXEC)
        try:
            request = SpawnRequest(("tare-launcher", "--self-check"), environ, program=program, steps=steps)
            self.wait(self.spawn(request).id)
        finally:
            os.close(program)

    def resident_bytes(self) -> int:
        """Memory it has resident, now (``/proc/PID/statm``)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def spawn(self, request: SpawnRequest, timeout_seconds: float | None = None) -> Spawned:
        """Make a process and return when it runs its program, or when a ``quiet`` one has ended.

        What goes wrong in it before that comes from :meth:`wait`. One that is not there in time is killed.

        Raises:
            SpawnError: the kernel refused to make the process.
            LauncherError: the launcher is gone.
        """
        return self._own_lane()._spawn(request, timeout_seconds)  # noqa: SLF001 - it is one of us

    def _own_lane(self) -> Launcher:
        """This thread's: made when it first needs one, and shared if there are more threads than lanes."""
        if threading.current_thread() is threading.main_thread():
            return self
        number: int = getattr(self._thread, "lane", 0)
        if not number:
            with self._lock:
                number = 1 + self._threads % (MOST_LANES - 1)
                if number == len(self._lanes):
                    with held_back(_no_gate):
                        self._lanes.append(self._make_lane(number))
                self._threads += 1
            self._thread.lane = number
        return self._lanes[number]

    def _spawn(self, request: SpawnRequest, timeout_seconds: float | None) -> Spawned:
        with self._lock:
            number = self._next
            self._next += 1
        with ExitStack() as opened:
            try:
                packet, fds = _encode(number, request, self._null, opened)
            except OSError as error:
                raise SpawnError(
                    f"opening {error.filename} for {request.argv[0]}", error.errno or 0
                ) from error
            if len(packet) > _MAX_PACKET:
                raise LauncherError(
                    f"argv and environment of {request.argv[0]} take {len(packet)} bytes, more than the "
                    f"launcher's {_MAX_PACKET}; hand over less environment"
                )
            self._steps[number] = request
            _before_launch()
            self._send(packet, fds)

        def known() -> bool:
            # Birth and end of a quiet one come one after the other, both when it has ended.
            if request.quiet:
                return number in self._ended
            return number in self._spawned or isinstance(self._ended.get(number), SpawnError)

        overdue = not self._until(known, timeout_seconds)
        if overdue:
            self._kill(number, signals.SIGKILL)
            if not self._until(known, timeout_seconds):
                raise LauncherError(f"{request.argv[0]} cannot be killed; look for a process in state D")
        if number not in self._spawned:
            self._wait(number, None)  # has the reason
        spawned = self._spawned.pop(number)
        if overdue:
            self._wait(number, None)
            raise SpawnError(f"{request.argv[0]} did not end within {timeout_seconds:g} s", errno.ETIMEDOUT)
        return spawned

    def wait(self, number: int, timeout_seconds: float | None = None) -> Gone | None:
        """The end of a process, or ``None`` if it has not come in time. The end is told once.

        Raises:
            SpawnError: the process failed before its program ran; the text names the step.
            LauncherError: the launcher is gone.
        """
        return self._lanes[number >> _LANE_SHIFT]._wait(number, timeout_seconds)  # noqa: SLF001

    def _wait(self, number: int, timeout_seconds: float | None) -> Gone | None:
        if not self._until(lambda: number in self._ended, timeout_seconds):
            return None
        ended = self._ended[number]
        self._forget(number)
        if isinstance(ended, SpawnError):
            raise ended
        return ended

    def kill(self, number: int, signal: int = signals.SIGKILL) -> None:
        """Send a signal to a process; nothing happens if it has ended. There is no race with the reuse of pids."""
        self._lanes[number >> _LANE_SHIFT]._kill(number, signal)  # noqa: SLF001

    def _kill(self, number: int, signal: int) -> None:
        self._send(struct.pack("=3Q", _KILL, number, signal), [])

    def ping(self) -> None:
        """Return when it answers.

        Raises:
            LauncherError: it is gone.
        """
        self._send(struct.pack("=2Q", _PING, 0), [])
        self._until(lambda: self._answered, None)
        self._answered = False

    def close(self) -> None:
        """End the launcher and all that it made. Idempotent."""
        for lane in self._lanes[1:]:
            lane.close()
        del self._lanes[1:]
        if self._null >= 0:
            self._release()
            self._end()

    def _release(self) -> None:
        os.close(self._null)
        self._null = -1
        self._peer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _forget(self, number: int) -> None:
        self._steps.pop(number, None)
        self._spawned.pop(number, None)
        self._ended.pop(number, None)

    def _send(self, packet: bytes, fds: list[int]) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._peer.sendmsg([packet], ancillary)
        except OSError as error:
            raise self._lost() from error

    def _until(self, done: Callable[[], bool], timeout_seconds: float | None) -> bool:
        """Take replies until something is known; whether it is. One thread reads, for all that wait."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            with self._lock:
                while True:
                    if done():
                        return True
                    left = None if deadline is None else deadline - time.monotonic()
                    if not self._reading:
                        break
                    if not self._lock.wait(left) and left is not None:
                        return done()
                self._reading = True
            received = False
            try:
                received = self._receive(None if left is None else max(left, 0.0))
            finally:
                with self._lock:
                    self._reading = False
                    self._lock.notify_all()
            if not received and left is not None and left <= 0:
                with self._lock:
                    return done()

    def _receive(self, timeout_seconds: float | None) -> bool:
        """Take one reply; whether there was one."""
        poll = select.poll()
        poll.register(self._peer, select.POLLIN)
        if not poll.poll(None if timeout_seconds is None else timeout_seconds * 1000):
            return False
        with suppress(ConnectionError):
            reply = self._peer.recv(_REPLY_BYTES)
            if reply:
                with self._lock:
                    self._dispatch(struct.unpack(f"={len(reply) // 8}Q", reply))
                return True
        raise self._lost()

    def _dispatch(self, words: tuple[int, ...]) -> None:
        kind, number = words[:2]
        if kind == _PONG:
            self._answered = True
        elif kind == _SPAWNED:
            self._spawned[number] = Spawned(number, words[2], words[3], words[4])
        elif kind == _GONE:
            self._ended[number] = Gone(
                number, words[2], words[3], words[4], remove_error=words[5], usage=_usage(words[6:])
            )
        elif kind == _FAILED:
            step, error = struct.unpack("=2q", struct.pack("=2Q", *words[2:4]))
            what = _what_failed(self._steps[number], step)
            self._ended[number] = SpawnError(what, error, program=step == _FAILED_TO_EXEC)

    def _lost(self) -> LauncherError:
        return LauncherError("tare's launcher is gone: something killed it; start the run again")


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _MAX_PACKET)
    return ours, theirs


def _encode(number: int, request: SpawnRequest, null: int, opened: ExitStack) -> tuple[bytes, list[int]]:
    """The packet, and the fds to pass along, in the order in which launcher.c counts them."""

    def path_fd(path: Path, flags: int) -> int:
        fd = os.open(path, flags | os.O_CLOEXEC)
        opened.callback(os.close, fd)
        return fd

    targets = {0: null, 1: null, 2: null} | dict(request.fds)
    program = [request.program] if isinstance(request.program, int) else []
    fds = [
        *targets.values(),
        *program,
        *((path_fd(request.cgroup, os.O_RDONLY | os.O_DIRECTORY),) if request.cgroup else ()),
        *(path_fd(enter, os.O_WRONLY) for enter, _ in request.tasks),
        *(path_fd(home, os.O_WRONLY) for _, home in request.tasks),
        *(path_fd(folder.parent, os.O_PATH | os.O_DIRECTORY) for folder in request.remove),
    ]
    flags = 0
    instructions = []
    for index, step in enumerate(request.steps):
        flags |= step.clone_flags
        instructions.append(step.encode(index))
    body = b"".join(instructions)
    head = struct.pack(
        "=12Q",
        *(
            _SPAWN,
            number,
            flags,
            _SWEEP * request.sweep | _QUIET * request.quiet,
            len(request.argv),
            len(request.environ),
        ),
        *(len(targets), len(program), int(request.cgroup is not None)),
        *(len(request.tasks), len(request.remove), _count(body)),
    )
    path = request.argv[0] if request.program is None else request.program
    texts = [
        "" if isinstance(path, int) else path,
        *request.argv,
        *(f"{name}={value}" for name, value in request.environ.items()),
        *(folder.name for folder in request.remove),
    ]
    return head + b"".join(encode_text(text) for text in texts) + struct.pack(
        f"={len(targets)}Q", *targets
    ) + body, fds


def _count(body: bytes) -> int:
    """How many instructions there are: a step may have several."""
    count = at = 0
    while at < len(body):
        texts = struct.unpack_from("=Q", body, at + 40)[0]
        at += 48
        for _ in range(texts):
            at += 4 + struct.unpack_from("=I", body, at)[0]
        count += 1
    return count


def _what_failed(request: SpawnRequest, step: int) -> str:
    name = request.argv[0]
    if step == _FAILED_TO_CLONE:
        kinds = [part.describe() for part in request.steps if part.clone_flags]
        return f"cannot make the process {name}" + (f" with {', '.join(kinds)}" if kinds else "")
    if step == _FAILED_TO_EXEC:
        return f"cannot start the program {name}"
    if step == _FAILED_TO_ENTER:
        return f"cannot enter the cgroups {', '.join(str(enter.parent) for enter, _ in request.tasks)} for {name}"
    return f"step {step + 1} of {name}, {request.steps[step].describe()}"


def _usage(words: tuple[int, ...]) -> Usage:
    """From the kernel's ``struct rusage``: two timevals, then fourteen longs (getrusage(2))."""
    return Usage(
        user_seconds=words[0] + words[1] / 1e6,
        system_seconds=words[2] + words[3] / 1e6,
        peak_rss_bytes=words[4] * 1024,
        minor_faults=words[8],
        major_faults=words[9],
        read_blocks=words[11],
        write_blocks=words[12],
        voluntary_switches=words[16],
        involuntary_switches=words[17],
    )


def _errno_name(error: int) -> str:
    return errno.errorcode.get(error, str(error))
