"""Control groups for places, on v1, v2 and hosts that mix both.

Every place gets ``tare-<run>/<name>`` below a cgroup that this user may divide. On v1 that is our own cgroup of each
controller. On v2 processes live only in leaves, so a cgroup with processes in it (ours, mostly) can hand no
controllers on, and the nearest ancestor is taken that is writable for us and has them enabled already: the unit
systemd delegated to the user, or for root the top. Nothing above ``tare-<run>`` is ever configured.

See the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tare.runners.model import Limits

UNIFIED = "unified"
"""The key of the v2 hierarchy where v1 ones have their controllers' names."""

CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io")
"""What limits are set with. ``io`` is ``blkio`` on v1."""

CPU_PERIOD_MICROSECONDS = 100_000

V1_IO = "reads, direct and synchronous writes"
"""What I/O limits are about: v1 charges the writing back of cached pages to nobody."""
V2_IO = "reads and writes"

CGROUP_REMEDY = (
    "run as root, or let systemd delegate a cgroup to you: "
    "`systemd-run --user --scope -p Delegate=yes -- tare run …` (needs cgroup v2)"
)


class CgroupError(TareError):
    """A cgroup that ought to work does not."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup file system, and where in it we are."""

    version: int
    controllers: frozenset[str]
    top: Path
    """Its mount point."""
    own: Path
    """The cgroup of this process."""
    root: str = "/"
    """What of the hierarchy is mounted: inside a container it may be a part."""

    def writable(self) -> bool:
        """Whether we may make cgroups below our own (v1)."""
        return os.access(self.own, os.W_OK)


