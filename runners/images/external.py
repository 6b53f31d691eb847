"""Read external images: OCI layouts, and archives of ``docker save``, ``podman save`` or ``skopeo copy``.

Images are checked against their own digests. The agent and everything else that places need are further layers over
the image's (:mod:`tare.runners.images.build`), whose bytes do not change.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from tare.runners.errors import TareError, UsageError
from tare.runners.images.compression import uncompressed
from tare.runners.images.oci import blob_path
from tare.runners.images.tar_reading import DAMAGE, BoundedInfo, members
from tare.runners.provision import arch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SMALL_BYTES = 16 << 20
"""Largest size of an index, a manifest or a configuration."""
_MOST_FILES = 10_000
"""Files of a layout or archive, which has three and one for each layer."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_PIECE_BYTES = 1 << 20

LEAST_BOUND_BYTES = 1 << 30
"""Size up to which every layer is unpacked, however well it was packed."""

LARGEST_RATIO = 100
"""Times its packed size that a larger layer may have; gzip reaches 1,000 with nothing but zeros."""
_REMEDY = "Give an OCI layout folder or archive, or what `docker save` or `podman save` writes."


@dataclass(frozen=True, slots=True)
class ExternalLayer:
    """A layer of an external image, as it is stored."""

    member: str
    """Name of its file in the layout or archive."""
    digest: str
    """Digest of the stored bytes; empty if the format does not tell."""
    diff_id: str
    """Digest of the uncompressed tar."""


