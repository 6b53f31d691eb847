"""Watch limits that the kernel does not enforce: memory and processes without a cgroup, size of the scratch folder.

A thread looks at each job every quarter of a second, for the first time when the job is so old. If a limit is exceeded, it
kills all processes of the place but the agent, which then reports the job's end as usual; :attr:`LimitWatch.verdict` has
the reason. What a job has left in the scratch folder is looked at once more after its end, so that a short job is judged
by what it wrote and not by when the thread happened to look.

All jobs share the thread: making one and waiting for its end took as long as a short job. It ends when it has no job to
look at.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tare.results.said import say

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
        self._looking = threading.Lock()
        """Held during a look, so that the watch does not end in the middle of one."""
        self.verdict = ""
        """Limit that was exceeded, for people; empty if none was."""

    def __enter__(self) -> Self:
        _WATCHER.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _WATCHER.remove(self)
        with self._looking:
            pass
        if error is None:
            self.verdict = self.verdict or self._look_at_scratch()

    def look(self, watched: Callable[[LimitWatch], bool]) -> None:
        """Look once, and end the job if it exceeds a limit; do nothing if it is not ``watched`` any more."""
        with self._looking:
            if not watched(self):
                return
            # After that, whatever the job starts is killed as well, until it gives up or its time is out.
            self.verdict = self.verdict or self._look()
            if self.verdict and (agent := self._agent()):
                kill_descendants(agent)

    def _look(self) -> str:
        agent = self._agent() if self._memory or self._pids else 0
        pids = descendants(agent) if agent else []
        if self._pids and len(pids) > self._limits.pids:
            return say(
                "limit.pids", "limit of {n} processes exceeded (watched from outside)", n=self._limits.pids
            )  # fmt: skip
        if self._memory:
            used = sum(map(resident_bytes, pids))
            if used > self._limits.memory_bytes:
                return say(
                    "limit.memory", "memory limit of {size} MiB exceeded (watched from outside)",
                    size=self._limits.memory_bytes // _MIB,
                )  # fmt: skip
        return self._look_at_scratch()

    def _look_at_scratch(self) -> str:
        if used_bytes(self._scratch) > self._limits.scratch_bytes:
            return say(
                "limit.scratch",
                "scratch limit of {size} MiB exceeded (watched from outside)",
                size=self._limits.scratch_bytes // _MIB,
            )
        return ""


class _Watcher:
    """The thread that looks, for all watches."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        """Guards all that follows; notified if something is due before the thread would wake up."""
        self._due: dict[LimitWatch, float] = {}
        """Watch → time of its next look, by the monotonic clock."""
        self._sleeps_until = 0.0
        self._thread: threading.Thread | None = None

    def add(self, one: LimitWatch) -> None:
        due = time.monotonic() + INTERVAL_SECONDS
        with self._changed:
            self._due[one] = due
            if self._thread is None or not self._thread.is_alive():  # a fork has no threads but its own
                self._thread = threading.Thread(target=self._run, name="tare-limits", daemon=True)
                self._sleeps_until = due
                self._thread.start()
            elif due < self._sleeps_until:
                self._changed.notify()

    def remove(self, one: LimitWatch) -> None:
        with self._changed:
            self._due.pop(one, None)

    def watches(self, one: LimitWatch) -> bool:
        with self._changed:
            return one in self._due

    def _run(self) -> None:
        while due := self._next():
            for one in due:
                one.look(self.watches)
                with self._changed:
                    if one in self._due:
                        self._due[one] = time.monotonic() + INTERVAL_SECONDS

    def _next(self) -> list[LimitWatch]:
        """Sleep until there is something to look at, and return it; empty: nothing is watched, and the thread ends."""
        with self._changed:
            while self._due:
                now = time.monotonic()
                if found := [one for one, due in self._due.items() if due <= now]:
                    return found
                self._sleeps_until = min(self._due.values())
                self._changed.wait(self._sleeps_until - now)
            self._thread = None
            return []


_WATCHER = _Watcher()


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
