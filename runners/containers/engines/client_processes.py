"""What an engine's client leaves behind for a moment: monitors and clean-up commands, which end by themselves."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from pathlib import Path

SECONDS = 5.0
"""For them to end; after that they are left to the end of the runner, which ends everything."""


def await_lingering(launcher: int, container: str) -> None:
    """Wait until of the processes that ``launcher`` inherited none is about that container.

    Args:
        launcher: pid of the launcher that the client was started by.
        container: its name, which a monitor has in its command line. Clean-up commands have not: all of them count.
    """
    deadline = time.monotonic() + SECONDS
    while (pids := [pid for pid in _children(launcher) if _is_about(pid, container)]) and (
        left := deadline - time.monotonic()
    ) > 0:
        for pid in pids:
            with suppress(ProcessLookupError):
                end = os.pidfd_open(pid)
                try:
                    select.select([end], [], [], left)
                finally:
                    os.close(end)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text("ascii").split())
    return found


def _is_about(pid: int, container: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # Monitors are told their clean-up command beforehand; that of another container, alive, is not waited for.
    return os.fsencode(container) in words or (b"cleanup" in words and b"--exit-command" not in words)
