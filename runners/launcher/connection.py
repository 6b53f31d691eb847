"""Talk to one launcher process: send requests, and match its replies and the ends of its children to those who wait.

Several threads may use a connection at once. It serves their launches one after the other.
"""

from __future__ import annotations

import array
import errno
import os
import select
import signal as signals
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.launcher.processes import Gone, LauncherError, LauncherLostError, Spawned, SpawnError
from tare.runners.launcher.protocol import (
    MAX_PACKET_BYTES,
    REPLY_BYTES,
    Failed,
    Pong,
    decode,
    encode_kill,
    encode_ping,
    encode_spawn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tare.runners.launcher.processes import SpawnRequest
    from tare.runners.launcher.protocol import Reply

LANE_SHIFT = 40
"""Processes are numbered from ``lane << LANE_SHIFT`` on, so that a number tells its lane."""

_waiting = threading.local()


@contextmanager
def held_back(gate: Callable[[], None]) -> Iterator[None]:
    """Call ``gate`` once in this thread, when its next launch is ready and just before the launcher is told.

    With a barrier as gate, several threads launch at the same moment, however long each took to prepare.
    """
    before = getattr(_waiting, "gate", no_gate)
    _waiting.gate = gate
    try:
        yield
    finally:
        _waiting.gate = before


def no_gate() -> None:
    """Launch at once: the gate of threads that are not held back."""


def _before_launch() -> None:
    gate = getattr(_waiting, "gate", no_gate)
    _waiting.gate = no_gate
    gate()


class Connection:
    """The host's end of one launcher process' socket."""

    def __init__(self, peer: socket.socket, pid: int, end: Callable[[], None], lane: int = 0) -> None:
        """Talk to a launcher process that is running.

        Args:
            peer: our end of its socket; closed by :meth:`release`.
            pid: its pid.
            end: waits for its end once the socket is closed.
            lane: its number among those of one :class:`~tare.runners.launcher.client.Launcher`.
        """
        self.pid = pid
        self._peer, self._end = peer, end
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._next = (lane << LANE_SHIFT) + 1
        self._lock = threading.Condition()
        """Guards all that follows; notified of every reply."""
        self._reading = False
        """A thread is waiting for replies, and takes them for all."""
        self._answered = False
        self._requests: dict[int, SpawnRequest] = {}
        self._spawned: dict[int, Spawned] = {}
        self._ended: dict[int, Gone | SpawnError] = {}

    def spawn(self, request: SpawnRequest, timeout_seconds: float | None) -> Spawned:
        """See :meth:`tare.runners.launcher.client.Launcher.spawn`."""
        argv = request.argv[0]
        with self._lock:
            number = self._next
            self._next += 1
        opened: list[int] = []
        try:
            packet, fds = self._encoded(number, request, opened)
            if len(packet) > MAX_PACKET_BYTES:
                raise _too_long(argv, len(packet))
            self._requests[number] = request
            _before_launch()
            self._send(packet, fds)
        finally:
            for fd in opened:
                os.close(fd)

        def known() -> bool:
            # The launcher reports birth and end of a quiet one together, once it has ended.
            if request.quiet:
                return number in self._ended
            return number in self._spawned or isinstance(self._ended.get(number), SpawnError)

        overdue = not self._until(known, timeout_seconds)
        if overdue:
            self.kill(number, signals.SIGKILL)
            if not self._until(known, timeout_seconds):
                raise LauncherError(
                    say(
                        "launcher.state_d",
                        "{argv} cannot be killed; look for a process in state D",
                        argv=argv,
                    )
                )
        if number not in self._spawned:
            self.wait(number, None)  # raises the reason
        spawned = self._spawned.pop(number)
        if overdue:
            self.wait(number, None)
            raise SpawnError(
                say(
                    "launcher.slow",
                    "{argv} did not end within {timeout_seconds} s",
                    argv=argv,
                    timeout_seconds=f"{timeout_seconds:g}",
                ),
                errno.ETIMEDOUT,
            )
        return spawned

    def _encoded(self, number: int, request: SpawnRequest, opened: list[int]) -> tuple[bytes, list[int]]:
        try:
            return encode_spawn(number, request, self._null, opened)
        except OSError as error:
            what = say(
                "launcher.opening",
                "opening {filename} for {argv}",
                filename=error.filename,
                argv=request.argv[0],
            )
            raise SpawnError(what, error.errno or 0) from error

    def wait(self, number: int, timeout_seconds: float | None) -> Gone | None:
        """See :meth:`tare.runners.launcher.client.Launcher.wait`."""
        if not self._until(lambda: number in self._ended, timeout_seconds):
            return None
        ended = self._ended[number]
        self._forget(number)
        if isinstance(ended, SpawnError):
            raise ended
        return ended

    def kill(self, number: int, signal: int) -> None:
        """See :meth:`tare.runners.launcher.client.Launcher.kill`."""
        self._send(encode_kill(number, signal), [])

    def ping(self) -> None:
        """See :meth:`tare.runners.launcher.client.Launcher.ping`."""
        self._send(encode_ping(), [])
        self._until(lambda: self._answered, None)
        self._answered = False

    def close(self) -> None:
        """End the process and all that it made. Idempotent."""
        if self._null >= 0:
            self.release()
            self._end()

    def is_lost(self) -> bool:
        """Tell whether the process has ended although nobody closed the connection."""
        if self._null < 0:
            return False
        try:
            return not self._peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def release(self) -> None:
        """Close our end of the socket, which the process takes for its own end, and do not wait for it."""
        os.close(self._null)
        self._null = -1
        self._peer.close()

    def _forget(self, number: int) -> None:
        self._requests.pop(number, None)
        self._spawned.pop(number, None)
        self._ended.pop(number, None)

    def _send(self, packet: bytes, fds: list[int]) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._peer.sendmsg([packet], ancillary)
        except OSError as error:
            raise _lost() from error

    def _until(self, done: Callable[[], bool], timeout_seconds: float | None) -> bool:
        """Take replies until ``done`` is true, and return whether it is; one thread reads for all that wait."""
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
        """Take one reply; return whether there was one."""
        if self._null < 0:  # somebody closed it meanwhile, as for a launcher that was killed
            raise _lost()
        poll = select.poll()
        poll.register(self._peer, select.POLLIN)
        if not poll.poll(None if timeout_seconds is None else timeout_seconds * 1000):
            return False
        with suppress(ConnectionError):
            packet = self._peer.recv(REPLY_BYTES)
            if packet:
                with self._lock:
                    self._take(decode(packet))
                return True
        raise _lost()

    def _take(self, reply: Reply) -> None:
        match reply:
            case Pong():
                self._answered = True
            case Spawned(id=number):
                self._spawned[number] = reply
            case Gone(id=number):
                self._ended[number] = reply
            case Failed(id=number):
                self._ended[number] = reply.explain(self._requests[number])


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Make the socket of a launcher: our end and its end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_PACKET_BYTES)
    return ours, theirs


def _lost() -> LauncherLostError:
    return LauncherLostError(say(
        "launcher.gone", "tare's launcher is gone: something killed it; look for the kernel's OOM killer in `dmesg`"
    ))  # fmt: skip


def _too_long(argv: str, size: int) -> LauncherError:
    return LauncherError(
        say(
            "launcher.too_long",
            "argv and environment of {argv} take {size} bytes, more than the launcher's {most}; hand over less "
            "environment",
            argv=argv,
            size=size,
            most=MAX_PACKET_BYTES,
        )
    )
