"""Find the control groups this user may divide, and make those of places in them.

Every place gets ``tare-<run>/<name>``. On v1 that is made below our own cgroup of each controller. On v2 only leaves
may have processes, so a cgroup with processes in it (ours, mostly) cannot pass controllers on. There the nearest
ancestor is taken that is writable and has them enabled already: the unit that systemd delegated to the user, or for
root the top. Nothing above ``tare-<run>`` is ever configured.

See the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.cgroups.files import read, words, write
from tare.runners.host.cgroups.group import UNIFIED, Cgroup, known, limiting
from tare.runners.host.cgroups.limits import CONTROLLERS, limit_writes, write_limits
from tare.runners.host.files import ROOT, mount_points

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from tare.runners.model import Limits

CGROUP_REMEDY = say(
    "remedy.delegate",
    "run as root, or let systemd delegate a cgroup to you: `systemd-run --user --scope -p Delegate=yes -- tare run …` (needs cgroup v2)",
)


class CgroupError(TareError):
    """A cgroup could be made, but not set up."""


class Hierarchy(msgspec.Struct, frozen=True):
    """One mounted cgroup file system, and our place in it."""

    version: int
    controllers: frozenset[str]
    top: Path
    """Mount point of the hierarchy."""
    own: Path
    """Folder of this process' cgroup."""
    root: str = "/"
    """Part of the hierarchy that is mounted: not all of it inside a container."""

    def writable(self) -> bool:
        """Tell whether we may make cgroups below our own (v1)."""
        return os.access(self.own, os.W_OK)


class _Part(msgspec.Struct, frozen=True):
    """A place's cgroup in one hierarchy, but for its name."""

    version: int
    above: Path
    """Cgroup that the run's is in."""
    parent: Path
    """The run's cgroup."""
    keys: tuple[str, ...]
    """Keys of :attr:`Cgroup.folders`."""
    writes: tuple[tuple[str, str], ...]
    achieved: Mapping[str, Any]
    """See :func:`~tare.runners.host.cgroups.limits.limit_writes` for these two."""
    home: Path | None = None
    """v1: file that takes a thread back to our own cgroup."""
    enabled: frozenset[str] = frozenset()
    """v2: controllers to hand on to places."""

    def add_to(self, made: Cgroup) -> None:
        """Make the cgroup of a place, and the run's if it is missing, and set its limits."""
        folder = _within(self.parent, made.name)
        made.parents.append(self.parent)
        try:
            os.mkdir(folder)  # noqa: PTH102 - every place makes several
        except FileNotFoundError:
            self._make_parent()
            folder.mkdir()
        made.folders.update(dict.fromkeys(self.keys, folder))
        if self.enabled:
            self._hand_on()
        if "cpuset" in self.keys:  # it is empty at birth, and nobody can join an empty one
            _inherit_cpuset(folder, self.parent)
        write_limits(folder, self.writes)
        made.achieved.update(self.achieved)
        if self.home:
            made.tasks.append((_within(folder, "tasks"), self.home))

    def _make_parent(self) -> None:
        self.parent.mkdir(exist_ok=True)
        if "cpuset" in self.keys:
            _inherit_cpuset(self.parent, self.above)

    def _hand_on(self) -> None:
        """Hand the controllers on to the run's places."""
        # Written once in a run: the kernel first waits for the end of groups that were removed below, even if it then
        # has nothing to change, and the place before this one has just been removed.
        if missing := self.enabled - words(f"{self.parent}/cgroup.subtree_control"):
            write(self.parent / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(missing)))


