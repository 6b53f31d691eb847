"""Find and remove what killed runs of this user left on the host.

A name alone makes nothing a leftover: the owner files of a run say whose it is, and the file system says whether they
may be believed (:mod:`tare.runners.host.owners`). Folders are opened first and removed by descriptor.
"""

from __future__ import annotations

import errno
import os
import signal
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tare.results.said import listed, say
from tare.results.scratch import dead_folders, taken
from tare.results.statistics.phrases import count
from tare.runners.errors import TareError
from tare.runners.host.cgroups.files import groups_of, remove_group
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import mounts_below, unmount
from tare.runners.host.owners import (
    OWNER_FILE,
    RUN_ID,
    Owner,
    live_folder,
    load_from_workdir,
    load_live,
    store_owner,
)
from tare.runners.host.processes import boot_id, start_ticks
from tare.runners.host.trees import remove_tree
from tare.runners.host.trusted import UntrustedError, trusted_folder
from tare.runners.provision.cache import work_parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_USUAL = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - where they are made if the environment names no other
"""Folders of temporary folders, besides the one that this process uses."""
_PROGRAMS = (b"tare-agent", b"tare-qemu")
"""Starts of the names of Tare's own programs."""
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH})
"""Errors that say that what is to be undone is gone already."""
_KILL_SECONDS = 5.0
"""Time limit for killed processes to end."""


class Leftover(msgspec.Struct, frozen=True):
    """Everything that a dead run left on this host."""

    owner: Owner
    pids: tuple[int, ...] = ()
    mounts: tuple[str, ...] = ()
    """Mount points, deepest first."""
    cgroups: tuple[Path, ...] = ()
    """Cgroup folders, children before parents."""
    namespaces: tuple[Path, ...] = ()
    """Files of named network namespaces."""
    workdir: Path | None = None
    """Work folder; ``None``: it is gone, or not surely the run's."""
    engines: tuple[str, ...] = ()
    """Engines that may have something of the run, as in :attr:`tare.runners.host.owners.Owner.engines`."""

    def describe(self) -> list[str]:
        """Describe each kind of thing in a phrase; the first one names the run."""
        counted = (
            ("process", "processes", self.pids),
            ("mount", "mounts", self.mounts),
            ("cgroup", "cgroups", self.cgroups),
            ("net namespace", "net namespaces", self.namespaces),
        )
        lines = [say("left.run", "run {run}", run=self.owner.run)]
        lines += [count(len(found), name, many) for name, many, found in counted if found]
        if self.workdir:
            lines.append(say("left.folder", "folder {path}", path=self.workdir))
        lines += [
            say("left.engine", "its containers and images in the engine at {socket}", socket=socket)
            for socket in self.engines
        ]
        return lines if len(lines) > 1 else [*lines, say("left.registration", "its registration")]


class CleanupError(TareError):
    """Something that a run left cannot be removed."""


@contextmanager
def register(cache: Path, run: str, workdir: Path) -> Iterator[None]:
    """Register a run, make its work folder, and remove everything that it made in the end.

    Args:
        cache: the suite's cache folder, which has the registrations.
        run: the run id.
        workdir: the work folder to make.

    Raises:
        TareError: the run id is unsafe as a name, the run is at work already, or the folder cannot be made.
        CleanupError: something that the run made cannot be removed.
    """
    if not RUN_ID.fullmatch(run):
        raise TareError(
            say(
                "cleanup.name",
                "{run!r} cannot be a run's name: use letters, digits, dots, dashes and underscores",
                run=run,
            )
        )
    owner = Owner(
        run=run,
        pid=os.getpid(),
        start_ticks=start_ticks(os.getpid()),
        boot=boot_id(),
        workdir=str(workdir),
        cgroups=tuple(str(path) for path in Cgroups.detect().possible_folders(run)),
    )
    live = live_folder(cache) / f"{run}.json"
    # Its registration is left alone: it may name engines, which would be forgotten.
    other = load_live(live) or load_from_workdir(workdir)
    if other is not None and other.alive():
        raise TareError(say(
            "cleanup.at_work", "run {run} is at work in process {pid}: wait for it, or end it", run=run, pid=other.pid
        ))  # fmt: skip
    store_owner(live, owner)
    try:
        workdir.mkdir(mode=0o700, parents=True)
    except OSError as error:
        live.unlink()
        raise TareError(
            say(
                "cleanup.workdir",
                "cannot make the work folder {workdir}: {error}; set TARE_WORKDIR to another",
                workdir=workdir,
                error=error.strerror,
            )
        ) from error
    try:
        store_owner(workdir / OWNER_FILE, owner)
        yield
    finally:
        remove(Leftover(load_live(live) or owner), cache)  # it looks for itself


