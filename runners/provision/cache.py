"""Keep entries in the cache folder: each complete or absent, and named by what decides its content.

An entry is built in a sibling folder, gets a manifest of all its files, and is moved into place by one rename, under a
lock between processes. On use it is compared with its manifest; a damaged entry is reported and built again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.files import read_object
from tare.runners.host.home import home_folder
from tare.runners.provision.locks import held_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MANIFEST = "manifest.json"
CONTENT = "content"
TEMPORARY = "tare-tmp-"

SEEN = "seen.json"
"""File beside the manifest with inode and change time of each file when it was last hashed. Only root can set that
time, so a file is not hashed again if both are unchanged."""

_SETTLED_NS = 1_000_000_000
"""A file that was changed this shortly before it was hashed may have been changed again with the same time."""

UNUSED_SECONDS = 60 * 86400
"""Age after its last use at which :meth:`Cache.sweep` removes an entry."""


class Entry(msgspec.Struct, frozen=True):
    """A verified entry: its folder of content, and the facts its builder returned."""

    path: Path
    facts: Mapping[str, Any]


def work_parent() -> Path:
    """Give the folder that the work folders of runs are in: ``$TARE_WORKDIR``, else ``/var/tmp``, which is on a disk."""
    return Path(os.environ.get("TARE_WORKDIR", "/var/tmp"))  # noqa: S108 - each run's folder has the run's name


def default_cache() -> Path:
    """Give the cache folder, and make it: ``$TARE_CACHE``, else ``$XDG_CACHE_HOME/tare``, else ``~/.cache/tare``.

    Raises:
        TareError: it cannot be made, or is not writable.
    """
    folder = _chosen_folder()
    try:
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise TareError(say(
            "cache.not_made", "The cache folder {folder} cannot be made: {error}. Set TARE_CACHE to one that can.",
            folder=folder, error=error.strerror,
        )) from error  # fmt: skip
    if not writable:
        raise TareError(say(
            "cache.not_writable", "The cache folder {folder} is not writable. Set TARE_CACHE to one that is.",
            folder=folder,
        ))  # fmt: skip
    return folder


def _chosen_folder() -> Path:
    if chosen := os.environ.get("TARE_CACHE"):
        return Path(chosen)
    # The XDG specification says to ignore relative paths.
    if (base := os.environ.get("XDG_CACHE_HOME", "")).startswith("/"):
        return Path(base, "tare")
    if home := home_folder():
        return home / ".cache" / "tare"
    raise TareError(say(
        "cache.no_folder", "There is no folder for the cache: HOME is not set, and user {getuid} has no entry in passwd. Set "
        "TARE_CACHE to a folder that this user can write.",
        getuid=os.getuid(),
    ))  # fmt: skip


class Cache(msgspec.Struct):
    """The entries below one cache folder."""

    folder: Path
    say: Callable[[str], None] = msgspec.field(default=lambda _line: None)
    """Function that gets a line if an entry is damaged, or something takes long."""
    _verified: dict[Path, Entry] = msgspec.field(default_factory=dict)

    def entry(
        self,
        kind: str,
        key: str,
        build: Callable[[Path], Mapping[str, Any]],
        *,
        stale: Callable[[Mapping[str, Any]], str] | None = None,
        private: bool = False,
    ) -> Entry:
        """Give an entry; build it if it is absent or damaged.

        Args:
            kind: name of its folder, such as ``apt``.
            key: text that decides the content; its hash is the entry's name.
            build: fills the empty folder that it is given, and returns facts to keep (JSON).
            stale: says why an entry with these facts is out of date; empty if it is not.
            private: let only this user reach the content: it comes from elsewhere and may have set-uid files.

        Raises:
            TareError: the disk is full or not writable; what was there before still is.
        """
        place = self.path(kind, key)
        if (known := self._known(place, stale)) is not None:
            return known
        try:
            with self.locked(kind, place.name):
                if (known := self._known(place, stale)) is not None:  # another thread made it meanwhile
                    return known
                self._verified[place] = found = self._whole(place, stale) or self._build(place, build)
                place.chmod(0o700 if private else 0o755)
                return found
        except OSError as error:
            raise TareError(_no_room(self.folder, error)) from error

    def find(
        self, kind: str, key: str, *, stale: Callable[[Mapping[str, Any]], str] | None = None
    ) -> Entry | None:
        """Give an entry if it is there and undamaged; never build it."""
        place = self.path(kind, key)
        if not place.is_dir():
            return None
        with self.locked(kind, place.name):
            return self._whole(place, stale)

    def path(self, kind: str, key: str) -> Path:
        """Give the folder that an entry has, or would have."""
        return self.folder / kind / hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:32]

    def sweep(self) -> list[str]:
        """Remove entries whose builder died, and those unused for long; return what was removed."""
        removed = []
        for lock in sorted((self.folder / "locks").glob("*.lock")):
            kind, _, name = lock.stem.rpartition("-")
            with contextlib.suppress(BlockingIOError), self.locked(kind, name, wait=False):
                old = time.time() - lock.stat().st_mtime > UNUSED_SECONDS
                leftovers = [*(self.folder / kind).glob(f"{TEMPORARY}{name}-*")]
                if old:
                    leftovers += [path for path in (self.folder / kind / name,) if path.exists()]
                for leftover in leftovers:
                    _discard(leftover)
                    removed.append(str(leftover))
        return removed

    def _known(self, place: Path, stale: Callable[[Mapping[str, Any]], str] | None) -> Entry | None:
        known = self._verified.get(place)
        return None if known is None or (stale and stale(known.facts)) else known

    def _whole(self, place: Path, stale: Callable[[Mapping[str, Any]], str] | None) -> Entry | None:
        if not place.is_dir():
            return None
        try:
            manifest = _read_manifest(place)
            complaint = _compare(place, manifest["files"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            complaint = say("cache.bad_manifest", "its manifest cannot be used: {error}", error=error)
        if complaint:
            self.say(
                say(
                    "progress.cache_damaged",
                    "cache: {name}/{key} is damaged ({complaint}); making it again",
                    name=place.parent.name,
                    key=place.name[:8],
                    complaint=complaint,
                )
            )
            return None
        facts: dict[str, Any] = manifest["facts"]
        reason = stale(facts) if stale else ""
        if reason:
            self.say(
                say(
                    "progress.cache_stale",
                    "cache: {name}/{key} is out of date ({reason}); making it again",
                    name=place.parent.name,
                    key=place.name[:8],
                    reason=reason,
                )
            )
            return None
        return Entry(place / CONTENT, facts)

    def _build(self, place: Path, build: Callable[[Path], Mapping[str, Any]]) -> Entry:
        place.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{TEMPORARY}{place.name}-"
        # We hold the lock, so whoever made these is dead.
        for leftover in place.parent.glob(f"{prefix}*"):
            _discard(leftover)
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
        try:
            made.chmod(0o755)
            content = made / CONTENT
            content.mkdir()
            content.chmod(
                0o755
            )  # the root of a place may be made of it; entry() keeps others from private ones
            facts = dict(build(content))
            _write_manifest(made, {"facts": facts, "files": _describe(content)})
            if place.exists():
                _make_deletable(place)
                place.rename(made / "replaced")
            (made / "entry").mkdir(mode=0o700)  # opened to others by entry(), unless it is private
            for name in (CONTENT, MANIFEST):
                (made / name).rename(made / "entry" / name)
            (made / "entry").rename(place)
            _sync(place.parent)
        finally:
            _discard(made)
        return Entry(place / CONTENT, facts)

    @contextlib.contextmanager
    def locked(self, kind: str, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold an entry's lock. The kernel releases it when its holder dies; threads of this process wait in silence."""
        folder = self.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{kind}-{name}.lock"
        with held_here(path, wait=wait), path.open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                self.say(
                    say(
                        "progress.cache_waiting",
                        "cache: waiting for another run that is making {kind}/{key}",
                        kind=kind,
                        key=name[:8],
                    )
                )
                fcntl.flock(file, fcntl.LOCK_EX)
            if wait:
                # The lock's modification time is the time of the entry's last use.
                os.utime(file.fileno())
            yield


