"""Find the control groups of a process whose place somebody else made, and their limits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.host.cgroups.files import read, words
from tare.runners.host.cgroups.group import UNIFIED, Cgroup
from tare.runners.host.cgroups.limits import limits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.runners.host.cgroups.layout import Cgroups, Hierarchy


def cgroups_of(pid: int, cgroups: Cgroups, run: str, name: str, *, proc: Path = Path("/proc")) -> Cgroup:
    """Find the cgroups of a place, with the limits in force in them.

    A cgroup that the place shares with other processes is left out, because everything in the result may be killed and
    is counted: it may hold an engine's daemon, or the suite itself. Cgroups with the run's name are always the place's.

    Args:
        pid: the place's agent, which has no job now.
        cgroups: this host's cgroups.
        run: the run's id.
        name: the place's name.
        proc: where /proc is.
    """
    made = Cgroup(run, name, version=cgroups.version)
    for one, folder in where(pid, cgroups, proc=proc):
        if not (f"tare-{run}" in folder.parts or _alone(folder, pid)):
            continue
        if one.version == 2:
            made.folders[UNIFIED] = folder
            made.controllers |= words(folder / "cgroup.controllers")
        else:
            made.folders |= dict.fromkeys(sorted(one.controllers), folder)
            made.controllers |= one.controllers
        made.achieved |= limits_of(folder)
    return made


def where(pid: int, cgroups: Cgroups, *, proc: Path = Path("/proc")) -> Iterator[tuple[Hierarchy, Path]]:
    """Yield the cgroups of a process that are mounted here, shared ones included."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    paths = {}
    for line in lines:
        number, names, path = line.split(":", 2)
        for controller in names.split(",") if number != "0" else [""]:
            paths[controller] = path
    for one in cgroups.hierarchies:
        folder = _folder(one, paths.get("" if one.version == 2 else min(one.controllers)))
        if folder is not None:
            yield one, folder


def expected_cgroup(cgroups: Cgroups, run: str, name: str) -> Cgroup:
    """Predict the cgroups of a runtime that makes ``/tare-<run>/<name>`` in every hierarchy it may use."""
    made = Cgroup(run, name, version=cgroups.version)
    for one in cgroups.hierarchies:
        folder = one.top / f"tare-{run}" / name
        made.folders |= dict.fromkeys([UNIFIED] if one.version == 2 else sorted(one.controllers), folder)
        made.controllers |= one.controllers
    return made


def _folder(one: Hierarchy, path: str | None) -> Path | None:
    """Find the folder of a cgroup's path; ``None`` if it is not in the part that is mounted here."""
    if path is None or path.startswith("/.."):  # above the root of our cgroup namespace
        return None
    inside = os.path.relpath(path, one.root) if path.startswith(one.root) else "."
    folder = one.top / inside
    return folder if folder.is_dir() else None


def _alone(folder: Path, pid: int) -> bool:
    return read(folder / "cgroup.procs").split() == [str(pid)]