@dataclass(frozen=True, slots=True)
class ExternalImage:
    """An external image, read but not unpacked."""

    path: Path
    reference: str
    """The user's name for it: a path, or ``PATH:NAME``."""
    digest: str
    """Digest of its manifest, or of its configuration if there is none (``docker save``)."""
    layers: tuple[ExternalLayer, ...]
    """Its layers, lowest first."""
    environ: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Text that decides the unpacked tree: the diff ids of the layers."""
        return " ".join(layer.diff_id for layer in self.layers)

    @contextmanager
    def layer(self, layer: ExternalLayer) -> Iterator[IO[bytes]]:
        """Open a layer's uncompressed tar.

        Raises:
            TareError: it is missing, or its compression is not supported.
        """
        with (
            _Box.opened(self.path) as box,
            box.file(layer.member) as stored,
            uncompressed(stored, layer.member) as tar,
        ):
            yield tar

    def store(self, layer: ExternalLayer, dest: Path) -> None:
        """Write a layer's uncompressed tar to a file, and check all digests.

        Raises:
            TareError: a digest differs, or the layer is cut off.
        """
        if layer.digest:
            with _Box.opened(self.path) as box, box.file(layer.member) as stored:
                _compare(_hash(stored, layer.digest), layer.digest, layer.member)
        total = _new(layer.diff_id)
        most = max(LEAST_BOUND_BYTES, LARGEST_RATIO * _stored_bytes(self.path, layer.member))
        try:
            with self.layer(layer) as tar, dest.open("wb") as file:
                while piece := tar.read(_PIECE_BYTES):
                    total.update(piece)
                    file.write(piece)
                    if file.tell() > most:
                        raise TareError(
                            f"{self.path}: {layer.member} unpacks to more than {LARGEST_RATIO} times its size "
                            f"and {LEAST_BOUND_BYTES >> 20} MiB; it is not used. Save the image uncompressed."
                        )
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TareError(
                f"{self.path}: {layer.member} is damaged: {error}. Fetch or save it again."
            ) from error
        _compare(f"{layer.diff_id.partition(':')[0]}:{total.hexdigest()}", layer.diff_id, layer.member)


def _stored_bytes(path: Path, member: str) -> int:
    with _Box.opened(path) as box, box.file(member) as stored:
        return stored.seek(0, 2)


def read_external(reference: str) -> ExternalImage:
    """Read an image by ``PATH``, or by ``PATH:NAME`` if there are several in it.

    Raises:
        TareError: it is no image, or has none for this machine.
    """
    try:
        path, name = _split(reference)
    except OSError as error:
        raise UsageError(f"--image {reference[:60]}…: {error.strerror}. {_REMEDY}") from error
    try:
        with _Box.opened(path) as box:
            if "index.json" in box:
                return _oci(box, path, name, reference)
            if "manifest.json" in box:
                return _docker(box, path, name, reference)
    except OSError as error:
        raise TareError(f"{path} cannot be read: {error.strerror or error}. {_REMEDY}") from error
    except RecursionError:
        raise TareError(
            f"{path} has a document that is nested too deeply to be an image's. {_REMEDY}"
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TareError(f"{path} is not a valid image: {error!r}. {_REMEDY}") from error
    raise TareError(f"{path} has neither an index.json (OCI) nor a manifest.json (docker save). {_REMEDY}")


def _split(reference: str) -> tuple[Path, str]:
    path = Path(reference)
    if path.exists():
        return path, ""
    front, colon, name = reference.rpartition(":")
    if colon and Path(front).exists():
        return Path(front), name
    raise UsageError(f"--image {reference}: there is no such file or folder. {_REMEDY} Nothing is pulled.")


def _oci(box: _Box, path: Path, name: str, reference: str) -> ExternalImage:
    entries = box.json("index.json")["manifests"]
    if name:
        key = "org.opencontainers.image.ref.name"
        chosen = [each for each in entries if (each.get("annotations") or {}).get(key) == name]
        known = [(each.get("annotations") or {}).get(key, "?") for each in entries]
        if not chosen:
            raise TareError(f"{path} has no image {name}; it has {', '.join(known)}.")
        entries = chosen
    digest = _for_this_machine(box, path, entries, set())
    manifest = box.checked(digest)
    config = box.checked(manifest["config"]["digest"])
    stored = manifest["layers"]
    diff_ids = config["rootfs"]["diff_ids"]
    if len(stored) != len(diff_ids):
        raise TareError(
            f"{path}: its manifest has {len(stored)} layers and its configuration {len(diff_ids)}."
        )
    layers = tuple(
        ExternalLayer(blob_path(_named(each["digest"])), each["digest"], _named(diff_id))
        for each, diff_id in zip(stored, diff_ids, strict=True)
    )
    return _made(path, reference, digest, layers, config)


def _for_this_machine(
    box: _Box, path: Path, entries: list[dict[str, Any]], seen: set[str], depth: int = 0
) -> str:
    """Find the digest of the one manifest for this architecture; indexes may be nested, and each is read once."""
    wanted = arch.current().debian
    found: list[str] = []
    others: list[str] = []
    for each in entries:
        platform = each.get("platform") or {}
        architecture = platform.get("architecture", "")
        kind = each.get("mediaType", "")
        if platform.get("os", "linux") != "linux" or architecture == "unknown":  # an attestation
            continue
        if architecture and architecture != wanted:
            others.append(architecture)
        elif kind.endswith((".index.v1+json", ".manifest.list.v2+json")) and depth < 4:
            if (digest := _named(each["digest"])) in seen:
                continue
            seen.add(digest)
            try:
                inner = box.checked(each["digest"])["manifests"]
                found.append(_for_this_machine(box, path, inner, seen, depth + 1))
            except _OtherMachines as error:
                others += error.machines
        else:
            found.append(_named(each["digest"]))
    found = list(dict.fromkeys(found))
    if not found:
        raise _OtherMachines(path, wanted, others)
    if len(found) > 1:
        raise TareError(f"{path} has {len(found)} images for {wanted}; choose one by --image PATH:NAME.")
    return found[0]


class _OtherMachines(TareError):
    def __init__(self, path: Path, wanted: str, machines: list[str]) -> None:
        self.machines = machines
        super().__init__(
            f"{path} has no image for {wanted}, only for {', '.join(machines) or 'none'}. "
            "Save the one for this machine (`--platform`)."
        )


def _docker(box: _Box, path: Path, name: str, reference: str) -> ExternalImage:
    saved = box.json("manifest.json")
    if name:
        saved = [
            each for each in saved if any(tag.endswith(f":{name}") for tag in each.get("RepoTags") or ())
        ]
    if len(saved) != 1:
        tags = [tag for each in box.json("manifest.json") for tag in each.get("RepoTags") or ("untagged",)]
        raise TareError(f"{path} has {', '.join(tags)}; choose one by --image PATH:TAG.")
    raw = box.bytes(saved[0]["Config"])
    config = json.loads(raw)
    files, diff_ids = saved[0]["Layers"], config["rootfs"]["diff_ids"]
    if not all(isinstance(each, str) for each in files):
        raise TypeError("a layer's file has no name")
    if len(files) != len(diff_ids):
        raise TareError(
            f"{path}: its manifest has {len(files)} layers and its configuration {len(diff_ids)}."
        )
    layers = tuple(
        ExternalLayer(each, "", _named(diff_id)) for each, diff_id in zip(files, diff_ids, strict=True)
    )
    return _made(path, reference, f"sha256:{hashlib.sha256(raw).hexdigest()}", layers, config)


def _made(
    path: Path, reference: str, digest: str, layers: tuple[ExternalLayer, ...], config: Mapping[str, Any]
) -> ExternalImage:
    wanted = arch.current().debian
    if config.get("architecture", wanted) != wanted:
        raise _OtherMachines(path, wanted, [str(config["architecture"])])
    if config.get("os", "linux") != "linux":
        raise TareError(f"{path} is an image for {config['os']}, not for linux.")
    started = msgspec.convert(config.get("config") or {}, _Started)
    for text in (*(started.Env or ()), started.WorkingDir or "", *(started.Entrypoint or ()), *(started.Cmd or ())):  # fmt: skip
        if b"\0" in text.encode():  # which raises ValueError, too, on a lone surrogate
            raise ValueError(f"{text!r} cannot be given to a program")
    pairs = (each.partition("=") for each in started.Env or ())
    return ExternalImage(
        path=path,
        reference=reference,
        digest=digest,
        layers=layers,
        environ={key: value for key, _, value in pairs if key},
        directory=started.WorkingDir or "/",
        entrypoint=tuple(started.Entrypoint or ()),
        command=tuple(started.Cmd or ()),
    )


class _Started(msgspec.Struct):
    """What is used of an image's ``config``; the names are OCI's."""

    Env: list[str] | None = None
    WorkingDir: str | None = None
    Entrypoint: list[str] | None = None
    Cmd: list[str] | None = None


def _by_name(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Index an archive's members by name; of equal ones the last counts.

    Raises:
        tarfile.TarError: it is damaged, or has far more files than an image.
    """
    found = list(islice(members(archive), _MOST_FILES + 1))
    if len(found) > _MOST_FILES:
        raise tarfile.ReadError(f"it has more than {_MOST_FILES} files")
    archive.members[:] = found  # type: ignore[attr-defined]  # links are followed in it
    return {member.name: member for member in found}


