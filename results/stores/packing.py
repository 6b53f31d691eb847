"""Make a version of a run from its folder, and the folder again from a version."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import secrets
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.plain_files import open_plain
from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.results.storage.load import MANIFEST, TRIALS, load_run
from tare.results.stores.model import FORMAT, KeptFile, KeptRun, StoreError, StoreNotWritten, head_of
from tare.results.tables.index import NAME as INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from tare.results.stores.model import Files

_DERIVED = (INDEX, "verdicts.json")
"""Files of a run's folder that are made of the others, and are not kept."""

_PIECE = 1 << 20
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Packed:
    """A version of a run that is ready to be stored."""

    kept: KeptRun
    sources: tuple[Path, ...]
    """Files to store, in the order of :attr:`KeptRun.files`."""
    trials_prefixes: dict[int, str]
    """Size in bytes → SHA-256 of so many first bytes of ``trials.jsonl``, for the sizes that were asked for."""

    @property
    def stored_bytes(self) -> int:
        """Add up the sizes of the files as they are stored."""
        return sum(source.stat().st_size for source in self.sources)


@contextmanager
def unwritten(run_dir: Path) -> Iterator[None]:
    """Keep writers away from a run while it is read.

    Raises:
        StoreError: one is at work.
    """
    try:
        file = open_plain(run_dir / TRIALS)
    except FileNotFoundError as error:
        raise StoreError(say(
            "store.no_trials", "{run_dir} has no trials yet: there is nothing to keep.", run_dir=run_dir
        )) from error  # fmt: skip
    except OSError as error:
        raise StoreError(say(
            "file.unreadable", "cannot read {path}: {strerror}.", path=run_dir / TRIALS, strerror=error.strerror
        )) from error  # fmt: skip
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise StoreError(say(
                "store.measuring", "{name} is being measured: push it when it has ended.", name=run_dir.name
            )) from None  # fmt: skip


def pack(run_dir: Path, host_class: str, scratch: Path, *, compress: bool, sizes: set[int]) -> Packed:
    """Make a version of a run; files that are compressed go to a folder below ``scratch``.

    Args:
        run_dir: The run.
        host_class: Class of its host.
        scratch: Folder for what is made.
        compress: Compress the trials.
        sizes: Sizes for :attr:`Packed.trials_prefixes`.

    Raises:
        ResultError: the run cannot be read.
    """
    about = load_run(run_dir).manifest
    own = Path(tempfile.mkdtemp(prefix="pack-", dir=scratch))
    files: list[KeptFile] = []
    sources: list[Path] = []
    prefixes: dict[int, str] = {}
    content = hashlib.sha256()
    trials = lines = 0
    for path in _kept_paths(run_dir):
        name = path.relative_to(run_dir).as_posix()
        smaller = compress and name == TRIALS
        source = own / f"{len(files)}.gz" if smaller else path
        reading = _read_through(path, source if smaller else None, sizes if name == TRIALS else set())
        if name == TRIALS:
            trials, lines, prefixes = reading.size, reading.lines, reading.prefixes
        content.update(f"{name}\0{reading.sha256}\n".encode())
        stored = f"{name}.gz" if smaller else name
        files.append(KeptFile(name=name, stored=stored, bytes=reading.size, sha256=reading.sha256))
        sources.append(source)
    version = f"{trials:014d}-{int(time.time()):010d}-{content.hexdigest()[:12]}-{secrets.token_hex(3)}"
    kept = KeptRun(
        **msgspec.structs.asdict(head_of(about, host_class)),
        format=FORMAT,
        version=version,
        trials=lines,
        files=tuple(files),
    )
    return Packed(kept, tuple(sources), prefixes)


def unpack(files: Files, kept: KeptRun, target: Path) -> None:
    """Make a run's folder from a version. It is checked, and appears whole or not at all.

    Raises:
        StoreError: the store's files are damaged, or the folder cannot be written.
        FileNotFoundError: the version has been removed meanwhile.
        FileExistsError: the folder is there already.
    """
    if target.exists():
        raise FileExistsError(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder("pull", target.parent) as draft:
            for file in kept.files:
                _unpack_file(files, kept, file, draft)
            draft.chmod(0o755)
            draft.rename(target)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreNotWritten(say(
            "store.not_unpacked", "cannot write {target}: {strerror}. Choose another --results-dir.",
            target=target, strerror=error.strerror,
        )) from error  # fmt: skip


def _unpack_file(files: Files, kept: KeptRun, file: KeptFile, draft: Path) -> None:
    path = draft / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    fetched = draft / ".fetched"
    files.fetch(f"{kept.folder}/{file.stored}", fetched)
    if file.stored == file.name:
        fetched.rename(path)
    else:
        try:
            with gzip.open(fetched) as packed, path.open("wb") as out:
                _copy_at_most(packed, out, file.bytes)
        except (EOFError, gzip.BadGzipFile, ValueError) as error:
            raise _damaged(files, kept, file) from error
        finally:
            fetched.unlink()
    found = _read_through(path, None, set())
    if (found.size, found.sha256) != (file.bytes, file.sha256):
        raise _damaged(files, kept, file)


def _damaged(files: Files, kept: KeptRun, file: KeptFile) -> StoreError:
    return StoreError(say(
        "store.file_damaged",
        "{path} in {address} is damaged: its content is not what its marker says. Push the run again from where it was measured.",
        path=f"{kept.folder}/{file.stored}", address=files.address,
    ))  # fmt: skip


def _copy_at_most(source: gzip.GzipFile, out: BinaryIO, most: int) -> None:
    """Unpack no more than was announced: a few bytes can become very many."""
    done = 0
    while piece := source.read(_PIECE):
        done += len(piece)
        if done > most:
            raise ValueError(say("stores.too_many_bytes", "more than {most} bytes", most=most))
        out.write(piece)


def _kept_paths(run_dir: Path) -> list[Path]:
    """List the files to keep, the manifest first."""
    found = []
    for path in sorted(run_dir.rglob("*")):
        parts = path.relative_to(run_dir).parts
        hidden = any(part.startswith(".") for part in parts)
        if not hidden and parts[0] not in _DERIVED and path.is_file() and not path.is_symlink():
            found.append(path)
    return sorted(found, key=lambda path: path != run_dir / MANIFEST)


@dataclass(frozen=True, slots=True)
class _Reading:
    size: int
    sha256: str
    lines: int
    prefixes: dict[int, str]


def _read_through(path: Path, packed: Path | None, sizes: set[int]) -> _Reading:
    """Read a file once, for its sums, and compress it where that is wanted."""
    digest = hashlib.sha256()
    prefixes = {}
    size = lines = 0
    ends = sorted(sizes)
    with ExitStack() as opened:
        file = opened.enter_context(open_plain(path))
        out = packed and opened.enter_context(gzip.GzipFile(packed, "wb", _GZIP_LEVEL, mtime=0))
        while True:
            while ends and ends[0] <= size:
                prefixes[ends.pop(0)] = digest.copy().hexdigest()
            piece = file.read(min(_PIECE, ends[0] - size) if ends else _PIECE)
            if not piece:
                return _Reading(size, digest.hexdigest(), lines, prefixes)
            digest.update(piece)
            size += len(piece)
            lines += piece.count(b"\n")
            if out:
                out.write(piece)
