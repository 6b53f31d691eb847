"""Identify the process that a run belongs to, and store that beside what the run makes on the host.

Each living run has two files: ``<cache>/live/<run>.json``, which tells everything, and ``<work folder>/owner.json``, by
which a run is found whose cache is gone. :mod:`tare.runners.cleanup` reads them to tell what dead runs left. Work
folders lie where everybody may write, so a file is believed only if the file system says that it is this user's
(:mod:`tare.runners.host.trusted`), and nothing is taken from ``owner.json`` but who the process was.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tare.runners.host.processes import is_running
from tare.runners.host.trusted import UntrustedError, trusted_content, trusted_folder

OWNER_FILE = "owner.json"
"""Name of the file in a run's work folder."""

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Characters that are safe in names of folders, cgroups, containers and namespaces alike."""

_MOST_BYTES = 64 << 10


class Owner(msgspec.Struct, frozen=True):
    """The process a run belongs to, and where the run may have made something."""

    run: str
    pid: int
    start_ticks: int
    """Start of the process in clock ticks since boot, ``/proc/PID/stat`` field 22; tells reused pids apart."""
    boot: str
    """Boot id of the host, ``/proc/sys/kernel/random/boot_id``."""
    workdir: str
    """Absolute path of the run's work folder."""
    cgroups: tuple[str, ...] = ()
    """Paths of the run's cgroup folders, whether they exist yet or not."""
    engines: tuple[str, ...] = ()
    """Engines that may hold containers or images of the run: a Docker daemon's socket, ``cri:`` and a containerd's
    socket, or ``kubernetes:CONTEXT@KUBECONFIG``. Known from the live file only: clearing a cluster runs what its
    kubeconfig names."""

    def alive(self) -> bool:
        """Tell whether that very process is still running: same pid, same start time, same boot."""
        return is_running(self.pid, self.start_ticks, self.boot)


def live_folder(cache: Path) -> Path:
    """Give the folder of the live files, made if need be so that nobody else can write to it."""
    folder = cache / "live"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # whatever the umask was when it was made
    return folder


def note_engine(cache: Path, run: str, socket: str) -> None:
    """Add an engine to a run's live file; call it before the engine is used, so that a crash leaves nothing behind.

    Args:
        cache: the suite's cache folder.
        run: the run id.
        socket: the engine, as in :attr:`Owner.engines`.
    """
    file = cache / "live" / f"{run}.json"
    owner = load_live(file)
    if owner is not None and socket not in owner.engines:
        store_owner(file, replace(owner, engines=(*owner.engines, socket)))


def store_owner(file: Path, owner: Owner) -> None:
    """Write an owner file atomically, writable by this user only: readers see the old content or the new."""
    new = file.with_name(file.name + ".new")
    facts = {name: getattr(owner, name) for name in Owner.__struct_fields__}
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(facts, opened)
        new.replace(file)
    except OSError:  # such as a full disk
        new.unlink(missing_ok=True)
        raise


def load_live(file: Path) -> Owner | None:
    """Read a live file; ``None`` if it is not this user's own or not valid."""
    try:
        with trusted_folder(file.parent) as folder:
            owner = _parsed(trusted_content(folder, file.name, _MOST_BYTES))
    except (OSError, UntrustedError):
        return None
    return owner if owner is not None and file.name == f"{owner.run}.json" else None


def load_from_workdir(workdir: Path) -> Owner | None:
    """Read the owner file in a work folder; ``None`` if folder or file are not this user's own or not valid.

    The result's ``workdir`` is the folder itself; its ``cgroups`` and ``engines`` are empty, whatever the file says.
    """
    try:
        with trusted_folder(workdir) as folder:
            owner = _parsed(trusted_content(folder, OWNER_FILE, _MOST_BYTES))
    except (OSError, UntrustedError):
        return None
    if owner is None or workdir.name != f"tare-{owner.run}":
        return None
    return replace(owner, workdir=str(workdir), cgroups=(), engines=())


def _parsed(content: bytes) -> Owner | None:
    try:
        facts = json.loads(content)
        lists = {name: tuple(map(str, facts.get(name, ()))) for name in ("cgroups", "engines")}
        owner = Owner(**(facts | lists))
        numbers = isinstance(owner.pid, int) and isinstance(owner.start_ticks, int)
        sane = numbers and RUN_ID.fullmatch(owner.run) and Path(owner.workdir).is_absolute()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return owner if sane else None