@dataclass(frozen=True, slots=True)
class Cgroups:
    """What this host offers this user."""

    hierarchies: tuple[Hierarchy, ...]
    host_cpus: int = field(default_factory=lambda: os.cpu_count() or 1)

    @classmethod
    def detect(cls, root: Path = Path("/")) -> Cgroups:
        """Read ``/proc/self/mountinfo`` and ``/proc/self/cgroup``; ``root`` is put before all paths, for tests."""
        try:
            mounts = (root / "proc/self/mountinfo").read_text("utf-8", "surrogateescape")
            groups = (root / "proc/self/cgroup").read_text("utf-8", "surrogateescape")
        except OSError:
            return cls(())
        return cls(tuple(_hierarchies(root, mounts, groups)))

    @property
    def version(self) -> str:
        """``v1``, ``v2``, ``hybrid`` or ``none``: how controllers are mounted here."""
        versions = {one.version for one in self.hierarchies if one.controllers or one.version == 2}
        return {frozenset(): "none", frozenset({1}): "v1", frozenset({2}): "v2"}.get(
            frozenset(versions), "hybrid"
        )

    @property
    def unified(self) -> Hierarchy | None:
        """The v2 hierarchy."""
        return next((one for one in self.hierarchies if one.version == 2), None)

    def create(
        self, run: str, name: str, limits: Limits, *, disk: str = "", only: Collection[str] = CONTROLLERS
    ) -> Cgroup:
        """Make the place's cgroups and set its limits: whatever is permitted, with a reason for the rest.

        Nothing is left if it raises.

        Args:
            run: the run's id.
            name: the place's.
            limits: what to set.
            disk: ``major:minor`` of the disk that I/O limits are for, see :func:`tare.runners.host.disks.disk_of`.
            only: of :data:`CONTROLLERS`. One that is asked for alone is used even where it has nothing to limit.

        Raises:
            CgroupError: a limit was refused although its cgroup could be made.
        """
        made = Cgroup(run, name, version=self.version)
        wanted = {"memory", "pids", "io"} & set(only)
        if "cpu" in only and (limits.cpus < self.host_cpus or len(only) == 1):
            wanted.add("cpu")
        if "cpuset" in only and (limits.cpuset or len(only) == 1):
            wanted.add("cpuset")
        wanted |= {"blkio"} if "io" in wanted else set()
        limited_io = limits.io_bytes_per_second or limits.io_operations_per_second
        if limited_io and not disk and "io" in wanted:
            made.reasons.append("the scratch folder is on no single disk, so its I/O cannot be limited")
        try:
            self._create_v2(made, wanted, limits, disk, counters=len(only) > 1)
            self._create_v1(made, wanted, limits, disk, counters=len(only) > 1)
        except OSError as error:
            made.remove()
            raise CgroupError(f"cannot set up cgroup tare-{run}/{name}: {error}; {CGROUP_REMEDY}") from error
        essential = _essential(wanted) | ({"io"} if limited_io and "io" in wanted else set())
        missing = sorted(essential - made.known())
        if missing:
            made.reasons.append(f"no {', '.join(missing)} controller that this user may use; {CGROUP_REMEDY}")
        return made

    def offers(self, controller: str) -> bool:
        """Whether this user may limit with it, one of :data:`CONTROLLERS`."""
        names = {controller, *({"blkio"} if controller == "io" else ())}
        if any(one.version == 1 and one.controllers & names and one.writable() for one in self.hierarchies):
            return True
        place = _best_v2_parent(self.unified, names) if self.unified else None
        return place is not None and bool(_words(place / "cgroup.subtree_control") & names)

    def remove_run(self, run: str) -> None:
        """Remove the run's (by then empty) parent cgroups; those still in use by another runner stay."""
        for parent in self.run_folders(run):
            with suppress(OSError):
                parent.rmdir()

    def run_folders(self, run: str) -> list[Path]:
        """All ``tare-<run>`` cgroups that exist where this class makes them."""
        return [path for path in self.possible_folders(run) if path.is_dir()]

    def possible_folders(self, run: str) -> list[Path]:
        """Where :meth:`create` may make the run's cgroups, and at the tops runtimes may."""
        places = {place for one in self.hierarchies for place in (one.own, one.top)}
        if self.unified:
            places.update(_ancestors(self.unified))
        return sorted(place / f"tare-{run}" for place in places)

    def _create_v1(
        self, made: Cgroup, wanted: set[str], limits: Limits, disk: str, *, counters: bool
    ) -> None:
        for one in self.hierarchies:
            useful = one.controllers & wanted - made.known()
            # cpu.stat of a v2 cgroup says what cpuacct would.
            if counters and UNIFIED not in made.folders and "cpuacct" in one.controllers:
                useful |= {"cpuacct"}
            if one.version != 1 or not useful or not one.writable():
                continue
            parent = one.own / f"tare-{made.run}"
            folder = parent / made.name
            for new, above in ((parent, one.own), (folder, parent)):
                new.mkdir(exist_ok=new is parent)
                if "cpuset" in one.controllers:  # empty at birth, and then nobody can join
                    _inherit_cpuset(new, above)
            made.parents.append(parent)
            made.folders |= dict.fromkeys(sorted(one.controllers), folder)
            made.controllers |= one.controllers
            made.achieved |= _limit(folder, 1, useful, limits, disk)
            made.tasks.append((folder / "tasks", one.own / "tasks"))

    def _create_v2(
        self, made: Cgroup, wanted: set[str], limits: Limits, disk: str, *, counters: bool
    ) -> None:
        one = self.unified
        if one is None or (place := _best_v2_parent(one, wanted)) is None:
            return
        parent = place / f"tare-{made.run}"
        folder = parent / made.name
        enabled = _words(place / "cgroup.subtree_control") & wanted
        if not enabled and not counters:
            return
        parent.mkdir(exist_ok=True)
        made.parents.append(parent)
        if enabled:
            _write(parent / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(enabled)))
        folder.mkdir()
        made.folders[UNIFIED] = folder
        made.controllers |= enabled
        made.achieved |= _limit(folder, 2, enabled, limits, disk)


