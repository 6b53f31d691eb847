"""Wait for the processes that outlive an engine's client: monitors and clean-up commands, which end by themselves."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from tare.runners.host.processes import await_end

SECONDS = 5.0
"""Longest wait. Processes that take longer are ended when the runner is closed."""


def await_client_processes(launcher: int, container: str) -> None:
    """Wait until no process that the launcher inherited works on a container any more.

    Args:
        launcher: pid of the launcher that started the client.
        container: the container's name. Monitors have it in their command lines; clean-up commands do not, so the wait
            is for all of these.
    """
    deadline = time.monotonic() + SECONDS
    while (pids := [pid for pid in _children(launcher) if _is_about(pid, container)]) and (
        left := deadline - time.monotonic()
    ) > 0:
        for pid in pids:
            await_end(pid, left)


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
    # A monitor's command line contains its future clean-up command; that of another, living container does not count.
    return os.fsencode(container) in words or (b"cleanup" in words and b"--exit-command" not in words)
