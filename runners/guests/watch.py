"""Drain a guest's console and its VMM's stderr, and keep the end of each for error messages."""

from __future__ import annotations

import os
import re
import selectors
import socket
import threading
from typing import TYPE_CHECKING, Self

from tare.runners.places.output_tail import Tail

if TYPE_CHECKING:
    from types import TracebackType

STUCK = (b"KVM internal error", b"error: kvm run failed")
"""Messages after which QEMU stops the guest for good without exiting."""

_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[0-9:.]+Z ", re.ASCII)


class Watch:
    """Drain of console and stderr by a thread, which sleeps while the guest is quiet.

    If QEMU reports that it stopped the guest for good, ``channel`` is shut down, so that a wait for the agent ends at
    once.
    """

    def __init__(self, console: socket.socket, stderr: int, channel: socket.socket) -> None:
        self.console, self.stderr = Tail(), Tail()
        self.stuck = ""
        """QEMU's message that it stopped the guest; empty: it has not."""
        self._channel = channel
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._console_socket, self._stderr_fd = console, stderr
        self._thread = threading.Thread(target=self._drain, name="tare-guest-watch", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._console_socket, selectors.EVENT_READ, self.console)
            selector.register(self._stderr_fd, selectors.EVENT_READ, self.stderr)
            selector.register(self._stop_read, selectors.EVENT_READ, None)
            while len(selector.get_map()) > 1:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    data = self._read(key.fd)
                    if not data:
                        selector.unregister(key.fileobj)
                    key.data.add(data)
                    if key.data is self.stderr:
                        self._look()

    @staticmethod
    def _read(fd: int) -> bytes:
        try:
            return os.read(fd, 65536)
        except ConnectionResetError:  # QEMU died with output of ours unread
            return b""

    def _look(self) -> None:
        if self.stuck:
            return
        for line in bytes(self.stderr).splitlines():
            if any(mark in line for mark in STUCK):
                self.stuck = line.decode("utf-8", "replace")
                try:
                    self._channel.shutdown(socket.SHUT_RDWR)
                except OSError:  # it has ended already
                    return

    def log(self) -> str:
        """Format the ends of both outputs, with the number of bytes left out."""
        parts = []
        for name, tail in (("console", self.console), ("qemu", self.stderr)):
            if tail.total_bytes:
                left_out = tail.total_bytes - len(bytes(tail))
                note = f" (first {left_out} bytes left out)" if left_out else ""
                parts.append(f"[{name}{note}]\n{bytes(tail).decode('utf-8', 'replace').strip()}")
        return "\n".join(parts)

    def finish(self, timeout_seconds: float = 0.5) -> None:
        """Read what is left, as both streams end with the VMM, and close everything. Idempotent."""
        if self._stop_write < 0:
            return
        self._thread.join(timeout_seconds)
        os.close(self._stop_write)  # the end of file wakes a thread that still waits
        self._stop_write = -1
        self._thread.join()
        os.close(self._stop_read)
        os.close(self._stderr_fd)
        self._console_socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()


def complaints(stderr: bytes) -> list[str]:
    """Split QEMU's messages into lines without their time stamps."""
    return [_STAMP.sub("", line) for line in stderr.decode("utf-8", "replace").strip().splitlines()]