def find(cache: Path, *, folders: Iterable[Path] = ()) -> list[Leftover]:
    """Find everything that dead runs of this user left.

    Args:
        cache: the suite's cache folder, which has the registrations.
        folders: parents of work folders to search besides the usual ones.
    """
    owners: dict[str, Owner] = {}
    alive: set[str] = set()
    parents = [Path("/var/tmp"), *folders]  # noqa: S108 - where runs keep their work folders
    if "TARE_WORKDIR" in os.environ:
        parents.append(Path(os.environ["TARE_WORKDIR"]))
    found = [load_live(file) for file in (cache / "live").glob("*.json")]
    for parent in parents:
        with suppress(OSError):
            found += [load_from_workdir(folder) for folder in parent.glob("tare-*")]
    for owner in found:
        if owner is not None:
            if owner.alive():
                alive.add(owner.run)
            owners.setdefault(owner.run, owner)
    return [_look(owner) for run, owner in sorted(owners.items()) if run not in alive]


def find_scratch(cache: Path, results: Path, baselines: Path) -> list[Path]:
    """Find the temporary folders that killed commands of this user left beside others', in the cache, and among runs and baselines."""
    beside = (Path(tempfile.gettempdir()), work_parent(), *_USUAL)
    return dead_folders((*beside, cache, *_folders_in(cache), results, *_folders_in(baselines)))


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.is_dir()]
    except OSError:
        return []


def remove_scratch(folder: Path) -> None:
    """Remove a temporary folder, unless somebody uses it meanwhile. Idempotent.

    Raises:
        CleanupError: something in it cannot be removed.
    """
    with taken(folder) as mine:
        if not mine:
            return
        try:
            remove_tree(folder)
        except OSError as error:
            raise CleanupError(say(
                "cleanup.scratch", "not all of the folder {path} can be removed: {error}; try `tare clean` as root",
                path=folder, error=error,
            )) from error  # fmt: skip


def remove(leftover: Leftover, cache: Path) -> list[str]:
    """Remove what a dead run left, in dependency order. Idempotent.

    Args:
        leftover: the dead run.
        cache: the suite's cache folder, which has the registrations.

    Returns:
        One phrase for each thing removed, and for each engine that did not answer and is tried again later.

    Raises:
        CleanupError: something cannot be removed; the message says what and why. The run stays registered.
    """
    removed, failures = [], []
    deadline = time.monotonic() + _KILL_SECONDS
    pids = tuple(_processes(leftover.owner.run))
    while pids:
        for pid in pids:
            _kill(pid, leftover.owner.run)
        killed = [say("removed.process", "process {pid}", pid=pid) for pid in pids]
        removed += [one for one in killed if one not in removed]
        if time.monotonic() > deadline:
            failures.append(
                say("cleanup.processes", "processes {pids} do not end", pids=", ".join(map(str, pids)))
            )
            break
        time.sleep(0.01)
        pids = tuple(_processes(leftover.owner.run))
    leftover = _look(leftover.owner)  # a runtime may have made more before it was killed
    pending = _clear_engines(leftover, removed, failures)
    for mount in leftover.mounts:
        what = say("removed.mount", "mount {path}", path=mount)
        _attempt(what, lambda mount=mount: unmount(mount), removed, failures)
    for folder in leftover.cgroups:
        what = say("removed.cgroup", "cgroup {path}", path=folder)
        _attempt(what, lambda folder=folder: _remove_cgroup(folder), removed, failures)
    for namespace in leftover.namespaces:
        what = say("removed.net_namespace", "net namespace {name}", name=namespace.name)
        _attempt(what, lambda one=namespace: _remove_namespace(one), removed, failures)
    if leftover.workdir and not failures:
        what = say("left.folder", "folder {path}", path=leftover.workdir)
        _attempt(what, lambda: remove_tree(leftover.workdir), removed, failures)
    if failures:
        raise CleanupError(
            say(
                "cleanup.left",
                "not everything of run {run} can be removed: {failures}; try `tare clean` as root",
                run=leftover.owner.run,
                failures=listed(failures),
            )
        )
    live = cache / "live" / f"{leftover.owner.run}.json"
    if pending:
        store_owner(live_folder(cache) / live.name, replace(leftover.owner, engines=tuple(pending)))
        return [*removed, *pending.values()]
    live.unlink(missing_ok=True)
    return removed


