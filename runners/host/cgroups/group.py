"""Handle one place's control groups: what they limit, what the kernel enforced, how to empty and remove them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.results.said import listed, say
from tare.runners.errors import PlaceFailure
from tare.runners.host.cgroups.files import groups_of, read, remove_group, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

UNIFIED = "unified"
"""Key of the v2 hierarchy where those of v1 have their controllers' names."""
_REMOVE_SECONDS = 2.0
"""Time for a cgroup whose processes were killed to become free."""


@dataclass(slots=True)
class Cgroup:
    """One place's cgroups: one folder for each hierarchy that is used."""

    run: str
    name: str
    version: str
    """See :attr:`~tare.runners.host.cgroups.layout.Cgroups.version`."""
    folders: dict[str, Path] = field(default_factory=dict)
    """v1 controller → folder, and ``unified`` → the v2 folder."""
    tasks: list[tuple[Path, Path]] = field(default_factory=list)
    """v1 files into which a thread writes ``0`` to enter, each with the one that takes it back to our own cgroup."""
    parents: list[Path] = field(default_factory=list)
    """The run's folders above."""
    controllers: set[str] = field(default_factory=set)
    achieved: dict[str, Any] = field(default_factory=dict)
    """Limits in force: ``memory_bytes``, ``pids``, ``cpus``, ``cpuset``, ``io``; a key is absent without a limit."""
    reasons: list[str] = field(default_factory=list)
    """Reasons why something is missing, for people."""
    _events: tuple[tuple[str, str, str], ...] = field(default=(), repr=False, compare=False)
    """The files that count events, as far as they were found: each job asks twice, and most that are possible are missing."""

    @property
    def all_folders(self) -> list[Path]:
        """Its folders without repetition: controllers may share a hierarchy."""
        return list(dict.fromkeys(self.folders.values()))

    @property
    def unified(self) -> Path | None:
        """The v2 folder, to be born in; ``None`` without one."""
        return self.folders.get(UNIFIED)

    def describe(self) -> str:
        """Describe the cgroups in a few words for the record's context."""
        if not self.folders:
            why = listed(self.reasons) or say("cgroup.not_mounted", "not mounted")
            return say("cgroup.none", "none ({why})", why=why)
        limits = ",".join(sorted(limiting(self.controllers)))
        if limits:
            return f"{self.version} ({limits})"
        return say("cgroup.counters_only", "{version} (counters only)", version=self.version)

    def events(self) -> dict[str, int]:
        """Count how often the kernel enforced a limit: ``oom_kills`` and ``pids_refused``; absent if unknown."""
        if not self._events:
            self._events = tuple(one for one in self._possible_events() if os.path.exists(one[0]))  # noqa: PTH110 - strings
        found: dict[str, int] = {}
        for source in self._events:
            found |= _number_after(*source)
        return found

    def _possible_events(self) -> Iterator[tuple[str, str, str]]:
        """Yield the files that may count, each with the key there and here."""
        for folder in filter(None, (self.unified, self.folders.get("memory"))):
            for file in ("memory.events", "memory.oom_control"):
                yield f"{folder}/{file}", "oom_kill", "oom_kills"
        for folder in filter(None, (self.unified, self.folders.get("pids"))):
            yield f"{folder}/pids.events", "max", "pids_refused"

    def pids(self) -> set[int]:
        """List the processes in it, and in groups that were made within it, as our pid namespace numbers them."""
        found: set[int] = set()
        for folder in self.all_folders:
            for each in groups_of(folder):
                with suppress(OSError):
                    found |= {int(line) for line in (each / "cgroup.procs").read_text("ascii").split()}
        return found - {0}

    def kill(self, timeout_seconds: float = 5.0) -> bool:
        """Kill all processes in it; return whether it is empty then."""
        for folder in self.all_folders:
            # Without cgroup.kill (v1, or Linux before 5.14) a fork bomb could outrun the signals below.
            with suppress(OSError):
                write(folder / "pids.max", "0")
            if (folder / "cgroup.kill").exists():
                with suppress(OSError):
                    write(folder / "cgroup.kill", "1")
        deadline = time.monotonic() + timeout_seconds
        pause = 0.0005
        while pids := self.pids():
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return True

    def remove(self, timeout_seconds: float = 0.0) -> list[Path]:
        """Remove its folders (not the run's), with groups that were made within them; return those that cannot be removed in time.

        systemd-nspawn moves itself and its container into groups of their own, and a job that may can do the same.
        """
        left = []
        for folder in self.all_folders:
            try:
                remove_group(folder)
            except OSError:
                try:
                    for each in (*groups_of(folder)[:-1], folder):
                        remove_group(each, timeout_seconds)
                except OSError:
                    left.append(folder)
        return left


def known(controllers: set[str]) -> set[str]:
    """Add to controllers their other names: ``io`` and ``blkio`` are both in if one is."""
    return controllers | ({"io", "blkio"} if controllers & {"io", "blkio"} else set())


def limiting(controllers: Iterable[str]) -> set[str]:
    """Select the controllers that limit; I/O is left out, for its counters are welcome but not necessary."""
    return set(controllers) & {"memory", "pids", "cpu", "cpuset"}


def _number_after(file: str, key: str, name: str) -> dict[str, int]:
    for line in read(file).splitlines():
        match line.split():
            case [word, number] if word == key:
                return {name: int(number)}
    return {}


def discard(cgroup: Cgroup) -> None:
    """Remove a place's cgroups, killing whatever is still running in them.

    Raises:
        PlaceFailure: one cannot be removed.
    """
    if cgroup.remove():
        cgroup.kill()
        if left := cgroup.remove(_REMOVE_SECONDS):
            raise PlaceFailure(
                say("place.cgroup_busy", "the cgroup {what} cannot be removed: something in it does not end", what=left[0])
            )  # fmt: skip
