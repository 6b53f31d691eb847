"""Push runs to a store, list them, fetch them and remove old ones. What a store is made of, :class:`Files` hides."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.results.storage.load import TRIALS, load_run
from tare.results.stores.folder import FolderFiles
from tare.results.stores.git import GitFiles
from tare.results.stores.model import COLUMNS, MARKER, RUNS, StoreError, column_name, read_marker
from tare.results.stores.objects import ObjectFiles
from tare.results.stores.packing import pack, unpack, unwritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tare.results.stores.model import Files, KeptRun
    from tare.results.stores.packing import Packed

TABLES = ("trials", "metrics")
"""Tables that have columns in a store."""

_MARKER_NAME = re.compile(rf"{RUNS}/[A-Za-z0-9][\w.-]*/[\w-]+/{re.escape(MARKER)}", re.ASCII)
_BATCH_BYTES = 256 << 20
"""Bytes of runs that are made ready before they are stored: a git branch gets a commit for so many."""
_ATTEMPTS = 3


def open_store(address: str) -> Store:
    """Open the store at an address: a folder, ``git:BRANCH``, ``git:BRANCH@REMOTE`` or a URL such as ``s3://bucket/tare``.

    Raises:
        StoreError: it is no address, or what the store needs is not installed.
    """
    if not address:
        raise StoreError(say(
            "store.none", "no store is named: give --store FOLDER, git:BRANCH, git:BRANCH@REMOTE or s3://BUCKET/FOLDER, or set TARE_STORE.",
        ))  # fmt: skip
    if address.startswith("git:"):
        branch, _, remote = address.removeprefix("git:").partition("@")
        return Store(GitFiles(branch, remote))
    if address.startswith("file://"):
        return Store(FolderFiles(Path(address.removeprefix("file://"))))
    if "://" in address:
        return Store(ObjectFiles(address))
    return Store(FolderFiles(Path(address).expanduser().absolute()))


@dataclass(frozen=True, slots=True)
class Pushed:
    """Result of pushing one run to a store."""

    kept: KeptRun
    was_there: bool
    """The store had this very version already."""


Pulled = Literal["pulled", "here"]


class Store:
    """Runs in a store, whatever the store is made of."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def versions(self) -> list[KeptRun]:
        """List every visible version of every run, those of a run by their size, oldest run first."""
        names = [name for name in self.files.names(RUNS) if _MARKER_NAME.fullmatch(name)]
        markers = self.files.read_all(names)
        found = (read_marker(data, name) for name, data in markers.items())
        return sorted((kept for kept in found if kept), key=lambda kept: (kept.run, kept.version))

    def runs(self) -> list[KeptRun]:
        """List the runs, oldest first: of each the version with the most trials, and of equal ones the newest."""
        return list({kept.run: kept for kept in self.versions()}.values())

    def push(self, runs: Iterable[tuple[Path, str]]) -> Iterator[Pushed]:
        """Store runs, each given by its folder and the class of its host.

        A version whose trials are the beginning of what is pushed is removed afterwards.

        Raises:
            ResultError: a run cannot be read or is being written, or the store cannot be written to. Runs that were
                yielded are stored.
        """
        known: dict[str, list[KeptRun]] = {}
        for kept in self.versions():
            known.setdefault(kept.run, []).append(kept)
        waiting = iter(runs)
        while True:
            with scratch_folder("push") as scratch, ExitStack() as locks:
                batch = list(self._batch(waiting, known, scratch, locks))
                if not batch:
                    return
                self._store(batch, known)
            for packed in batch:
                yield Pushed(packed.kept, was_there=_same(packed, known) is not None)

    def _batch(
        self,
        runs: Iterator[tuple[Path, str]],
        known: dict[str, list[KeptRun]],
        scratch: Path,
        locks: ExitStack,
    ) -> Iterator[Packed]:
        """Make the next runs ready, and keep writers away from them until they are stored."""
        total = 0
        for run_dir, host_class in runs:
            locks.enter_context(unwritten(run_dir))
            before = known.get(load_run(run_dir).manifest.run, [])
            sizes = {file.bytes for kept in before if (file := kept.file(TRIALS))}
            packed = pack(run_dir, host_class, scratch, compress=not self.files.compresses, sizes=sizes)
            yield packed
            total += packed.stored_bytes
            if total >= _BATCH_BYTES:
                return

    def _store(self, batch: Sequence[Packed], known: dict[str, list[KeptRun]]) -> None:
        import msgspec  # noqa: PLC0415

        add: list[tuple[str, Path | bytes]] = []
        remove: list[str] = []
        new = [packed for packed in batch if not _same(packed, known)]
        for packed in new:
            marker, *names = packed.kept.names
            add += zip(names, packed.sources, strict=True)
            add.append((marker, msgspec.json.format(msgspec.json.encode(packed.kept), indent=1)))
            for kept in known.get(packed.kept.run, ()):
                remove += self._all_names(kept) if _is_contained(kept, packed) else ()
        if new:
            runs = ", ".join(packed.kept.run for packed in new[:3])
            more = f" and {len(new) - 3} more" if len(new) > 3 else ""
            self.files.change(add, remove, why=f"Keep {runs}{more}")

    def _all_names(self, kept: KeptRun) -> list[str]:
        columns = (
            [column_name(kept, kept.version, table) for table in TABLES] if self.files.keeps_columns else []
        )
        return [*kept.names, *columns]

    def pull(self, kept: KeptRun, results_dir: Path) -> Pulled:
        """Fetch a run into a folder of runs; a run that is there already is left as it is.

        Raises:
            StoreError: the store's files are damaged, or the folder cannot be written.
        """
        for _ in range(_ATTEMPTS):
            try:
                unpack(self.files, kept, results_dir / kept.run)
            except FileExistsError:
                return "here"
            except FileNotFoundError:
                # A longer version may have taken its place.
                kept = next((one for one in self.runs() if one.run == kept.run), kept)
            else:
                return "pulled"
        raise StoreError(say(
            "store.removed", "{run} has been removed from {address}, or files of it are lost.",
            run=kept.run, address=self.files.address,
        ))  # fmt: skip

    def doomed(self, keep: int) -> list[KeptRun]:
        """List the runs that are not among the ``keep`` newest of their host class, oldest first."""
        by_class: dict[str, list[KeptRun]] = {}
        for kept in self.runs():
            by_class.setdefault(kept.host_class, []).append(kept)
        return sorted(
            (kept for own in by_class.values() for kept in own[: max(0, len(own) - keep)]),
            key=lambda kept: kept.run,
        )

    def prune(self, keep: int) -> list[KeptRun]:
        """Remove runs but for the ``keep`` newest of each host class, and what interrupted pushes left a day ago.

        Returns:
            The runs that were removed.
        """
        doomed = self.doomed(keep)
        runs = {kept.run for kept in doomed}
        versions = self.versions()
        gone = [kept for kept in versions if kept.run in runs]
        markers = [kept.names[0] for kept in gone]
        rest = [name for kept in gone for name in self._all_names(kept)[1:]]
        self.files.change(
            (), [*markers, *rest, *self._left_behind(versions)], why=f"Keep {keep} runs of a host class"
        )
        return doomed

    def _left_behind(self, versions: Sequence[KeptRun]) -> list[str]:
        """List files of no visible version that are older than a day: a push that is under way is younger."""
        wanted = {name for kept in versions for name in self._all_names(kept)}
        there = [*self.files.names(RUNS), *self.files.names(COLUMNS)]
        return self.files.older_than_a_day(name for name in there if name not in wanted)


def _same(packed: Packed, known: dict[str, list[KeptRun]]) -> KeptRun | None:
    """Find a version that has the same content."""
    own = known.get(packed.kept.run, ())
    return next((kept for kept in own if kept.digest == packed.kept.digest), None)


def _is_contained(kept: KeptRun, packed: Packed) -> bool:
    """Tell whether an older version has nothing that the new one lacks: its trials are the beginning of the new ones.

    Only versions that sort before the new one are taken for older: of two pushes at the same time, one never removes what
    the other one has made.
    """
    trials = kept.file(TRIALS)
    return (
        kept.version < packed.kept.version
        and trials is not None
        and packed.trials_prefixes.get(trials.bytes) == trials.sha256
    )
