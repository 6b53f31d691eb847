"""The image as OCI has it: layers, configuration, manifest and index, each named by its digest.

One form serves every engine. The archive is an OCI image layout (image-spec 1.0) that also has the ``manifest.json``
of ``docker save``, so ``docker load``, ``podman load``, ``ctr image import`` and ``skopeo`` all take it, the last as
``docker-archive:`` and as ``oci-archive:``. Members that both forms need, such as layers, are in it once.

Layers are stored as they are, uncompressed: what is loaded on the host that built it saves nothing by compression, and
two versions of zlib do not make the same bytes. A layer's digest is thus its diff id, and decided by its content alone.
:func:`compressed_bytes` says what a registry would move.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

from tare.runners.errors import TareError
from tare.runners.images.image import AGENT
from tare.runners.images.layers import Digest
from tare.runners.provision import arch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from tare.runners.images.image import Image
    from tare.runners.images.layers import Layer

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
REFERENCE_KEY = "org.opencontainers.image.ref.name"
CONTAINERD_KEY = "io.containerd.image.name"
"""Where containerd looks for an image's whole name; the OCI's annotation has the tag alone."""

EPOCH = "1970-01-01T00:00:00Z"
GZIP_LEVEL = 6
"""What registries' clients use."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a layout."""

    name: str
    size: int
    write: Callable[[IO[bytes]], None]


@dataclass(frozen=True, slots=True)
class OciImage:
    """Layers and how they are started."""

    layers: tuple[Layer, ...]
    name: str
    """With a tag: ``repository:tag``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = (f"/{AGENT}",)
    environ: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"

    def config(self) -> bytes:
        """The configuration; its digest is the image's id in engines that follow Docker."""
        started: dict[str, Any] = {
            "Entrypoint": list(self.entrypoint),
            "Env": [f"{name}={value}" for name, value in sorted(self.environ.items())],
            "WorkingDir": self.directory,
        }
        if self.labels:
            started["Labels"] = dict(sorted(self.labels.items()))
        return _json(
            {
                "architecture": _architecture(),
                "os": "linux",
                "created": EPOCH,
                "config": started,
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in self.layers]},
                "history": [
                    {"created": EPOCH, "created_by": f"tare: layer {layer.name}"} for layer in self.layers
                ],
            }
        )

    def manifest(self) -> bytes:
        """Configuration and layers by digest and size."""
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": _descriptor(CONFIG_TYPE, self.config()),
                "layers": [
                    {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.tar_bytes}
                    for layer in self.layers
                ],
            }
        )

    @property
    def digest(self) -> str:
        """Of the manifest: the image's name in registries and in containerd."""
        return _digest(self.manifest())

    def members(self, without: Collection[str] = ()) -> Iterator[Member]:
        """All files of a layout that engines of either kind take, blobs first and each once.

        ``without``: digests of layers to leave out. Docker needs none that it has already.
        """
        config, manifest = self.config(), self.manifest()
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [
                {
                    **_descriptor(MANIFEST_TYPE, manifest),
                    "platform": {"architecture": _architecture(), "os": "linux"},
                    "annotations": {
                        CONTAINERD_KEY: _full(self.name),
                        REFERENCE_KEY: self.name.rpartition(":")[2],
                    },
                }
            ],
        }
        saved = [
            {
                "Config": blob_path(_digest(config)),
                "RepoTags": [self.name],
                "Layers": [blob_path(layer.digest) for layer in self.layers],
            }
        ]
        for layer in {layer.digest: layer for layer in self.layers}.values():
            if layer.digest in without:
                continue
            yield Member(blob_path(layer.digest), layer.tar_bytes, layer.write_tar)
        yield _small(blob_path(_digest(config)), config)
        yield _small(blob_path(_digest(manifest)), manifest)
        yield _small("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        yield _small("index.json", _json(index))
        yield _small("manifest.json", _json(saved))

    def write_archive(self, to: IO[bytes], *, without: Collection[str] = ()) -> None:
        """Stream the archive. Equal layers, name and labels make equal bytes; ``without`` as in :meth:`members`."""
        for folder in ("blobs", "blobs/sha256"):
            to.write(_header(folder, tarfile.DIRTYPE, 0o755, 0))
        for member in self.members(without):
            to.write(_header(member.name, tarfile.REGTYPE, 0o644, member.size))
            body = _Body(to)
            member.write(cast("IO[bytes]", body))
            body.end(member)
        to.write(bytes(2 * tarfile.BLOCKSIZE))

    def write_layout(self, folder: Path) -> None:
        """Write the layout into an empty or new folder."""
        (folder / "blobs/sha256").mkdir(parents=True)
        for member in self.members():
            with (folder / member.name).open("wb") as file:
                member.write(file)


def of_image(image: Image, name: str, labels: Mapping[str, str] | None = None) -> OciImage:
    """The suite's image, to be known by ``name`` (``repository:tag``); its entry point is the agent."""
    return OciImage(image.layers, name, labels or {})


def blob_path(digest: str) -> str:
    """Where a layout has the blob of that digest."""
    algorithm, _, value = digest.partition(":")
    return f"blobs/{algorithm}/{value}"


def compressed_bytes(layer: Layer, level: int = GZIP_LEVEL) -> int:
    """How large the layer is with gzip: what a registry stores and moves."""
    counted = Digest()
    with ExitStack() as stack:
        packed = gzip.GzipFile("", "wb", level, cast("IO[bytes]", counted), mtime=0)
        stack.enter_context(packed)
        layer.write_tar(cast("IO[bytes]", packed))
    return counted.size


@dataclass(slots=True)
class _Body:
    """The body of one member of an archive, to be written in pieces."""

    to: IO[bytes]
    _seen: Digest = field(default_factory=Digest)

    def write(self, data: bytes) -> int:
        """Append to the body."""
        self.to.write(data)
        return self._seen.write(data)

    def end(self, member: Member) -> None:
        """Pad to whole blocks. A blob that is not what its name says would make an image that engines refuse."""
        blob = member.name.startswith("blobs/")
        if self._seen.size != member.size or (blob and blob_path(self._seen.name()) != member.name):
            raise TareError(
                f"{member.name} has other content than its name says: a layer was changed in the cache. "
                "Remove the folders `layers` and `images` there."
            )
        self.to.write(bytes(-member.size % tarfile.BLOCKSIZE))


def _header(name: str, kind: bytes, mode: int, size: int) -> bytes:
    """Not by ``TarFile.addfile``, which reads the body from a file; ours is written as it is made."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def _small(name: str, content: bytes) -> Member:
    def write(to: IO[bytes]) -> None:
        to.write(content)

    return Member(name, len(content), write)


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()


def _architecture() -> str:
    """OCI says architectures as Go does, and so does Debian for ours."""
    return arch.current().debian


def _full(name: str) -> str:
    """A name as engines complete it; one that has a host in front stays."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"
