"""Call the HTTP APIs of both VMMs, JSON over a Unix socket."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.runners.errors import PlaceFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tare.runners.guests.microvms.vmms import Request

ANSWER_SECONDS = 10.0
LONGEST_PATH_BYTES = 107
"""Limit on the path of a Unix socket: unix(7)."""
_IN_CREATE = 0x100
_TRY_AGAIN_SECONDS = 0.001
_LOOK_SECONDS = 0.1
"""Interval of checks, while there is no socket yet, that the VMM still runs."""


class Api:
    """One connection, kept open for all requests."""

    def __init__(self, peer: socket.socket, what: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        """Take a connected socket. ``what``: the VMM's name, for messages."""
        peer.settimeout(answer_seconds)
        self._what = what
        self._http = http.client.HTTPConnection("localhost")
        self._http.sock = peer

    def send(self, requests: Iterable[Request]) -> None:
        """Send requests one after the other.

        Raises:
            PlaceFailure: a request was refused, or the VMM did not answer; the message quotes it.
        """
        for path, body, method in requests:
            headers = {"Accept": "application/json"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            try:
                self._http.request(method, path, None if body is None else json.dumps(body), headers)
                answer = self._http.getresponse()
                said = answer.read().decode("utf-8", "replace").strip()
            except (OSError, http.client.HTTPException) as error:
                why = str(error) or type(error).__name__
                raise PlaceFailure(
                    say(
                        "guest.api_silent",
                        "{what}'s API does not answer {method} {path}: {why}",
                        what=self._what,
                        method=method,
                        path=path,
                        why=why,
                    )
                ) from error
            if answer.status not in {200, 204}:
                raise PlaceFailure(
                    say(
                        "guest.api_refused",
                        "{what} refused {method} {path} ({status}): {told}",
                        what=self._what,
                        method=method,
                        path=path,
                        status=answer.status,
                        told=_reason(said),
                    )
                )

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._http.close()


def _reason(said: str) -> str:
    """Find the reason in a refusal: Firecracker's ``fault_message``, or Cloud Hypervisor's text or list of texts."""
    with suppress(ValueError, RecursionError):
        body = json.loads(said)
        if isinstance(body, dict):
            return str(body.get("fault_message", said))
        if isinstance(body, list):
            return "; ".join(map(str, body))
    return said or say("guest.no_reason", "no reason given")


class Appearance:
    """Watch for sockets in a folder. It has to be made before the program that makes the socket starts."""

    def __init__(self, folder: Path) -> None:
        """Start watching.

        Raises:
            PlaceFailure: the host has no more inotify instances.
        """
        libc: Any = ctypes.CDLL(None, use_errno=True)
        self._fd = int(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(folder), _IN_CREATE) < 0:
            error = ctypes.get_errno()
            self.close()
            raise PlaceFailure(
                say(
                    "guest.no_watch",
                    "{folder} cannot be watched: {why}",
                    folder=folder,
                    why=os.strerror(error),
                ),
                remedy=say("remedy.inotify", "raise sysctl fs.inotify.max_user_instances"),
            )

    def connect(
        self, path: Path, has_ended: Callable[[], bool], timeout_seconds: float = ANSWER_SECONDS
    ) -> socket.socket:
        """Connect as soon as something listens at ``path``.

        Args:
            path: the socket, in the watched folder.
            has_ended: tells whether the program that makes it has ended.
            timeout_seconds: longest wait.

        Raises:
            PlaceFailure: nothing listened in time, or the program has ended.
        """
        deadline = time.monotonic() + timeout_seconds
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while True:
            there = path.exists()
            with suppress(FileNotFoundError, ConnectionRefusedError):
                peer = socket.socket(socket.AF_UNIX)
                try:
                    peer.connect(str(path))
                except BaseException:
                    peer.close()
                    raise
                return peer
            left = deadline - time.monotonic()
            if left <= 0 or has_ended():
                raise PlaceFailure(
                    say(
                        "guest.nobody_listens",
                        "nobody listens at its socket {name}",
                        name=path.name,
                    )
                )
            # Nothing tells when a socket that has a name already begins to listen.
            poll.poll(min(left, _TRY_AGAIN_SECONDS if there else _LOOK_SECONDS) * 1000)
            with suppress(BlockingIOError):
                os.read(self._fd, 4096)

    def close(self) -> None:
        """Stop watching the folder. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
