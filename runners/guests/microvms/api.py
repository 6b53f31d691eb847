"""HTTP with JSON over a Unix socket, as both VMMs speak it."""

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

from tare.runners.errors import PlaceFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tare.runners.guests.microvms.vmms import Request

ANSWER_SECONDS = 10.0
LONGEST_PATH_BYTES = 107
"""Of a Unix socket (unix(7))."""
_IN_CREATE = 0x100
_TRY_AGAIN_SECONDS = 0.001
_LOOK_SECONDS = 0.1
"""How often to see whether the socket's maker lives, while there is no socket."""


class Api:
    """One connection, kept open for all requests."""

    def __init__(self, peer: socket.socket, what: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        """``what``: the VMM's name, for failures."""
        peer.settimeout(answer_seconds)
        self._what = what
        self._http = http.client.HTTPConnection("localhost")
        self._http.sock = peer

    def send(self, requests: Iterable[Request]) -> None:
        """Send them, one after the other.

        Raises:
            PlaceFailure: one was refused, the VMM does not answer, or has gone; the text has its words.
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
                raise PlaceFailure(f"{self._what}'s API does not answer {method} {path}: {why}") from error
            if answer.status not in {200, 204}:
                raise PlaceFailure(f"{self._what} refused {method} {path} ({answer.status}): {_reason(said)}")

    def close(self) -> None:
        """Idempotent."""
        self._http.close()


def _reason(said: str) -> str:
    """Firecracker answers ``{"fault_message": …}``, Cloud Hypervisor a text or a list of texts."""
    with suppress(ValueError):
        body = json.loads(said)
        if isinstance(body, dict):
            return str(body.get("fault_message", said))
        if isinstance(body, list):
            return "; ".join(map(str, body))
    return said or "no reason given"


class Appearance:
    """Tells when a socket has appeared in a folder, which has to be watched before its maker starts."""

    def __init__(self, folder: Path) -> None:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        self._fd = int(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(folder), _IN_CREATE) < 0:
            error = ctypes.get_errno()
            self.close()
            raise PlaceFailure(
                f"{folder} cannot be watched: {os.strerror(error)}",
                remedy="raise sysctl fs.inotify.max_user_instances",
            )

    def connect(
        self, path: Path, has_ended: Callable[[], bool], timeout_seconds: float = ANSWER_SECONDS
    ) -> socket.socket:
        """Connect as soon as somebody listens there.

        Raises:
            PlaceFailure: nobody does in time, or its maker has ended.
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
                raise PlaceFailure(f"nobody listens at its socket {path.name}")
            # Between a socket's name and its first listener lies a moment that nothing tells.
            poll.poll(min(left, _TRY_AGAIN_SECONDS if there else _LOOK_SECONDS) * 1000)
            with suppress(BlockingIOError):
                os.read(self._fd, 4096)

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