class _Recipe(msgspec.Struct):
    """The cgroups of places that are asked for in the same way."""

    parts: list[_Part] = msgspec.field(default_factory=list)
    controllers: set[str] = msgspec.field(default_factory=set)
    reasons: list[str] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The hierarchies that this host offers to this user."""

    hierarchies: tuple[Hierarchy, ...]
    host_cpus: int = field(default_factory=lambda: os.cpu_count() or 1)
    _recipes: dict[tuple[object, ...], _Recipe] = field(default_factory=dict, repr=False, compare=False)
    """What places' cgroups are made of, by what they are asked for; it is asked again for each place."""

    @classmethod
    def detect(cls, root: Path = ROOT) -> Cgroups:
        """Read ``/proc/self/mountinfo`` and ``/proc/self/cgroup``; ``root`` is put before all paths, for tests."""
        try:
            groups = (root / "proc/self/cgroup").read_text("utf-8", "surrogateescape")
        except OSError:
            return cls(())
        return cls(tuple(_hierarchies(root, groups)))

    @property
    def version(self) -> str:
        """Layout of the mounted controllers: ``v1``, ``v2``, ``hybrid`` or ``none``."""
        versions = {one.version for one in self.hierarchies if one.controllers or one.version == 2}
        return {frozenset(): "none", frozenset({1}): "v1", frozenset({2}): "v2"}.get(
            frozenset(versions), "hybrid"
        )

    @property
    def unified(self) -> Hierarchy | None:
        """The v2 hierarchy, if it is mounted."""
        return next((one for one in self.hierarchies if one.version == 2), None)

    def create(
        self, run: str, name: str, limits: Limits, *, disk: str = "", only: Collection[str] = CONTROLLERS
    ) -> Cgroup:
        """Make a place's cgroups and set their limits as far as permitted; the result has reasons for the rest.

        Nothing is left behind if it raises.

        Args:
            run: the run's id.
            name: the place's name.
            limits: the limits to set.
            disk: ``major:minor`` of the disk that I/O limits are for, see :func:`tare.runners.host.disks.disk_of`.
            only: the controllers to use, of :data:`CONTROLLERS`. A single one is used even if it has nothing to limit.

        Raises:
            CgroupError: a limit was refused although its cgroup could be made.
        """
        key = run, limits, disk, tuple(only)
        recipe = self._recipes.get(key)
        if recipe is None:
            recipe = self._recipes[key] = self._recipe(run, limits, disk, only)
        made = Cgroup(
            run,
            name,
            version=self.version,
            controllers=set(recipe.controllers),
            reasons=list(recipe.reasons),
        )
        try:
            for part in recipe.parts:
                part.add_to(made)
        except OSError as error:
            made.remove()
            del self._recipes[key]  # the host may have changed since it was written down
            raise CgroupError(
                say(
                    "cgroup.not_set_up",
                    "cannot set up cgroup tare-{run}/{name}: {error}; {cgroup_remedy}",
                    run=run,
                    name=name,
                    error=error,
                    cgroup_remedy=CGROUP_REMEDY,
                )
            ) from error
        return made

    def offers(self, controller: str) -> bool:
        """Tell whether this user may limit with a controller, one of :data:`CONTROLLERS`."""
        names = {controller, *({"blkio"} if controller == "io" else ())}
        if any(one.version == 1 and one.controllers & names and one.writable() for one in self.hierarchies):
            return True
        place = _best_v2_parent(self.unified, names) if self.unified else None
        return place is not None and bool(words(place / "cgroup.subtree_control") & names)

    def remove_run(self, run: str) -> None:
        """Remove the run's parent cgroups; those still in use by another runner stay."""
        for parent in self.run_folders(run):
            with suppress(OSError):
                parent.rmdir()

    def run_folders(self, run: str) -> list[Path]:
        """List the run's cgroups that exist where this class makes them."""
        return [path for path in self.possible_folders(run) if path.is_dir()]

    def possible_folders(self, run: str) -> list[Path]:
        """List the folders where :meth:`create`, or a runtime at a hierarchy's top, may make the run's cgroups."""
        places = {place for one in self.hierarchies for place in (one.own, one.top)}
        if self.unified:
            places.update(_ancestors(self.unified))
        return sorted(place / f"tare-{run}" for place in places)

    def _recipe(self, run: str, limits: Limits, disk: str, only: Collection[str]) -> _Recipe:
        """Work out once what the cgroups of all places with the same limits are made of."""
        wanted = {"memory", "pids", "io"} & set(only)
        if "cpu" in only and (limits.cpus < self.host_cpus or len(only) == 1):
            wanted.add("cpu")
        if "cpuset" in only and (limits.cpuset or len(only) == 1):
            wanted.add("cpuset")
        wanted |= {"blkio"} if "io" in wanted else set()
        made = _Recipe()
        limited_io = limits.io_bytes_per_second or limits.io_operations_per_second
        if limited_io and not disk and "io" in wanted:
            made.reasons.append(
                say("cgroup.no_disk", "the scratch folder is on no single disk, so its I/O cannot be limited")
            )
        counters = len(only) > 1
        self._add_v2(made, run, wanted, limits, disk, counters=counters)
        self._add_v1(made, run, wanted, limits, disk, counters=counters)
        essential = limiting(wanted) | ({"io"} if limited_io and "io" in wanted else set())
        if missing := sorted(essential - known(made.controllers)):
            made.reasons.append(
                say(
                    "cgroup.no_controller",
                    "no {names} controller that this user may use; {remedy}",
                    names=", ".join(missing),
                    remedy=CGROUP_REMEDY,
                )
            )
        return made

    def _add_v1(
        self, made: _Recipe, run: str, wanted: set[str], limits: Limits, disk: str, *, counters: bool
    ) -> None:
        for one in self.hierarchies:
            useful = one.controllers & wanted - known(made.controllers)
            # A v2 cgroup's cpu.stat has what cpuacct would tell.
            if (
                counters
                and not any(part.version == 2 for part in made.parts)
                and "cpuacct" in one.controllers
            ):
                useful |= {"cpuacct"}
            if one.version != 1 or not useful or not one.writable():
                continue
            made.controllers |= one.controllers
            made.parts.append(
                _Part(
                    1,
                    one.own,
                    one.own / f"tare-{run}",
                    tuple(sorted(one.controllers)),
                    *limit_writes(1, useful, limits, disk),
                    home=one.own / "tasks",
                )
            )

    def _add_v2(
        self, made: _Recipe, run: str, wanted: set[str], limits: Limits, disk: str, *, counters: bool
    ) -> None:
        one = self.unified
        if one is None or (place := _best_v2_parent(one, wanted)) is None:
            return
        enabled = words(f"{place}/cgroup.subtree_control") & wanted
        if not enabled and not counters:
            return
        made.controllers |= enabled
        made.parts.append(
            _Part(
                2,
                place,
                place / f"tare-{run}",
                (UNIFIED,),
                *limit_writes(2, enabled, limits, disk),
                enabled=frozenset(enabled),
            )
        )