def sha256_of(path: Path) -> str:
    """Give the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything below ``folder`` in the order of names; paths are relative."""
    with os.scandir(folder) as scan:
        found = sorted(scan, key=lambda each: each.name)
    for item in found:
        relative = f"{prefix}{item.name}"
        yield relative, item
        if item.is_dir(follow_symlinks=False):
            yield from _walk(Path(item.path), f"{relative}/")


def _describe(content: Path) -> dict[str, list[Any]]:
    """List path → mode, and size and hash of files, or the target of links."""
    files: dict[str, list[Any]] = {}
    for relative, item in _walk(content):
        status = item.stat(follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            digest = sha256_of(Path(item.path))
            files[relative] = [status.st_mode, status.st_size, digest]
        elif stat.S_ISLNK(status.st_mode):
            files[relative] = [status.st_mode, str(Path(item.path).readlink())]
        else:
            files[relative] = [status.st_mode]
    return files


def _compare(place: Path, files: Mapping[str, list[Any]]) -> str:
    """Say how an entry's content differs from its manifest; empty if it does not."""
    missing = set(files)
    seen, now_seen = _read_seen(place), {}
    for relative, item in _walk(place / CONTENT):
        if relative not in missing:
            return say("cache.stranger", "{name} does not belong to it", name=relative)
        missing.discard(relative)
        status = item.stat(follow_symlinks=False)
        mark = [status.st_ino, status.st_ctime_ns]
        if complaint := _differs(item, status, files[relative], relative, hashed=seen.get(relative) == mark):
            return complaint
        if stat.S_ISREG(status.st_mode) and status.st_ctime_ns < time.time_ns() - _SETTLED_NS:
            now_seen[relative] = mark
    if missing:
        return say("cache.missing", "{name} is missing", name=min(missing))
    if now_seen != seen:
        _write_seen(place, now_seen)
    return ""


def _differs(
    item: os.DirEntry[str], status: os.stat_result, expected: list[Any], name: str, *, hashed: bool
) -> str:
    """Say how a file differs from the manifest; ``hashed``: its content is known to be unchanged."""
    if status.st_mode != expected[0]:
        return say("cache.mode", "{name} has changed its mode", name=name)
    if stat.S_ISLNK(status.st_mode) and os.readlink(item.path) != expected[1]:  # noqa: PTH115 - hundreds of them
        return say("cache.link", "{name} leads elsewhere", name=name)
    if stat.S_ISREG(status.st_mode):
        _mode, size, digest = expected
        if status.st_size != size:
            return say(
                "cache.size", "{name} has {found} bytes instead of {size}",
                name=name, found=status.st_size, size=size,
            )  # fmt: skip
        if not hashed and sha256_of(Path(item.path)) != digest:
            return say("cache.content", "{name} has other content", name=name)
    return ""


def _read_seen(place: Path) -> dict[str, list[int]]:
    return read_object(place / SEEN)


def _write_seen(place: Path, seen: Mapping[str, list[int]]) -> None:
    """Store it if there is room; without it, all files are hashed again."""
    with contextlib.suppress(OSError):
        new = place / f"{SEEN}.new"
        new.write_text(json.dumps(seen), encoding="utf-8")
        new.replace(place / SEEN)


def _read_manifest(place: Path) -> dict[str, Any]:
    text = (place / MANIFEST).read_text(encoding="utf-8")
    digest, _, body = text.partition("\n")
    if hashlib.sha256(body.encode()).hexdigest() != digest:
        raise ValueError(say("cache.checksum", "its checksum is wrong"))
    manifest = json.loads(body)
    if not isinstance(manifest["facts"], dict) or not isinstance(manifest["files"], dict):
        raise TypeError(say("cache.form", "it has another form"))
    return cast("dict[str, Any]", manifest)


def _write_manifest(made: Path, manifest: Mapping[str, Any]) -> None:
    body = json.dumps(manifest, sort_keys=True)
    with (made / MANIFEST).open("w", encoding="utf-8") as file:
        file.write(hashlib.sha256(body.encode()).hexdigest() + "\n" + body)
        file.flush()
        os.fsync(file.fileno())
    _sync(made)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_deletable(folder: Path) -> None:
    """Make every folder writable for its owner, whatever modes an unpacked package set."""
    for top, _names, _files in os.walk(folder):
        if not os.access(top, os.W_OK | os.X_OK):
            with contextlib.suppress(OSError):
                Path(top).chmod(0o755)


def _discard(folder: Path) -> None:
    """Remove a folder; what cannot be removed is left to the next sweep."""
    _make_deletable(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _no_room(folder: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return say(
            "cache.full", "The cache folder {folder} has no room left ({error}); nothing that was in it is lost. "
            "Free some space, or set TARE_CACHE to a folder on a larger disk.",
            folder=folder, error=error.strerror,
        )  # fmt: skip
    return say(
        "cache.unusable", "The cache folder {folder} cannot be used: {error}. Set TARE_CACHE to another one.",
        folder=folder, error=error,
    )  # fmt: skip