@dataclass(slots=True)
class Cgroup:
    """One place's cgroups: one folder for each hierarchy that is used."""

    run: str
    name: str
    version: str
    folders: dict[str, Path] = field(default_factory=dict)
    """v1 controller → folder, and ``unified`` → the v2 folder."""
    tasks: list[tuple[Path, Path]] = field(default_factory=list)
    """v1 files into which a thread writes ``0`` to enter, each with the one that takes it back to our own cgroup."""
    parents: list[Path] = field(default_factory=list)
    controllers: set[str] = field(default_factory=set)
    achieved: dict[str, Any] = field(default_factory=dict)
    """The limits that are in force: ``memory_bytes``, ``pids``, ``cpus``, ``cpuset``, ``io``."""
    reasons: list[str] = field(default_factory=list)
    """What is missing, and why."""

    def known(self) -> set[str]:
        """Its controllers, by their names of v2 as well."""
        return self.controllers | ({"io", "blkio"} if self.controllers & {"io", "blkio"} else set())

    @property
    def all_folders(self) -> list[Path]:
        """Without repetition: controllers may share a hierarchy."""
        return list(dict.fromkeys(self.folders.values()))

    @property
    def unified(self) -> Path | None:
        """The v2 folder, to be born in."""
        return self.folders.get(UNIFIED)

    def describe(self) -> str:
        """For the record's context."""
        if not self.folders:
            return f"none ({'; '.join(self.reasons) or 'not mounted'})"
        limits = ",".join(sorted(_essential(self.controllers)))
        return f"{self.version} ({limits or 'counters only'})"

    def events(self) -> dict[str, int]:
        """How often the kernel enforced a limit: ``oom_kills`` and ``pids_refused``, those that can be known."""
        found: dict[str, int] = {}
        for source in (self.unified, self.folders.get("memory")):
            if source:
                for file in ("memory.events", "memory.oom_control"):
                    found |= _number_after(source / file, "oom_kill", "oom_kills")
        for source in (self.unified, self.folders.get("pids")):
            if source:
                found |= _number_after(source / "pids.events", "max", "pids_refused")
        return found

    def pids(self) -> set[int]:
        """Processes in it, as seen in our pid namespace."""
        found: set[int] = set()
        for folder in self.all_folders:
            with suppress(OSError):
                found |= {int(line) for line in (folder / "cgroup.procs").read_text("ascii").split()}
        return found - {0}

    def kill(self, timeout_seconds: float = 5.0) -> bool:
        """End all processes in it; whether it is empty then."""
        for folder in self.all_folders:
            # A fork bomb must not outrun us where there is no cgroup.kill (v1, or Linux before 5.14).
            with suppress(OSError):
                _write(folder / "pids.max", "0")
            if (folder / "cgroup.kill").exists():
                with suppress(OSError):
                    _write(folder / "cgroup.kill", "1")
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

    def remove(self) -> list[Path]:
        """Remove its folders (not the run's); returns those that cannot be removed."""
        left = []
        for folder in self.all_folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                left.append(folder)
        return left


def _essential(controllers: Iterable[str]) -> set[str]:
    """Those that limit; I/O counters are welcome, not necessary."""
    return set(controllers) & {"memory", "pids", "cpu", "cpuset"}


def _hierarchies(root: Path, mounts: str, groups: str) -> Iterable[Hierarchy]:
    paths: dict[str, str] = {}
    for line in groups.splitlines():
        number, names, path = line.split(":", 2)
        for name in names.split(",") if number != "0" else [""]:
            paths[name] = path
    seen = set()
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), after.split(" ", 2)
        if kind not in {"cgroup", "cgroup2"}:
            continue
        mounted, top = _unescape(fields[3]), root / _unescape(fields[4]).lstrip("/")
        if kind == "cgroup2":
            controllers, own = _words(top / "cgroup.controllers"), paths.get("")
        else:
            controllers = {name for name in options.split(",") if name in paths}
            own = next((paths[name] for name in sorted(controllers)), None)
        key = (kind, frozenset(controllers))
        if own is None or key in seen:
            continue
        seen.add(key)
        # Inside a container a part of the hierarchy may be mounted: its root is not the hierarchy's.
        inside = os.path.relpath(own, mounted) if own.startswith(mounted) else "."
        folder = top if inside == "." else top / inside
        if folder.is_dir() and (controllers or kind == "cgroup2"):
            yield Hierarchy(2 if kind == "cgroup2" else 1, frozenset(controllers), top, folder, mounted)


def _ancestors(one: Hierarchy) -> list[Path]:
    """From our cgroup's parent up to the mount point."""
    return [path for path in one.own.parents if path == one.top or one.top in path.parents]


