"""Hold locks between the threads of this process, beside those that the kernel keeps between processes."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_locks: dict[Path, threading.Lock] = {}


@contextlib.contextmanager
def held_here(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file between the threads of this process.

    Raises:
        BlockingIOError: another thread holds it, and the caller does not wait.
    """
    lock = _locks.setdefault(path.absolute(), threading.Lock())
    if not lock.acquire(blocking=wait):
        raise BlockingIOError
    try:
        yield
    finally:
        lock.release()
