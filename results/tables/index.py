"""A derived index of a large run's tables, so that reading it a second time takes a second.

``trials.jsonl`` is the truth. The index holds the same columns as arrays, and which file they are of (size, time of
the last change, format): if any of that is another, it is not used. It may be deleted at any time. It holds numbers and
text only, never code; small runs, damaged ones and running ones have none.
"""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tare.results.storage.load import Run

NAME = "trials.index.npz"
VERSION = 1
LEAST_TRIALS = 50_000
_ABOUT = "about"


class Index(NamedTuple):
    """What the tables are made from: columns of numbers, and what their codes mean."""

    columns: Mapping[str, NDArray[Any]]
    kinds: list[tuple[Any, ...]]
    descriptors: list[tuple[Any, ...]]


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
    """The index, if there is one and it is of this very file."""
    path = run.path / NAME
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = msgspec.json.decode(stored[_ABOUT].tobytes(), type=_About)
            if (about.version, about.stored_format, about.size, about.changed_ns) != _facts(run):
                return None
            columns = {name: stored[name] for name in stored.files if name != _ABOUT}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError):
        return None  # absent or damaged: the truth is read instead
    return Index(columns, [tuple(kind) for kind in about.kinds], [tuple(one) for one in about.descriptors])


def write_index(run: Run, index: Index, facts: tuple[int, int, int, int]) -> None:
    """Store it, whole or not at all; a folder that cannot be written to goes without.

    Args:
        run: whose.
        index: of what was read.
        facts: :func:`facts_of` from before the reading: a file that has changed since gets no index.
    """
    path = run.path / NAME
    draft = path.with_name(f".{NAME}.{os.getpid()}")
    about = _About(*facts, [list(kind) for kind in index.kinds], [list(one) for one in index.descriptors])
    encoded = np.frombuffer(msgspec.json.encode(about), dtype=np.uint8)
    with suppress(OSError):
        try:
            if facts == _facts(run):
                with draft.open("wb") as file:
                    np.savez(file, **{**index.columns, _ABOUT: encoded})  # type: ignore[arg-type]
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def facts_of(run: Run) -> tuple[int, int, int, int] | None:
    """What tells whether the file has changed; nothing where there is none."""
    try:
        return _facts(run)
    except OSError:
        return None
