"""Write an image in OCI's form: layers, configuration, manifest and index, each named by its digest.

One archive serves every engine. It is an OCI image layout (image-spec 1.0) that also has the ``manifest.json`` of
``docker save``, so ``docker load``, ``podman load``, ``ctr image import`` and ``skopeo`` all take it, the last as
``docker-archive:`` and as ``oci-archive:``. Files that both forms need, such as layers, are in it once.

Layers are stored uncompressed: compression saves nothing on the host that built them, and two versions of zlib do not
make the same bytes. So a layer's digest is its diff id, and depends on its content alone.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from typing import IO, TYPE_CHECKING, Any, cast

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.images.image import AGENT
from tare.runners.images.layers import Digest
from tare.runners.provision import arch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from tare.runners.images.image import Image
    from tare.runners.images.layers import Layer

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
REFERENCE_KEY = "org.opencontainers.image.ref.name"
CONTAINERD_KEY = "io.containerd.image.name"
"""Annotation in which containerd looks for an image's whole name; OCI's has only the tag."""

EPOCH = "1970-01-01T00:00:00Z"


class Member(msgspec.Struct, frozen=True):
    """One file of a layout, and a function that writes its content."""

    name: str
    size: int
    """Bytes of content."""
    write: Callable[[IO[bytes]], None]


class OciImage(msgspec.Struct, frozen=True):
    """Layers, and the process that a container of them starts."""

    layers: tuple[Layer, ...]
    name: str
    """Name with a tag: ``repository:tag``."""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    entrypoint: tuple[str, ...] = (f"/{AGENT}",)
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    directory: str = "/"

    def config(self) -> bytes:
        """Encode the configuration; its digest is the image's id in engines that follow Docker."""
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
        """Encode the manifest: configuration and layers by digest and size."""
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
        """Digest of the manifest: the image's name in registries and in containerd."""
        return _digest(self.manifest())

    def members(self, without: Collection[str] = ()) -> Iterator[Member]:
        """Yield all files of a layout that engines of either kind take, blobs first and each once.

        ``without`` has digests of layers to leave out, because Docker has them already.
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
        """Write the archive. Equal layers, name and labels make equal bytes; ``without`` is as in :meth:`members`."""
        for folder in ("blobs", "blobs/sha256"):
            to.write(_header(folder, tarfile.DIRTYPE, 0o755, 0))
        for member in self.members(without):
            to.write(_header(member.name, tarfile.REGTYPE, 0o644, member.size))
            body = _Body(to)
            member.write(cast("IO[bytes]", body))
            body.end(member)
        to.write(bytes(2 * tarfile.BLOCKSIZE))


def of_image(image: Image, name: str, labels: Mapping[str, str] | None = None) -> OciImage:
    """Give the suite's image a name, ``repository:tag``, and the agent as its entry point."""
    return OciImage(image.layers, name, labels or {})


def blob_path(digest: str) -> str:
    """Give the path of a blob in a layout."""
    algorithm, _, value = digest.partition(":")
    return f"blobs/{algorithm}/{value}"


class _Body(msgspec.Struct):
    """The body of one member of an archive, written in pieces."""

    to: IO[bytes]
    _seen: Digest = msgspec.field(default_factory=Digest)

    def write(self, data: bytes) -> int:
        """Append to the body."""
        self.to.write(data)
        return self._seen.write(data)

    def end(self, member: Member) -> None:
        """Pad to whole blocks; raise :class:`TareError` if a blob differs from its name, as engines would refuse it."""
        blob = member.name.startswith("blobs/")
        if self._seen.size != member.size or (blob and blob_path(self._seen.name()) != member.name):
            raise TareError(say(
                "image.layer_changed",
                "{name} has other content than its name says: a layer was changed in the cache. Remove the folders `layers` and `images` there.",
                name=member.name,
            ))  # fmt: skip
        self.to.write(bytes(-member.size % tarfile.BLOCKSIZE))


def _header(name: str, kind: bytes, mode: int, size: int) -> bytes:
    """Encode a member's header: ``TarFile.addfile`` would want its body as a file, but it is generated here."""
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
    """Name the architecture as OCI and Go do; for the supported ones Debian does so, too."""
    return arch.current().debian


def _full(name: str) -> str:
    """Complete a name as engines do; one with a host in front stays."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"
