"""Drain a child's output so that it never blocks; keep the last 16 KiB for error messages."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress

KEEP_BYTES = 16 << 10
"""Bytes kept of each output: its end, where the reason of a failure is."""

_READ_BYTES = 65536


class Tail:
    """The last bytes of a stream, and the number of all."""

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self.keep_bytes = keep_bytes
        self.total_bytes = 0
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        """Append bytes, and drop the oldest beyond :attr:`keep_bytes`."""
        self.total_bytes += len(data)
        self._kept += data
        del self._kept[: -self.keep_bytes]

    def __bytes__(self) -> bytes:
        return bytes(self._kept)


class Drain:
    """A pipe whose reading end is drained by a thread, which sleeps while nothing is written."""

    def __init__(self) -> None:
        self._tail = Tail()
        self._read, self.write_fd = os.pipe2(os.O_CLOEXEC)
        """The writing end is for the child; :meth:`let_go` closes our copy when it has its own."""
        os.set_blocking(self._read, False)
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._wait, name="tare-drain", daemon=True)
        self._thread.start()

    def let_go(self) -> None:
        """Close our copy of the pipe's writing end. Idempotent."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def text(self) -> str:
        """Return the end of what was written until now, including what is still in the pipe."""
        if self._stop_write >= 0:
            self._take()
        return bytes(self._tail).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Read what is there and stop, even if somebody still holds the writing end. Idempotent."""
        if self._stop_write < 0:
            return
        self.let_go()
        os.close(self._stop_write)  # the thread sees the end of file, and stops
        self._thread.join()
        self._take()
        self._stop_write = -1
        os.close(self._stop_read)
        os.close(self._read)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        poll.register(self._stop_read, select.POLLIN)
        while not any(fd == self._stop_read for fd, _ in poll.poll()):
            if not self._take():
                return

    def _take(self) -> bool:
        """Read what there is, a pipe's content at most; return whether more may come."""
        with self._lock, suppress(BlockingIOError):
            data = os.read(self._read, _READ_BYTES)
            self._tail.add(data)
            return bool(data)
        return True