def _clear_engines(leftover: Leftover, removed: list[str], failures: list[str]) -> dict[str, str]:
    """Remove what a run has in engines. Return those that did not answer, with a phrase; they are tried again later."""
    if not leftover.engines:
        return {}
    from tare.runners.containers.cri.clearing import clear_cri  # noqa: PLC0415
    from tare.runners.containers.cri.errors import CriError  # noqa: PLC0415
    from tare.runners.containers.engines.api import EngineError  # noqa: PLC0415 - for the few runs that used one
    from tare.runners.containers.engines.clearing import clear_docker  # noqa: PLC0415
    from tare.runners.containers.kubernetes.clearing import clear_kubernetes  # noqa: PLC0415
    from tare.runners.containers.kubernetes.kubectl import ClusterError  # noqa: PLC0415

    kinds = {"cri": ("containerd", clear_cri), "kubernetes": ("Kubernetes", clear_kubernetes)}
    pending = {}
    # Clusters go first, because their pods use the images in the containerd of the node.
    for noted in sorted(leftover.engines, key=lambda each: not each.startswith("kubernetes:")):
        kind, _, where = noted.partition(":")
        engine, clear = kinds.get(kind, ("Docker", clear_docker))
        try:
            removed += clear(where if kind in kinds else noted, leftover.owner.run)
        except (EngineError, CriError, ClusterError) as error:
            if not error.absent:
                failures.append(error.reason)
            pending[noted] = say(
                "cleanup.pending",
                "nothing yet in {engine}, which is tried again at the next start ({reason})",
                engine=engine,
                reason=error.reason,
            )
    return pending


def _look(owner: Owner) -> Leftover:
    workdir = Path(owner.workdir)
    named = Path("/run/netns")
    cgroups = [folder for top in _cgroups_of(owner) for folder in groups_of(top)]
    ours = _is_ours(workdir, owner)
    return Leftover(
        owner,
        pids=tuple(_processes(owner.run)),
        mounts=tuple(mounts_below(workdir)) if ours else (),
        cgroups=tuple(cgroups),
        namespaces=tuple(sorted(named.glob(f"tare-{owner.run}*"))) if named.is_dir() else (),
        workdir=workdir if ours else None,
        engines=owner.engines,
    )


def _cgroups_of(owner: Owner) -> list[Path]:
    """List the run's cgroups: folders that carry its name, below the hierarchies that this host has now."""
    detected = Cgroups.detect()
    tops = [hierarchy.top for hierarchy in detected.hierarchies]
    recorded = {Path(folder) for folder in owner.cgroups if ".." not in Path(folder).parts}
    below = {folder for folder in recorded if any(folder.is_relative_to(top) for top in tops)}
    possible = below.union(detected.possible_folders(owner.run))
    return sorted(
        top for top in possible if top.name == f"tare-{owner.run}" and top.is_dir() and not top.is_symlink()
    )


def _is_ours(workdir: Path, owner: Owner) -> bool:
    """Tell whether this folder is surely the run's: this user's own, and the one that an owner file that may be believed names.

    Its own owner file may be gone: somebody deleted the folder during the run, which then made parts of it anew.
    """
    if workdir.name != f"tare-{owner.run}":
        return False
    try:
        with trusted_folder(workdir):
            return True
    except (OSError, UntrustedError):
        return False


def _processes(run: str, only: int | None = None) -> Iterator[int]:
    """Find processes that carry the run in their environment, or that are Tare's programs with it as an argument."""
    mark = b"TARE_RUN=" + os.fsencode(run)
    for entry in Path("/proc").iterdir() if only is None else (Path(f"/proc/{only}"),):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        # An agent that may not be dumped hides its environment, but not its command line.
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
                continue
        with suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            ours = Path(os.fsdecode(arguments[0])).name.encode().startswith(_PROGRAMS)
            if ours and any(
                os.fsencode(run) == one or b"tare-" + os.fsencode(run) in one for one in arguments[1:]
            ):
                yield int(entry.name)


def _kill(pid: int, run: str) -> None:
    """Kill a process of the run, unless its pid belongs to another one by now."""
    with suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            if pid in _processes(run, pid):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)


def _attempt(what: str, action: Any, removed: list[str], failures: list[str]) -> None:
    try:
        action()
    except OSError as error:
        if error.errno not in _GONE:
            failures.append(
                say("cleanup.failure", "{what}: {error}", what=what, error=error.strerror or error)
            )
    else:
        removed.append(what)


def _remove_cgroup(folder: Path) -> None:
    def kill() -> None:
        """Kill what is in it: also processes that could not be found by environment or command line."""
        with suppress(OSError, ValueError):
            for pid in (folder / "cgroup.procs").read_text("ascii").split():
                if int(pid) not in {0, os.getpid()}:
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)

    remove_group(folder, _KILL_SECONDS, meanwhile=kill)


def _remove_namespace(path: Path) -> None:
    unmount(str(path))
    path.unlink(missing_ok=True)