def _hierarchies(root: Path, groups: str) -> Iterator[Hierarchy]:
    paths: dict[str, str] = {}
    for line in groups.splitlines():
        number, names, path = line.split(":", 2)
        for name in names.split(",") if number != "0" else [""]:
            paths[name] = path
    seen = set()
    for mount in mount_points(root):
        if mount.kind not in {"cgroup", "cgroup2"}:
            continue
        top = root / mount.point.lstrip("/")
        if mount.kind == "cgroup2":
            controllers, own = words(top / "cgroup.controllers"), paths.get("")
        else:
            controllers = {name for name in mount.options.split(",") if name in paths}
            own = next((paths[name] for name in sorted(controllers)), None)
        key = (mount.kind, frozenset(controllers))
        if own is None or key in seen:
            continue
        seen.add(key)
        # Inside a container, only a part of the hierarchy may be mounted, and paths do not begin at the mount point.
        inside = os.path.relpath(own, mount.root) if own.startswith(mount.root) else "."
        folder = top if inside == "." else top / inside
        if folder.is_dir() and (controllers or mount.kind == "cgroup2"):
            version = 2 if mount.kind == "cgroup2" else 1
            yield Hierarchy(version, frozenset(controllers), top, folder, mount.root)


@lru_cache(maxsize=256)
def _within(folder: Path, name: str) -> Path:
    """Join paths that are the same for many places: names of places are used again."""
    return folder / name


@lru_cache(maxsize=16)
def _ancestors(one: Hierarchy) -> tuple[Path, ...]:
    """List the cgroups from our own's parent up to the mount point; asked by every place, and always the same."""
    return tuple(path for path in one.own.parents if path == one.top or one.top in path.parents)


def _best_v2_parent(one: Hierarchy, wanted: set[str]) -> Path | None:
    """Choose the run's parent: writable, with most of the wanted controllers enabled, and the nearest of equals."""
    best, most = None, -1
    for place in (one.own, *_ancestors(one)):
        # Moving a process takes write access to cgroup.procs of the common ancestor.
        if not (os.access(place, os.W_OK) and os.access(f"{place}/cgroup.procs", os.W_OK)):
            break
        count = len(words(f"{place}/cgroup.subtree_control") & wanted)
        if count > most:
            best, most = place, count
    return best


def _inherit_cpuset(folder: Path, parent: Path) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        inherited = (parent / name).read_text("ascii").strip()
        if inherited and not read(folder / name):
            write(folder / name, inherited)
