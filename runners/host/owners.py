"""Identify the process that a run belongs to, and store that beside what the run makes on the host.

Each living run has two equal files, ``<cache>/live/<run>.json`` and ``<work folder>/owner.json``; either alone
suffices. :mod:`tare.runners.cleanup` reads them to tell what dead runs left.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from tare.runners.host.processes import boot_id, start_ticks

OWNER_FILE = "owner.json"
"""Name of the file in a run's work folder."""

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Characters that are safe in names of folders, cgroups, containers and namespaces alike."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process a run belongs to, and where the run may have made something."""

    run: str
    pid: int
    start_ticks: int
    """Start of the process in clock ticks since boot, ``/proc/PID/stat`` field 22; tells reused pids apart."""
    boot: str
    """Boot id of the host, ``/proc/sys/kernel/random/boot_id``."""
    uid: int
    workdir: str
    """Absolute path of the run's work folder."""
    cgroups: tuple[str, ...] = ()
    """Paths of the run's cgroup folders, whether they exist yet or not."""
    engines: tuple[str, ...] = ()
    """Engines that may hold containers or images of the run: a Docker daemon's socket, ``cri:`` and a containerd's
    socket, or ``kubernetes:CONTEXT@KUBECONFIG``."""

    def alive(self) -> bool:
        """Tell whether that very process is still running: same pid, same start time, same boot."""
        return self.boot == boot_id() and self.start_ticks == start_ticks(self.pid) != 0


def note_engine(cache: Path, run: str, workdir: Path, socket: str) -> None:
    """Add an engine to a run's owner files; call it before the engine is used, so that a crash leaves nothing behind.

    Args:
        cache: the suite's cache folder.
        run: the run id.
        workdir: the run's work folder.
        socket: the engine, as in :attr:`Owner.engines`.
    """
    for file in (cache / "live" / f"{run}.json", workdir / OWNER_FILE):
        owner = load_owner(file)
        if owner is not None and socket not in owner.engines:
            store_owner(file, replace(owner, engines=(*owner.engines, socket)))


def store_owner(file: Path, owner: Owner) -> None:
    """Write an owner file atomically: readers see the old content or the new, never a part."""
    new = file.with_name(file.name + ".new")
    facts = {name: getattr(owner, name) for name in Owner.__slots__}
    new.write_text(json.dumps(facts), "utf-8")
    new.replace(file)


def load_owner(file: Path) -> Owner | None:
    """Read an owner file; ``None`` if it cannot be read or is not a valid one."""
    try:
        facts = json.loads(file.read_text("utf-8"))
        lists = {name: tuple(facts.get(name, ())) for name in ("cgroups", "engines")}
        owner = Owner(**(facts | lists))
        sane = (
            isinstance(owner.pid, int) and RUN_ID.fullmatch(owner.run) and Path(owner.workdir).is_absolute()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return owner if sane else None
