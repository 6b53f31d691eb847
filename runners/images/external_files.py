"""Read the files of an image made elsewhere, from a layout folder or an archive, and check their digests."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zlib
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from tare.results.plain_files import open_plain
from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.images.oci import blob_path
from tare.runners.images.tar_reading import DAMAGE, BoundedInfo, members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_SMALL_BYTES = 16 << 20
"""Largest size of an index, a manifest or a configuration."""


_MOST_FILES = 10_000
"""Files of a layout or archive, which has three and one for each layer."""


_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


PIECE_BYTES = 1 << 20

REMEDY = say(
    "remedy.image_file",
    "Give an OCI layout folder or archive, or what `docker save` or `podman save` writes.",
)


def _by_name(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Index an archive's members by name; of equal ones the last counts.

    Raises:
        tarfile.TarError: it is damaged, or has far more files than an image.
    """
    found = list(islice(members(archive), _MOST_FILES + 1))
    if len(found) > _MOST_FILES:
        raise tarfile.ReadError(
            say("tar.most_files", "it has more than {most_files} files", most_files=_MOST_FILES)
        )
    archive.members[:] = found  # type: ignore[attr-defined]  # links are followed in it
    return {member.name: member for member in found}


class Box(msgspec.Struct):
    """The files of a layout folder or of an archive."""

    path: Path
    archive: tarfile.TarFile | None = None
    members: Mapping[str, tarfile.TarInfo] = msgspec.field(default_factory=dict)
    """Name → member of the archive; of equal names the last."""

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[Box]:
        """Open a folder or an archive; raises :class:`TareError` if it is neither."""
        if path.is_dir():
            yield cls(path)
            return
        try:
            open_plain(path).close()  # opening a FIFO would wait
        except OSError as error:
            raise TareError(say(
                "file.unreadable", "cannot read {path}: {strerror}.", path=path, strerror=error.strerror
            )) from error  # fmt: skip
        try:
            archive = tarfile.open(path, "r:*", tarinfo=BoundedInfo)  # noqa: SIM115 - closed below
        except (*DAMAGE, zlib.error) as error:
            raise TareError(say(
                "image.neither", "{path} is neither a folder nor a tar archive. {remedy}",
                path=path, remedy=REMEDY,
            )) from error  # fmt: skip
        with archive:
            try:
                yield cls(path, archive, _by_name(archive))
            except (tarfile.TarError, EOFError, zlib.error) as error:
                raise TareError(say(
                    "image.cut", "{path} is damaged or cut off ({error}). Fetch or save it again.",
                    path=path, error=error,
                )) from error  # fmt: skip

    def __contains__(self, name: str) -> bool:
        return self._member(name) is not None if self.archive else (self.path / name).is_file()

    @contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """Open one of the files for reading."""
        if self.archive is None:
            target = self.path / name
            if ".." in Path(name).parts or Path(name).is_absolute() or not target.is_file():
                raise TareError(say(
                    "image.lacks", "{path} lacks {name}. Fetch or save the image again.",
                    path=self.path, name=name,
                ))  # fmt: skip
            with target.open("rb") as file:
                yield file
            return
        member = self._member(name)
        try:
            content = self.archive.extractfile(member) if member else None
        except (KeyError, RecursionError):  # a link that leads nowhere, or to itself
            content = None
        if content is None:
            raise TareError(say(
                "image.member_lost", "{path} lacks {name}: it is damaged or cut off. Fetch or save it again.",
                path=self.path, name=name,
            ))  # fmt: skip
        with content:
            yield content

    def bytes(self, name: str) -> bytes:
        """Read a small file whole; one that is too large is refused."""
        with self.file(name) as file:
            content = file.read(_SMALL_BYTES + 1)
        if len(content) > _SMALL_BYTES:
            raise TareError(say(
                "image.member_large", "{path}: {name} is far too large for its kind.",
                path=self.path, name=name,
            ))  # fmt: skip
        return content

    def json(self, name: str) -> Any:
        """Read and decode a small JSON file."""
        return json.loads(self.bytes(name))

    def checked(self, digest: str) -> Any:
        """Read a small JSON blob, and check its digest."""
        name = blob_path(checked_digest(digest))
        content = self.bytes(name)
        compare_digests(f"{digest.partition(':')[0]}:{new_hash(digest, content).hexdigest()}", digest, name)
        return json.loads(content)

    def _member(self, name: str) -> tarfile.TarInfo | None:
        return self.members.get(name) or self.members.get(f"./{name}")


def checked_digest(digest: object) -> str:
    """Give back a digest that is one; an image may name anything."""
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise TareError(say(
            "image.no_digest", "the image names {digest!r} where a digest belongs; it is not used.",
            digest=digest,
        ))  # fmt: skip
    return digest


def new_hash(digest: str, content: bytes = b"") -> Any:
    """Begin a hash of the algorithm that a digest names."""
    return hashlib.new(digest.partition(":")[0], content)


def digest_of(file: IO[bytes], like: str) -> str:
    """Hash a file by the algorithm of another digest."""
    total = new_hash(like)
    while piece := file.read(PIECE_BYTES):
        total.update(piece)
    return f"{like.partition(':')[0]}:{total.hexdigest()}"


def compare_digests(found: str, expected: str, name: str) -> None:
    """Raise :class:`TareError` if a file's digest is not the expected one."""
    if found != expected:
        raise TareError(say(
            "image.digest", "{name} is damaged: its digest is {found}… instead of {expected}…. Fetch or save the image again.",
            name=name, found=found[:19], expected=expected[:19],
        ))  # fmt: skip
