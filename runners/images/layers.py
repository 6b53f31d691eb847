"""Describe layers by their items, and turn them into folders and deterministic tars.

All files get one time, owner 0 and one of two modes, so that equal inputs make equal bytes, on disk and in archives.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal, cast

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.provision.cache import sha256_of
from tare.runners.provision.unpack import merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


TIME = 315_619_200
"""Time of all files in seconds since 1970: 2 January 1980. gzip complains of files of 1970, and ZIP archives begin with 1980."""


class Item(msgspec.Struct, frozen=True):
    """One file, link or folder of a layer, and the source of its content."""

    kind: Literal["file", "pyc", "link", "folder"]
    mode: int = 0o644
    source: Path | None = None
    """File of the host, for a ``file`` without content, and for a ``pyc``, the compiled file."""
    content: bytes = b""
    target: str = ""
    """Target of a link."""

    def fingerprint(self) -> tuple[object, ...]:
        """Describe what decides the item's bytes without reading a source: its size, time and inode stand for it."""
        if self.source is None:
            return (self.kind, self.mode, hashlib.sha256(self.content).hexdigest(), self.target)
        status = self.source.stat()
        return (self.kind, self.mode, str(self.source), status.st_size, status.st_mtime_ns, status.st_ino)

    def size(self) -> int:
        """Give the size of the content in bytes."""
        return self.source.stat().st_size if self.source else len(self.content)


CARRIED = "/carried"
"""Folder in the image for files whose own path is hidden in places."""

_HIDDEN = frozenset({"dev", "proc", "run", "scratch", "sys", "tmp"})


def carried_at(path: str) -> str:
    """Give the absolute path in the image of a file that is carried from the host.

    It is the host's own, except where places mount something over the image: ``/tmp/x`` is at ``/carried/tmp/x``.
    """
    top, _, rest = path.lstrip("/").partition("/")
    return f"{CARRIED}/{top}/{rest}" if rest and top in _HIDDEN else path


def _place(path: str) -> str:
    return merged(carried_at(path))


class Items(dict[str, Item]):
    """The items of a layer: path below the root, without a leading slash → item.

    Its methods convert paths to the merged ``/usr`` and by :func:`carried_at`.
    """

    def file(self, path: str, source: Path) -> None:
        """Add a copy of a host's file, executable if that is; set-uid bits are dropped."""
        mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
        self[_place(path)] = Item("file", mode, source.resolve())

    def text(self, path: str, content: str, mode: int = 0o644) -> None:
        """Add a small file with this content."""
        self[_place(path)] = Item("file", mode, content=content.encode())

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Add an empty folder with this mode."""
        self[_place(path)] = Item("folder", mode)

    def link(self, path: str, target: str) -> None:
        """Add a link to the absolute ``target``; it is made relative, so that it is valid in an unpacked tree, too."""
        place, aim = _place(path), _place(target)
        if place != aim:
            self[place] = Item(
                "link", 0o777, target=os.path.relpath(f"/{aim}", f"/{PurePosixPath(place).parent}")
            )

    def top_link(self, name: str) -> None:
        """Add a link of the merged ``/usr``, such as ``lib → usr/lib``."""
        self[name] = Item("link", 0o777, target=f"usr/{name}")

    def total(self) -> int:
        """Add up the sizes of all items in bytes."""
        return sum(item.size() for item in self.values())

    def key(self) -> str:
        """Hash everything that decides the layer's bytes."""
        digest = hashlib.sha256(str(TIME).encode())
        for path in sorted(self):
            digest.update(repr((path, self[path].fingerprint())).encode())
        return digest.hexdigest()


class Layer(msgspec.Struct, frozen=True):
    """A layer of an image, in the cache."""

    name: str
    digest: str
    """``sha256:…`` of its deterministic, uncompressed tar: OCI's diff id."""
    size_bytes: int
    """Sum of all files' sizes."""
    files: int
    """Number of files."""
    tree: Path
    """Folder of the unpacked layer; for a layer of an external image the folder of :attr:`tar`."""
    tar_bytes: int
    """Size of the tar."""
    tar: Path | None = None
    """The tar of a layer of an external image; ours are written from their tree when needed."""

    def write_tar(self, to: IO[bytes]) -> None:
        """Write the tar whose digest is :attr:`digest`."""
        if self.tar is None:
            write_tar(self.tree, to)
            return
        with self.tar.open("rb") as file:
            shutil.copyfileobj(file, to, 1 << 20)


