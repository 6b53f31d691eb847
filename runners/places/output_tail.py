"""What a program says beside the agent's channel: read so that it is never stuck, and its end kept for failures."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress

KEEP_BYTES = 16 << 10
"""Kept of each source: the end, where the reason is. All of a flood is read, so that nobody is ever stuck in it."""

_READ_BYTES = 65536


class Tail:
    """The last bytes of a stream, and how many there were."""

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self.keep_bytes = keep_bytes
        self.total_bytes = 0
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        """Append, and forget what is too old."""
        self.total_bytes += len(data)
        self._kept += data
        del self._kept[: -self.keep_bytes]

    def __bytes__(self) -> bytes:
        return bytes(self._kept)


class Drain:
    """Reads a pipe's end of its own in a thread, which sleeps while nothing is written."""

    def __init__(self) -> None:
        self._tail = Tail()
        self._read, self.write_fd = os.pipe2(os.O_CLOEXEC)
        """``write_fd`` is for the program; :meth:`let_go` closes ours when it has its own."""
        os.set_blocking(self._read, False)
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._wait, name="tare-drain", daemon=True)
        self._thread.start()

    def let_go(self) -> None:
        """Close our copy of the writing end. Idempotent."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def text(self) -> str:
        """The end of what was written until now; what is in the pipe already counts."""
        if self._stop_write >= 0:
            self._take()
        return bytes(self._tail).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Take what is there and stop reading, whoever may still hold the writing end. Idempotent."""
        if self._stop_write < 0:
            return
        self.let_go()
        os.close(self._stop_write)  # end of file is readable, and stops the thread
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
        """Read what there is, a pipe's content at most; whether more may come."""
        with self._lock, suppress(BlockingIOError):
            data = os.read(self._read, _READ_BYTES)
            self._tail.add(data)
            return bool(data)
        return True
