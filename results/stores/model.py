"""Define what a store keeps: versions of runs, each with a marker that is written last and makes it visible.

``runs/<run>/<version>/`` holds the files of one version, and ``kept.json``, a :class:`KeptRun`, which is written after
them. A version never changes, and its name is used by one push only, so pushes at the same time cannot spoil each other,
and one that is interrupted leaves nothing that a reader sees. A run that was extended is a further version; the one with
the most trials counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import msgspec

from tare.results.errors import NotWritten, ResultError

# msgspec reads annotations at run time.
from tare.results.record import Provenance
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tare.results.record import Manifest

MARKER = "kept.json"
"""Name of the file that makes a version visible."""

RUNS = "runs"
COLUMNS = "columns"

COMMIT_CHARACTERS = 10
"""Characters of a commit's hash that lists and pages show."""

FORMAT = 1
"""Version of the marker; a store with later ones is refused."""

_RUN = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9_][^/\0\\]{0,199}")


class StoreError(ResultError):
    """A store cannot be reached, read or written; the text says what was tried and what to do."""


class StoreNotWritten(StoreError, NotWritten):
    """A store, or a folder that is filled from it, cannot be written: the disk is full, or it is not writable."""


class KeptFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a version of a run."""

    name: str
    """Path in the run's folder."""
    stored: str
    """Path in the version's folder; it ends with ``.gz`` if the file is compressed there."""
    bytes: int
    """Size of the file as it is in the run's folder."""
    sha256: str
    """SHA-256 of that, in hexadecimal."""


class RunHead(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a run that are known without its trials."""

    run: str
    name: str
    created: str
    """ISO 8601 UTC."""
    mode: str
    status: str
    host_class: str
    provenance: Provenance

    @property
    def date(self) -> str:
        """Return the start to the minute, ``2026-11-26 20:00``, in UTC; empty if it is not known."""
        return self.created[:16].replace("T", " ")

    @property
    def shown_commit(self) -> str:
        """Return the beginning of the commit's hash, with ``+`` if files were changed; empty if it is not known."""
        return self.provenance.commit[:COMMIT_CHARACTERS] + ("+" if self.provenance.dirty else "")

    @property
    def shown_labels(self) -> str:
        """Return the user's labels as ``key=value``, separated by blanks."""
        return " ".join(f"{key}={value}" for key, value in self.provenance.labels.items())


def head_of(about: Manifest, host_class: str) -> RunHead:
    """Make the head of a run from its manifest and the class of its host."""
    return RunHead(
        run=about.run,
        name=about.name,
        created=about.created,
        mode=about.mode,
        status=about.status,
        host_class=host_class,
        provenance=about.provenance or Provenance(),
    )


class KeptRun(RunHead, frozen=True, kw_only=True):
    """One version of a run in a store, and its files."""

    format: int
    version: str
    trials: int
    """Number of lines of ``trials.jsonl``."""
    files: tuple[KeptFile, ...]

    @property
    def folder(self) -> str:
        """Name the version's folder in the store."""
        return f"{RUNS}/{self.run}/{self.version}"

    @property
    def bytes(self) -> int:
        """Add up the sizes of the files in bytes."""
        return sum(file.bytes for file in self.files)

    @property
    def digest(self) -> str:
        """Return the part of the version's name that stands for the content."""
        return self.version.split("-")[2]

    @property
    def names(self) -> list[str]:
        """List the names in the store, the marker first: whoever removes them begins with it."""
        return [f"{self.folder}/{MARKER}", *(f"{self.folder}/{file.stored}" for file in self.files)]

    def file(self, name: str) -> KeptFile | None:
        """Find a file by its path in the run's folder."""
        return next((file for file in self.files if file.name == name), None)


def column_name(head: RunHead, version: str, table: str) -> str:
    """Name the Parquet file of a table of a version, partitioned by host class and month."""
    month = head.created[:7] if re.fullmatch(r"\d{4}-\d\d", head.created[:7]) else "unknown"
    host = re.sub(r"[^\w.-]+", "_", head.host_class) or "unknown"
    return f"{COLUMNS}/{table}/host_class={host}/month={month}/{head.run}.{version}.parquet"


def read_marker(data: bytes, where: str) -> KeptRun | None:
    """Decode a marker; ``None`` if it is damaged, as a marker is whose writing was interrupted.

    Raises:
        StoreError: a newer tare wrote it.
    """
    try:
        if msgspec.json.decode(data, type=_Format).format > FORMAT:
            raise StoreError(say(
                "store.newer", "{where} was written by a newer tare: upgrade to use this store.",
                where=where,
            ))  # fmt: skip
        kept = msgspec.json.decode(data, type=KeptRun)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return kept if _is_harmless(kept, where) else None


class _Format(msgspec.Struct):
    format: int


def _is_harmless(kept: KeptRun, where: str) -> bool:
    """Tell whether a marker is where it says, and names no file outside of its folder: a store may be anybody's."""
    names = [name for file in kept.files for name in (file.name, file.stored)]
    return (
        bool(_RUN.fullmatch(kept.run))
        and where == f"{kept.folder}/{MARKER}"
        and kept.version.count("-") == 3
        and all(_PART.fullmatch(part) for name in names for part in name.split("/"))
        and all(file.bytes >= 0 and file.stored in {file.name, f"{file.name}.gz"} for file in kept.files)
    )


class Files(Protocol):
    """The files of a store, whatever it is. Names are relative, with slashes."""

    @property
    def address(self) -> str:
        """Return the address as users give it."""

    @property
    def compresses(self) -> bool:
        """Tell whether files are compressed by the store itself, so that nobody else should."""

    @property
    def keeps_columns(self) -> bool:
        """Tell whether Parquet files are kept beside the runs."""

    def location(self, name: str) -> str:
        """Return the path or URL by which DuckDB finds a file."""

    def names(self, under: str) -> list[str]:
        """List the names of all files below a folder."""

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Read small files; those that are not there (any more) are left out."""

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to this host.

        Raises:
            FileNotFoundError: it is not there.
        """

    def change(self, add: Sequence[tuple[str, Path | bytes]], remove: Sequence[str], *, why: str) -> None:
        """Add files in this order, then remove files in this order. A file appears whole or not at all.

        Args:
            add: name and content of each file.
            remove: names; those that are not there are passed over.
            why: a line for whoever reads the store's history, where there is one.

        Raises:
            StoreError: it cannot be done; what was there is there still.
        """

    def older_than_a_day(self, names: Iterable[str]) -> list[str]:
        """Select files that were written more than a day ago; where the store does not tell, none."""