@dataclass(slots=True)
class _Box:
    """The files of a layout folder or of an archive."""

    path: Path
    archive: tarfile.TarFile | None = None
    members: Mapping[str, tarfile.TarInfo] = field(default_factory=dict)
    """Name → member of the archive; of equal names the last."""

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[_Box]:
        """Open a folder or an archive; raises :class:`TareError` if it is neither."""
        if path.is_dir():
            yield cls(path)
            return
        try:
            archive = tarfile.open(path, "r:*", tarinfo=BoundedInfo)  # noqa: SIM115 - closed below
        except (*DAMAGE, zlib.error) as error:
            raise TareError(f"{path} is neither a folder nor a tar archive. {_REMEDY}") from error
        with archive:
            try:
                yield cls(path, archive, _by_name(archive))
            except (tarfile.TarError, EOFError, zlib.error) as error:
                raise TareError(f"{path} is damaged or cut off ({error}). Fetch or save it again.") from error

    def __contains__(self, name: str) -> bool:
        return self._member(name) is not None if self.archive else (self.path / name).is_file()

    @contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """Open one of the files."""
        if self.archive is None:
            target = self.path / name
            if ".." in Path(name).parts or Path(name).is_absolute() or not target.is_file():
                raise TareError(f"{self.path} lacks {name}. Fetch or save the image again.")
            with target.open("rb") as file:
                yield file
            return
        member = self._member(name)
        try:
            content = self.archive.extractfile(member) if member else None
        except (KeyError, RecursionError):  # a link that leads nowhere, or to itself
            content = None
        if content is None:
            raise TareError(f"{self.path} lacks {name}: it is damaged or cut off. Fetch or save it again.")
        with content:
            yield content

    def bytes(self, name: str) -> bytes:
        """Read a small file."""
        with self.file(name) as file:
            content = file.read(_SMALL_BYTES + 1)
        if len(content) > _SMALL_BYTES:
            raise TareError(f"{self.path}: {name} is far too large for its kind.")
        return content

    def json(self, name: str) -> Any:
        """Read a small JSON file."""
        return json.loads(self.bytes(name))

    def checked(self, digest: str) -> Any:
        """Read a small JSON blob, and check its digest."""
        name = blob_path(_named(digest))
        content = self.bytes(name)
        _compare(f"{digest.partition(':')[0]}:{_new(digest, content).hexdigest()}", digest, name)
        return json.loads(content)

    def _member(self, name: str) -> tarfile.TarInfo | None:
        return self.members.get(name) or self.members.get(f"./{name}")


def _named(digest: object) -> str:
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise TareError(f"the image names {digest!r} where a digest belongs; it is not used.")
    return digest


def _new(digest: str, content: bytes = b"") -> Any:
    return hashlib.new(digest.partition(":")[0], content)


def _hash(file: IO[bytes], like: str) -> str:
    total = _new(like)
    while piece := file.read(_PIECE_BYTES):
        total.update(piece)
    return f"{like.partition(':')[0]}:{total.hexdigest()}"


def _compare(found: str, expected: str, name: str) -> None:
    if found != expected:
        raise TareError(
            f"{name} is damaged: its digest is {found[:19]}… instead of {expected[:19]}…. "
            "Fetch or save the image again."
        )
