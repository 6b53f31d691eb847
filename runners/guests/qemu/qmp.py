"""Talk to QEMU's monitor over a socket pair, with time limits and without an event loop.

The package ``qemu.qmp`` needs asyncio, which is too heavy for the path on which places are launched, and here every
command is a line out and a line back. Protocol: ``docs/interop/qmp-spec`` of QEMU.
"""

from __future__ import annotations

import array
import json
import socket
import time
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWER_SECONDS = 10.0
_LONGEST_LINE_BYTES = 16 << 20
_EVENTS_KEPT = 64


class QmpError(TareError):
    """QEMU refused a command, did not answer in time, or did not follow the protocol."""


class Qmp:
    """One monitor connection. Greeting and negotiation are put off until the first command, to not delay the launch."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._unread = bytearray()
        self._greeted = False
        self._told = 0
        """Number of commands whose answers have not been read yet."""
        self.events: list[dict[str, Any]] = []
        """Last few dozen events that QEMU sent."""

    def ask(
        self,
        command: str,
        arguments: dict[str, Any] | None = None,
        *,
        fds: Sequence[int] = (),
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> Any:
        """Execute a command and return its answer.

        Args:
            command: name of the command.
            arguments: its arguments.
            fds: file descriptors to pass along, for ``getfd``.
            timeout_seconds: time limit.

        Raises:
            QmpError: the command was refused, was not answered in time, or the connection ended.
        """
        deadline = time.monotonic() + timeout_seconds
        if self._told:
            self.settle(timeout_seconds)
        if self._greet(deadline):
            self._exchange("qmp_capabilities", {}, (), deadline)
        return self._exchange(command, arguments or {}, fds, deadline)

    def tell(self, commands: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Write commands into the connection before QEMU runs; :meth:`ask` reads their answers.

        Raises:
            QmpError: they do not fit into the buffer.
        """
        for command, arguments in (("qmp_capabilities", {}), *commands):
            line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
            self._peer.setblocking(False)
            try:
                fits = self._peer.send(line) == len(line)
            except OSError as error:
                raise QmpError(
                    say(
                        "qmp.not_told",
                        "QEMU's monitor cannot be told {command}: {error}",
                        command=command,
                        error=error,
                    )
                ) from error
            if not fits:
                raise QmpError(
                    say(
                        "qmp.too_long",
                        "QEMU's monitor cannot be told {command}: it does not fit",
                        command=command,
                    )
                )
            self._told += 1

    def settle(self, timeout_seconds: float = ANSWER_SECONDS) -> None:
        """Read the answers to the commands of :meth:`tell`, and the events among them.

        Raises:
            QmpError: a command was refused or not answered in time.
        """
        deadline = time.monotonic() + timeout_seconds
        self._greet(deadline)
        while self._told:
            self._told -= 1
            _accepted("what it was told at its start", self._next(deadline, "its start"))

    def event(
        self,
        name: str,
        fits: Callable[[dict[str, Any]], bool] = bool,
        *,
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> dict[str, Any]:
        """Return the newest event with this name that fits, or wait for one.

        Raises:
            QmpError: none came in time, or the connection ended.
        """
        deadline = time.monotonic() + timeout_seconds
        self.settle(timeout_seconds)
        while True:
            found = [event for event in self.events if event["event"] == name and fits(event)]
            if found:
                return found[-1]
            self._take(self._line(deadline, name))

    def human(self, command: str, *, timeout_seconds: float = ANSWER_SECONDS) -> str:
        """Execute a command of the human monitor and return its text. For logs, never for numbers."""
        asked = {"command-line": command}
        return str(self.ask("human-monitor-command", asked, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._peer.close()

    def _greet(self, deadline: float) -> bool:
        """Read the greeting, if that has not been done; tell whether this was the first time."""
        if self._greeted:
            return False
        if "QMP" not in self._next(deadline, "greeting"):
            raise QmpError(say("qmp.greeting", "QEMU's monitor did not greet as QMP does"))
        self._greeted = True
        return True

    def _exchange(self, command: str, arguments: dict[str, Any], fds: Sequence[int], deadline: float) -> Any:
        line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._peer.settimeout(max(deadline - time.monotonic(), 0.001))
            sent = self._peer.sendmsg([line], ancillary)
            if sent < len(line):  # sending nothing would fail, too, if QEMU has answered and ended meanwhile
                self._peer.sendall(line[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise QmpError(say("qmp.ended", "QEMU ended ({command})", command=command)) from error
        except OSError as error:
            raise QmpError(
                say(
                    "qmp.not_asked",
                    "QEMU's monitor cannot be asked {command}: {error}",
                    command=command,
                    error=error,
                )
            ) from error
        while True:
            answer = self._next(deadline, command)
            if "return" in answer or "error" in answer:
                return _accepted(command, answer)

    def _next(self, deadline: float, waiting_for: str) -> dict[str, Any]:
        """Read the next message that is not an event."""
        while True:
            message = self._take(self._line(deadline, waiting_for))
            if "event" not in message:
                return message

    def _take(self, line: bytes) -> dict[str, Any]:
        try:
            message: dict[str, Any] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise QmpError(
                say("qmp.no_json", "QEMU's monitor spoke no JSON: {line!r}", line=line[:80])
            ) from error
        if not isinstance(message, dict):
            raise QmpError(say("qmp.no_object", "QEMU's monitor sent no object: {line!r}", line=line[:80]))
        if "event" in message:
            self.events.append(message)
            del self.events[:-_EVENTS_KEPT]
        return message

    def _line(self, deadline: float, waiting_for: str) -> bytes:
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpError(
                    say(
                        "qmp.slow",
                        "QEMU's monitor did not answer in time ({waiting_for})",
                        waiting_for=waiting_for,
                    )
                )
            try:
                self._peer.settimeout(left)
                data = self._peer.recv(65536)
            except TimeoutError:
                continue
            except ConnectionResetError:
                data = b""
            except OSError as error:
                raise QmpError(
                    say(
                        "qmp.broke",
                        "QEMU's monitor broke: {error} ({waiting_for})",
                        error=error,
                        waiting_for=waiting_for,
                    )
                ) from error
            if not data:
                raise QmpError(
                    say("qmp.ended_waiting", "QEMU ended ({waiting_for})", waiting_for=waiting_for)
                )
            self._unread += data
            if len(self._unread) > _LONGEST_LINE_BYTES:
                raise QmpError(
                    say(
                        "qmp.no_end",
                        "QEMU's monitor does not end its line ({waiting_for})",
                        waiting_for=waiting_for,
                    )
                )
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread[:] = rest
        return line


def _accepted(command: str, answer: dict[str, Any]) -> Any:
    if "error" in answer:
        said = answer["error"]
        what = said.get("desc", said) if isinstance(said, dict) else said
        raise QmpError(say("qmp.refused", "QEMU refused {command}: {what}", command=command, what=what))
    return answer.get("return")
