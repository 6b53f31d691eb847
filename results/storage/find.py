"""Find runs by path, id, name, prefix of an id, or ``latest``."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.errors import ResultError
from tare.results.plain_files import read_plain
from tare.results.said import say, shown
from tare.results.storage.load import MANIFEST, TRIALS, run_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_AHEAD_SECONDS = 120.0
"""Clocks of hosts that share a folder differ by less."""

_STAMP = re.compile(r"\d{8}-\d{6}(?=-)", re.ASCII)
_NAMED_AT_MOST = 8


class RunEntry(msgspec.Struct, frozen=True):
    """Manifest fields that a list of runs shows, and the run's folder."""

    run: str
    name: str
    created: str
    mode: str
    status: str
    path: Path


class _Head(msgspec.Struct):
    run: str
    name: str = ""
    created: str = ""
    mode: str = ""
    status: str = ""


def run_folders(folder: Path | str) -> list[Path]:
    """List the folders of runs in a folder by name: those with a manifest, or with trials that have lost theirs.

    A folder with a dot in front is somebody's draft.

    Raises:
        ResultError: the folder is there, and cannot be read.
    """
    try:
        names = [each.name for each in Path(folder).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ResultError(
            say("file.unreadable", "cannot read {path}: {strerror}.", path=folder, strerror=error.strerror)
        ) from error
    return sorted(
        Path(folder, name)
        for name in names
        if not name.startswith(".")
        and any(os.path.lexists(f"{folder}/{name}/{each}") for each in (MANIFEST, TRIALS))
    )


def list_runs(*folders: Path | str) -> list[RunEntry]:
    """Return the runs in ``folders``, oldest first. One whose manifest is damaged or lost has the status ``damaged``."""
    entries = [entry_of(path) for folder in folders for path in run_folders(folder)]
    # Imported runs may be older than their id says; ids break ties, so the order is total.
    return sorted(entries, key=lambda entry: (entry.run, str(entry.path)))


def entry_of(path: Path) -> RunEntry:
    """Read the few fields of a run's manifest that a list shows, also from one that a newer tare made."""
    try:
        head = msgspec.json.decode(read_plain(path / MANIFEST), type=_Head)
    except (OSError, ResultError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        head = _Head(run=path.name, status="damaged")
    return RunEntry(head.run, head.name, head.created, head.mode, head.status, path)


def is_ahead(run: str) -> bool:
    """Tell whether the moment in a run's id has yet to come: it was made before the clock was set back."""
    stamp = _STAMP.match(run)
    limit = time.gmtime(time.time() + _AHEAD_SECONDS)
    return stamp is not None and stamp[0] > time.strftime("%Y%m%d-%H%M%S", limit)


def latest(runs: Sequence[RunEntry]) -> RunEntry:
    """Choose the run that was made last: the newest whose moment has come, or the newest if none has.

    Runs that were made before the clock was set back would hide all later ones until their moment comes.
    """
    return next((one for one in reversed(runs) if not is_ahead(one.run)), runs[-1])


def find_run(
    ref: str | Path, results_dir: Path | str, *, also: Iterable[Path | str] = (), listed: Sequence[RunEntry] | None = None
) -> Path:  # fmt: skip
    """Resolve a path, an id, a name, a prefix of an id or ``latest`` to the folder of a run.

    Tried in this order: a path, ``latest``, the name of a folder, an id, a name, the beginning of an id.

    Args:
        ref: Text from the user.
        results_dir: Folder of the runs.
        also: Further folders with runs, such as the baselines; ``latest`` never means one of these.
        listed: The runs in ``results_dir``, if they are listed already.

    Raises:
        ResultError: no run matches, or several do; the text names them.
    """
    if not (text := str(ref)):
        raise ResultError(
            say("find.empty", "an empty text names no run. Give an id, a name, a path or `latest`.")
        )
    folder = run_folder(Path(ref))
    try:
        if (folder / MANIFEST).is_file() or (folder / TRIALS).is_file():
            return folder
    except OSError as error:
        raise ResultError(say(
            "find.no_path", "{text!r} is not a path: {strerror}.",
            text=shown(text), strerror=error.strerror,
        )) from error  # fmt: skip
    runs = [*(list_runs(results_dir) if listed is None else listed)]
    if text == "latest":
        if not runs:
            raise ResultError(say(
                "find.none", "there is no run in {results_dir} yet. `tare run` makes one.", results_dir=results_dir,
            ))  # fmt: skip
        return latest(runs).path
    runs += list_runs(*also)
    for found in (
        # The folder first, so that a copy, which has the id of its original, hides nothing.
        [e for e in runs if text == e.path.name],
        [e for e in runs if text == e.run],
        [e for e in runs if text == e.name],
        [e for e in runs if text and e.run.startswith(text)],
    ):
        if len(found) == 1:
            return found[0].path
        if found:
            raise ResultError(say(
                "find.many", "{text!r} matches {found} runs: {found2}. Give a full id or a path.",
                text=shown(text), found=len(found), found2=_named(found),
            ))  # fmt: skip
    known = say("find.none_yet", "There is no run in {results_dir} yet.", results_dir=results_dir)
    if runs:
        known = say("find.known", "Known runs: {names}.", names=_named(runs[::-1]))
    raise ResultError(say(
        "find.unknown", "no run is called {text!r}, and there is none at that path. {known}",
        text=shown(text), known=known,
    ))  # fmt: skip


def _named(entries: list[RunEntry]) -> str:
    times = Counter(e.run for e in entries)
    names = [
        str(e.path) if times[e.run] > 1 else f"{e.run} ({e.name})" if e.name else e.run
        for e in entries[:_NAMED_AT_MOST]
    ]
    more = len(entries) - len(names)
    listing = ", ".join(names)
    return say("find.more", "{names} and {n} more", names=listing, n=more) if more > 0 else listing
