"""Watch limits that the kernel does not enforce: memory and processes without a cgroup, size of the scratch folder.

A thread looks every quarter of a second. If a limit is exceeded, it kills all processes of the place but the agent,
which then reports the job's end as usual; :attr:`LimitWatch.verdict` has the reason. What a job has left in the scratch
folder is looked at once more after its end, so that a short job is judged by what it wrote and not by when the thread
happened to look.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tare.runners.model import Limits

INTERVAL_SECONDS = 0.25
"""Time between two looks."""
_MIB = 1 << 20


class LimitWatch:
    """A context manager that watches one job."""

    def __init__(
        self, agent: Callable[[], int], scratch: Path, limits: Limits, *, memory: bool, pids: bool
    ) -> None:
        """Prepare to watch.

        Args:
            agent: returns the agent's pid; 0 if it is not known (yet).
            scratch: the scratch folder on the host.
            limits: the place's limits.
            memory: watch memory, as no cgroup limits it.
            pids: watch the number of processes, as no cgroup limits it.
        """
        self._agent, self._scratch, self._limits = agent, scratch, limits
        self._memory, self._pids = memory, pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tare-limits", daemon=True)
        self.verdict = ""
        """Limit that was exceeded, for people; empty if none was."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if error is None:
            self.verdict = self.verdict or self._look_at_scratch()

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            # After that, whatever the job starts is killed as well, until it gives up or its time is out.
            self.verdict = self.verdict or self._look()
            if self.verdict and (agent := self._agent()):
                kill_descendants(agent)

    def _look(self) -> str:
        agent = self._agent() if self._memory or self._pids else 0
        pids = descendants(agent) if agent else []
        if self._pids and len(pids) > self._limits.pids:
            return f"limit of {self._limits.pids} processes exceeded (watched from outside)"
        if self._memory:
            used = sum(map(resident_bytes, pids))
            if used > self._limits.memory_bytes:
                return (
                    f"memory limit of {self._limits.memory_bytes // _MIB} MiB exceeded (watched from outside)"
                )
        return self._look_at_scratch()

    def _look_at_scratch(self) -> str:
        if used_bytes(self._scratch) > self._limits.scratch_bytes:
            return (
                f"scratch limit of {self._limits.scratch_bytes // _MIB} MiB exceeded (watched from outside)"
            )
        return ""


def descendants(pid: int) -> list[int]:
    """List all living descendants of a process that are visible."""
    found: list[int] = []
    todo = [pid]
    while todo:
        with suppress(OSError):
            for task in Path(f"/proc/{todo.pop()}/task").iterdir():
                with suppress(OSError):
                    children = [int(word) for word in (task / "children").read_text("ascii").split()]
                    found += children
                    todo += children
    return found


def kill_descendants(pid: int) -> None:
    """Kill a process' descendants in at most a hundred rounds; each round stops them all first, against fork bombs."""
    for _ in range(100):
        found = descendants(pid)
        if not found:
            return
        for sent in (signal.SIGSTOP, signal.SIGKILL):
            for one in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(one, sent)


def resident_bytes(pid: int) -> int:
    """Read the resident memory of a process, shared pages included; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def used_bytes(folder: Path) -> int:
    """Add up the disk space of all files below a folder; what vanishes meanwhile is not counted."""
    total = 0
    todo = [str(folder)]
    while todo:
        with suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
    return total
