"""Store what comes in from the hosts of a campaign as ordinary runs."""

from __future__ import annotations

import fcntl
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from tare.results.errors import NotWritten, ResultError
from tare.results.said import say
from tare.results.storage.atomic import write_whole
from tare.results.storage.load import MANIFEST, TRIALS, load_run
from tare.results.storage.store import amend

if TYPE_CHECKING:
    from pathlib import Path

    from tare.bench.fleet.messages import Chunk
    from tare.results.record import Manifest


class Inbox:
    """Keeps the runs of a campaign; each ``trials.jsonl`` is at any time a beginning of the host's."""

    def __init__(self, results_dir: Path) -> None:
        self.results_dir = results_dir
        self.trials = 0
        """Trials that came in."""
        self._held: dict[str, int] = {}
        """Run → descriptor of its trials, locked: whoever lists the runs sees that this one is still being made."""
        weakref.finalize(self, _release, self._held)

    def take(self, chunk: Chunk) -> None:
        """Append what is new in a chunk. What does not follow on what is there is left for :meth:`size` to show.

        Raises:
            NotWritten: the disk does not take it.
            ResultError: the chunk names no run.
        """
        run = self._folder(chunk.run)
        try:
            run.mkdir(parents=True, exist_ok=True)
            self._append(run / TRIALS, chunk)
            if chunk.manifest:
                write_whole(run / MANIFEST, chunk.manifest)
        except OSError as error:
            raise NotWritten(say(
                "file.no_inbox", "cannot write {run}: {strerror}. What came in before is kept; go on with --resume.",
                run=run, strerror=error.strerror,
            )) from error  # fmt: skip

    def _append(self, path: Path, chunk: Chunk) -> None:
        size = self.size(chunk.run)
        new = chunk.lines[size - chunk.offset :] if chunk.offset <= size else b""
        if new:
            with path.open("ab") as file:
                self._hold(chunk.run, path)
                file.write(new)
            self.trials += new.count(b"\n")

    def _hold(self, run: str, path: Path) -> None:
        """Lock a run's trials until it is closed."""
        if run not in self._held:
            self._held[run] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            with suppress(OSError):
                fcntl.flock(self._held[run], fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _folder(self, run: str) -> Path:
        if not run or run.startswith(".") or "/" in run:
            raise ResultError(say(
                "fleet.bad_run", "a host sent a run called {run!r}, which is not a run id: it was not stored.",
                run=run,
            ))  # fmt: skip
        return self.results_dir / run

    def size(self, run: str) -> int:
        """Return the bytes of a run's trials that are here."""
        path = self._folder(run) / TRIALS
        return path.stat().st_size if path.is_file() else 0

    def raw(self, run: str) -> tuple[bytes, bytes]:
        """Return manifest and trials as they are here; empty if nothing came in."""
        folder = self._folder(run)
        found = [
            path.read_bytes() if path.is_file() else b"" for path in (folder / MANIFEST, folder / TRIALS)
        ]
        return found[0], found[1]

    def manifest(self, run: str) -> Manifest | None:
        """Read a run's manifest; ``None`` if there is none."""
        try:
            return load_run(self._folder(run)).manifest
        except (ResultError, msgspec.MsgspecError):
            return None

    def skipped(self, run: str) -> frozenset[tuple[str, str]]:
        """List workload and runner of all that the plan of a run left out on its host."""
        try:
            trials = load_run(self._folder(run)).trials()
            return frozenset((one.workload, one.runner) for one in trials if one.block < 0)
        except ResultError:
            return frozenset()

    def close(self, run: str) -> None:
        """Mark a run that nobody makes any more as interrupted, unless it is complete."""
        if run in self._held:
            os.close(self._held.pop(run))
        about = self.manifest(run)
        if about is not None and about.status != "complete":
            amend(self._folder(run), status="interrupted")


def _release(held: dict[str, int]) -> None:
    for descriptor in held.values():
        os.close(descriptor)
    held.clear()
