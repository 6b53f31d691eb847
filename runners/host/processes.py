"""Who a process is: what tells it apart from a later one of the same number."""

from __future__ import annotations

from pathlib import Path


def start_ticks(pid: int) -> int:
    """Start time in clock ticks since boot; 0 if there is no such process, or only its exit status is left."""
    try:
        # The name in parentheses may hold anything, blanks and parentheses too.
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return 0 if fields[0] in {"Z", "X"} else int(fields[19])
    except (OSError, IndexError, ValueError):
        return 0


def boot_id() -> str:
    """What tells this boot from others; empty if the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
