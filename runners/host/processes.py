"""Tell processes apart from later ones with the same pid, and wait for their end."""

from __future__ import annotations

import os
import select
from pathlib import Path

from tare.runners.host.files import read


def await_end(pid: int, timeout_seconds: float) -> bool:
    """Wait until a process has ended, whether its parent has reaped it or not.

    Returns:
        Whether it ended in time. A process that does not exist has ended.
    """
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()  # select(2) takes no descriptors above 1023
        poll.register(end, select.POLLIN)
        return bool(poll.poll(timeout_seconds * 1000))
    finally:
        os.close(end)


def start_ticks(pid: int) -> int:
    """Read when a process started, in clock ticks since boot; 0 if it does not exist or is a zombie.

    Not psutil's ``create_time()``: that is a wall clock time, made of these ticks and the boot time as the kernel
    computes it from today's clock. When NTP or a person sets the clock, it changes for a process that is running, and
    whoever compares it with what was stored would take a living owner for a dead one and remove its files.
    """
    try:
        # The name in parentheses may hold anything, blanks and parentheses too.
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return 0 if fields[0] in {"Z", "X"} else int(fields[19])
    except (OSError, IndexError, ValueError):
        return 0


def is_running(pid: int, ticks: int, boot: str) -> bool:
    """Tell whether the very process that was noted still runs: same pid, same start time, same boot."""
    return boot == boot_id() and ticks == start_ticks(pid) != 0


def boot_id() -> str:
    """Read the id of this boot, random for each; empty if the kernel does not tell."""
    return read(Path("/proc/sys/kernel/random/boot_id")) or ""