def _best_v2_parent(one: Hierarchy, wanted: set[str]) -> Path | None:
    """Where to make the run's cgroup: writable, most of the wanted controllers enabled; the nearest of equals."""
    best, most = None, -1
    for place in (one.own, *_ancestors(one)):
        # A process may be moved by whoever can write cgroup.procs of the common ancestor.
        if not (os.access(place, os.W_OK) and os.access(place / "cgroup.procs", os.W_OK)):
            break
        count = len(_words(place / "cgroup.subtree_control") & wanted)
        if count > most:
            best, most = place, count
    return best


SWAP_FILES = ("memory.memsw.limit_in_bytes", "memory.swap.max")
"""Absent without swap accounting; swap is not counted then."""


def limit_files(controller: str, version: int, limits: Limits, disk: str) -> list[tuple[str, str]]:
    """The files of a cgroup by which one controller limits, and what to write into them, in order."""
    memory, quota = str(limits.memory_bytes), limits.cpus * CPU_PERIOD_MICROSECONDS
    rates = io_rates(limits) if disk else {}
    ways = ("read", "write")
    files = {
        ("memory", 1): [("memory.limit_in_bytes", memory), (SWAP_FILES[0], memory)],
        ("memory", 2): [("memory.max", memory), (SWAP_FILES[1], "0")],
        ("cpu", 1): [("cpu.cfs_period_us", str(CPU_PERIOD_MICROSECONDS)), ("cpu.cfs_quota_us", str(quota))],
        ("cpu", 2): [("cpu.max", f"{quota} {CPU_PERIOD_MICROSECONDS}")],
        ("blkio", 1): [
            (f"blkio.throttle.{way}_{kind}_device", f"{disk} {rate}")
            for kind, rate in rates.items()
            for way in ways
        ],
        ("io", 2): [("io.max", f"{disk} " + " ".join(f"r{k}={n} w{k}={n}" for k, n in rates.items()))]
        * bool(rates),
        ("pids", version): [("pids.max", str(limits.pids))],
        ("cpuset", version): [("cpuset.cpus", ",".join(map(str, limits.cpuset)))] * bool(limits.cpuset),
    }
    return files.get((controller, version), [])


def _limit(
    folder: Path, version: int, controllers: Iterable[str], limits: Limits, disk: str
) -> dict[str, Any]:
    """Limit; returns what was achieved, in the words of :attr:`Cgroup.achieved`."""
    meanings: dict[str, tuple[str, Any]] = {
        "memory": ("memory_bytes", limits.memory_bytes),
        "pids": ("pids", limits.pids),
        "cpu": ("cpus", limits.cpus),
        "cpuset": ("cpuset", list(limits.cpuset)),
    }
    io = ("io", {"disk": disk, **io_rates(limits), "of": V1_IO if version == 1 else V2_IO})
    achieved = {}
    for controller in sorted(controllers):
        files = limit_files(controller, version, limits, disk)
        for name, text in files:
            if name not in SWAP_FILES or (folder / name).exists():
                _write(folder / name, text)
        if files:
            name, value = meanings.get(controller, io)
            achieved[name] = value
    return achieved


def io_rates(limits: Limits) -> dict[str, int]:
    """``bps`` and ``iops``, those that are limited."""
    rates = {"bps": limits.io_bytes_per_second, "iops": limits.io_operations_per_second}
    return {kind: rate for kind, rate in rates.items() if rate}


def _inherit_cpuset(folder: Path, parent: Path) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        inherited = (parent / name).read_text("ascii").strip()
        if inherited and not _read(folder / name).strip():
            _write(folder / name, inherited)


def _unescape(text: str) -> str:
    """Octal escapes of mountinfo, proc_pid_mountinfo(5)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _words(file: Path) -> set[str]:
    return set(_read(file).split())


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except OSError:
        return ""


def _write(file: Path, text: str) -> None:
    file.write_text(text, "ascii")


def _number_after(file: Path, key: str, name: str) -> Mapping[str, int]:
    for line in _read(file).splitlines():
        match line.split():
            case [word, number] if word == key:
                return {name: int(number)}
    return {}
