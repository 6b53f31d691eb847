"""Store and read the index of a large run: its tables' columns, so that later readings take about a second.

``trials.jsonl`` is the truth. The index holds the same columns as arrays, and size, modification time and format of the
file that they were read from; it is ignored if any of them differs. It may be deleted at any time. It holds numbers and
text only, never code. Small, damaged and running runs have none.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from tare.results.plain_files import open_plain
from tare.results.storage.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tare.results.storage.load import Run

NAME = "trials.index.npz"
"""Name of the file, in the run's folder."""
VERSION = 1
"""Version of the file; others are ignored."""
LEAST_TRIALS = 50_000
"""Fewest trials of a run for which an index is written."""
_ABOUT = "about"


class Index(NamedTuple):
    """Columns of numbers from which tables are made, and the meaning of their codes."""

    columns: Mapping[str, NDArray[Any]]
    """Name → values; one entry for each trial or for each metric of a trial."""
    kinds: list[tuple[Any, ...]]
    """Fields of :class:`tare.results.tables.coding.Kind`, in the order of codes."""
    descriptors: list[tuple[Any, ...]]
    """Fields of :class:`tare.results.tables.coding.Descriptor`, in the order of codes."""


class _About(msgspec.Struct, frozen=True, array_like=True):
    version: int
    stored_format: int
    size: int
    changed_ns: int
    kinds: list[list[Any]]
    descriptors: list[list[Any]]


def _facts(run: Run) -> tuple[int, int, int, int]:
    status = run.trials_path.stat()
    return VERSION, run.stored_format, status.st_size, status.st_mtime_ns


def read_index(run: Run) -> Index | None:
    """Read the index of a run; ``None`` if there is none, or if the run's file has changed since."""
    path = run.path / NAME
    try:
        with open_plain(path) as file, np.load(file, allow_pickle=False) as stored:
            about = msgspec.json.decode(stored[_ABOUT].tobytes(), type=_About)
            if (about.version, about.stored_format, about.size, about.changed_ns) != _facts(run):
                return None
            columns = {name: stored[name] for name in stored.files if name != _ABOUT}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError):
        return None  # absent or damaged: trials.jsonl is read instead
    return Index(columns, [tuple(kind) for kind in about.kinds], [tuple(one) for one in about.descriptors])


def write_index(run: Run, index: Index, facts: tuple[int, int, int, int]) -> None:
    """Store an index atomically. If the folder cannot be written to, there is none, and no error.

    Args:
        run: The run.
        index: Its columns.
        facts: Result of :func:`facts_of` from before the run was read: if the file has changed since, no index is
            stored.
    """
    path = run.path / NAME
    about = _About(*facts, [list(kind) for kind in index.kinds], [list(one) for one in index.descriptors])
    encoded = np.frombuffer(msgspec.json.encode(about), dtype=np.uint8)
    with suppress(OSError):
        if facts == _facts(run):
            with replacing(path) as draft, draft.open("wb") as file:
                np.savez(file, **{**index.columns, _ABOUT: encoded})  # type: ignore[arg-type]


def facts_of(run: Run) -> tuple[int, int, int, int] | None:
    """Return index version, format, size in bytes and modification time in ns of a run's file; ``None`` without one."""
    try:
        return _facts(run)
    except OSError:
        return None