def fill(items: Items, tree: Path) -> dict[str, Any]:
    """Make a layer's folder; return its facts for the cache.

    Raises:
        TareError: a source vanished or cannot be read.
    """
    for path in sorted(items):
        item = items[path]
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if item.kind == "folder":
            target.mkdir(exist_ok=True)
        elif item.kind == "link":
            target.symlink_to(item.target)
        else:
            _write(item, target)
    settle(tree, {path: item.mode for path, item in items.items()})
    programs = {
        path: sha256_of(tree / path)
        for path, item in sorted(items.items())
        if item.kind == "file" and (item.mode & 0o111 or ".so" in PurePosixPath(path).name)
    }
    layer = layer_of("", tree)
    return {
        "digest": layer.digest,
        "tar_bytes": layer.tar_bytes,
        "size": layer.size_bytes,
        "files": layer.files,
        "programs": programs,
    }


def layer_of(name: str, tree: Path) -> Layer:
    """Measure a settled folder as a layer."""
    digest = Digest()
    write_tar(tree, cast("IO[bytes]", digest))
    sizes = [path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    return Layer(name, digest.name(), sum(sizes), len(sizes), tree, digest.size)


def _write(item: Item, target: Path) -> None:
    if item.source is None:
        target.write_bytes(item.content)
        return
    try:
        if item.kind == "pyc":
            target.write_bytes(unchecked(item.source.read_bytes()))
        else:
            shutil.copyfile(item.source, target)
    except (FileNotFoundError, PermissionError) as error:
        if error.filename == str(item.source):
            raise TareError(say(
                "image.not_carried", "{source} cannot be carried into the image: {strerror}.",
                source=item.source, strerror=error.strerror,
            )) from error  # fmt: skip
        raise


def unchecked(pyc: bytes) -> bytes:
    """Turn a compiled Python file into one that is never compared with its source (PEP 552).

    So it stays valid although the image changes times, and no place compiles or writes anything.
    """
    return pyc[:4] + (1).to_bytes(4, "little") + bytes(8) + pyc[16:]


def settle(tree: Path, modes: Mapping[str, int]) -> None:
    """Set the modes and times of all files and folders."""
    for top, folders, files in os.walk(tree, topdown=False):
        for name in (*folders, *files):
            path = Path(top, name)
            if not path.is_symlink():
                path.chmod(modes.get(str(path.relative_to(tree)), 0o755))
            os.utime(path, (TIME, TIME), follow_symlinks=False)
    os.utime(tree, (TIME, TIME))


def write_tar(tree: Path, to: IO[bytes]) -> None:
    """Write a folder as a tar that depends on names, modes and content only: sorted, with one owner and one time."""
    with tarfile.open(fileobj=to, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.rglob("*"), key=lambda each: each.relative_to(tree).parts):
            # gettarinfo is not used: it would write the second of two equal inodes as a hard link.
            status = path.lstat()
            member = tarfile.TarInfo(str(path.relative_to(tree)))
            member.mode, member.mtime = status.st_mode & 0o7777, TIME
            if path.is_symlink():
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
                archive.addfile(member)
            elif path.is_dir():
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            else:
                member.size = status.st_size
                with path.open("rb") as file:
                    archive.addfile(member, file)


def merge(layers: Iterable[Path], tree: Path) -> None:
    """Merge layers into one folder, lowest first; files are hard links to the layers' where possible."""
    modes: dict[str, int] = {}
    for layer in layers:
        for top, folders, files in os.walk(layer):
            for name in (*folders, *files):
                source = Path(top, name)
                relative = str(source.relative_to(layer))
                target = tree / relative
                if source.is_dir() and not source.is_symlink():
                    if target.is_symlink() or target.is_file():
                        target.unlink()
                    target.mkdir(exist_ok=True)
                    modes[relative] = source.stat().st_mode & 0o7777
                    continue
                if target.is_dir() and not target.is_symlink():
                    shutil.rmtree(target)
                elif target.is_symlink() or target.exists():
                    target.unlink()
                share(source, target)
                if not source.is_symlink():
                    modes[relative] = source.stat().st_mode & 0o7777
    settle(tree, modes)


def share(source: Path, target: Path) -> None:
    """Make a hard link to a file, or a copy where that is impossible."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        # Another file system, or one without hard links.
        shutil.copy2(source, target, follow_symlinks=False)


class Digest:
    """A writable file that keeps only the size and the hash of what was written."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Add bytes to the size and the hash."""
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def name(self) -> str:
        """Give the digest of all bytes so far, as ``sha256:…``."""
        return f"sha256:{self._hash.hexdigest()}"
