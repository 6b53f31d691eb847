"""Deliver an image to where it runs, in several ways, and count what each moves.

Layers: those that the target lacks. :class:`Shelf` is the reference without an engine: a folder of unpacked layers,
into which compressed blobs are unpacked and compared with their digests; ``docker load`` does so for Docker. Disks: the
guest's root as one raw file, as qcow2, or as a qcow2 that holds only what differs from the version before.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from tare.bench.measurable import Unsuitable
from tare.results.said import say
from tare.runners.containers.engines.api import DockerApi
from tare.runners.containers.engines.clearing import LABEL, repository
from tare.runners.containers.engines.docker import find_daemon
from tare.runners.errors import TareError
from tare.runners.guests.disks import copy_sparse
from tare.runners.images.apply import Applier
from tare.runners.images.layers import Digest, merge
from tare.runners.images.oci import OciImage, of_image
from tare.runners.images.qcow import convert, difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tare.bench.experiments.base import Lab
    from tare.runners.images.image import Image
    from tare.runners.images.layers import Layer
    from tare.runners.provision.cache import Cache

CACHED, EMPTY = "layers-cached", "layers-empty"
RAW, QCOW2, BACKING = "disk-raw", "disk-qcow2", "disk-backing"
"""Names of the ways, as metrics and reports have them."""

_GZIP_LEVEL = 6
"""Level that registries' clients use."""


@dataclass(frozen=True, slots=True)
class Move:
    """Bytes and time of one delivery. Bytes are counted, not estimated."""

    way: str
    moved_bytes: int
    """Bytes as they are delivered, uncompressed."""
    compressed_bytes: int
    """The same bytes compressed by gzip, or by the form's own compression (qcow2)."""
    deliver_seconds: float
    """Time to copy, verify and unpack on the target, from and to this host's disk, without a network."""


def blob(layer: Layer, store: Cache) -> Path:
    """Return the layer's tar with gzip, as registries keep it, from the cache."""

    def pack(folder: Path) -> Mapping[str, Any]:
        with (
            (folder / "layer.tar.gz").open("wb") as raw,
            gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as packed,
        ):
            layer.write_tar(cast("IO[bytes]", packed))
        return {}

    return store.entry("layer-blobs", f"{layer.digest} gzip {_GZIP_LEVEL}", pack).path / "layer.tar.gz"


def sizes(oci: OciImage, layers: Sequence[Layer], store: Cache) -> tuple[int, int]:
    """Count the bytes of layers with the image's configuration and manifest: uncompressed, and with gzip."""
    documents = len(oci.config()) + len(oci.manifest())
    plain = sum(layer.tar_bytes for layer in layers)
    return plain + documents, sum(blob(layer, store).stat().st_size for layer in layers) + documents


@dataclass(slots=True)
class Shelf:
    """A folder of unpacked layers by digest, and of trees made of them."""

    folder: Path
    store: Cache

    def deliver(self, image: Image, way: str) -> tuple[Image, Move]:
        """Deliver the layers that are lacking and make the image's tree."""
        lacking = [layer for layer in image.layers if not self._layer_folder(layer).exists()]
        blobs = [blob(layer, self.store) for layer in lacking]
        tree = Path(tempfile.mkdtemp(prefix="tree-", dir=self.folder))
        began = time.monotonic()
        for layer, packed in zip(lacking, blobs, strict=True):
            self._unpack(layer, packed)
        merge([self._layer_folder(layer) for layer in image.layers], tree)
        seconds = time.monotonic() - began
        tree.chmod(0o755)
        plain, compressed = sizes(of_image(image, "tare:deploy"), lacking, self.store)
        return replace(image, tree=tree), Move(way, plain, compressed, seconds)

    def _layer_folder(self, layer: Layer) -> Path:
        return self.folder / layer.digest.partition(":")[2]

    def _unpack(self, layer: Layer, packed: Path) -> None:
        """Unpack a blob as engines do: write it as it comes, compare its digest, then unpack it."""
        with tempfile.TemporaryFile(dir=self.folder) as tar:
            seen = Digest()
            with gzip.open(packed) as source:
                while piece := source.read(1 << 20):
                    seen.write(piece)
                    tar.write(piece)
            if seen.name() != layer.digest:
                raise TareError(
                    say(
                        "deploy.layer_damaged",
                        "layer {name} is damaged in the cache; remove its folder `layer-blobs`.",
                        name=layer.name,
                    )
                )
            tar.seek(0)
            folder = self._layer_folder(layer)
            folder.mkdir()
            applier = Applier(folder)
            applier.apply(tar, f"layer {layer.name}")
            applier.end()


@dataclass(frozen=True, slots=True)
class DockerTarget:
    """The Docker daemon that the runner ``docker`` uses, as a target of deliveries."""

    api: DockerApi
    run: str
    workdir: Path
    store: Cache

    @classmethod
    def found(cls, lab: Lab, store: Cache) -> DockerTarget:
        """Find the daemon that the runner uses."""
        return cls(DockerApi(find_daemon().socket), lab.context.run, lab.context.workdir, store)

    def tag(self, image: Image) -> str:
        """Return the name by which the runner will look for the image."""
        return f"{repository(self.run)}:{image.key[:12]}"

    def require_empty(self, image: Image) -> None:
        """Make sure that the daemon has none of the image's layers.

        Raises:
            Unsuitable: another image brought some.
        """
        known = self.api.layers()
        if any(layer.digest in known for layer in image.layers):
            raise Unsuitable(
                say(
                    "deploy.layers_there",
                    "the Docker daemon has layers of the payload from another image, so it is not empty.",
                ),
                say("remedy.remove_image", "Remove that image, or wait for the other run to end."),
            )

    def deliver(self, image: Image, known: Sequence[Layer], way: str) -> Move:
        """Load the image from an archive that leaves out the layers that the daemon has."""
        oci = OciImage(image.layers, self.tag(image), {LABEL: self.run})
        digests = {layer.digest for layer in known}
        lacking = [layer for layer in image.layers if layer.digest not in digests]
        with tempfile.TemporaryFile(dir=self.workdir) as archive:
            oci.write_archive(archive, without=digests)
            archive.seek(0)
            began = time.monotonic()
            self.api.load(archive)
            seconds = time.monotonic() - began
        return Move(way, *sizes(oci, lacking, self.store), seconds)

    def remove(self, image: Image) -> None:
        """Remove the image from the daemon."""
        self.api.remove_image(self.tag(image))


@contextmanager
def folder(lab: Lab) -> Iterator[Path]:
    """Make a folder for one trial in the run's work folder, and remove it at the end."""
    made = Path(tempfile.mkdtemp(prefix="deploy-", dir=lab.context.workdir))
    made.chmod(0o755)
    try:
        yield made
    finally:
        with suppress(OSError):
            shutil.rmtree(made)


@dataclass(frozen=True, slots=True)
class Disks:
    """One version's root disk in its forms, and its difference from the version before."""

    raw: Path
    qcow2: Path
    backing: Path
    """A qcow2 that holds only what differs from the other version's."""
    compressed: Mapping[str, int]
    """Way → bytes: raw and the difference by gzip, qcow2 by its own compression."""


def make_disks(lab: Lab, before: Path, after: Path, made: Path) -> Disks:
    """Make the forms of ``after``, and its difference from ``before``. Untimed: this is done where images are built."""
    tool = lab.provision.tool("qemu-img")
    base = convert(before, made / "v1.qcow2", tool)
    qcow2 = convert(after, made / "v2.qcow2", tool)
    packed = convert(after, made / "v2-packed.qcow2", tool, compress=True)
    backing = difference(base, after, made / "v2-on-v1.qcow2", tool)
    compressed = {RAW: gzip_bytes(after), QCOW2: packed.stat().st_size, BACKING: gzip_bytes(backing)}
    packed.unlink()
    return Disks(after, qcow2, backing, compressed)


def gzip_bytes(path: Path) -> int:
    """Return the bytes of a file after gzip."""
    counted = Digest()
    with (
        path.open("rb") as source,
        gzip.GzipFile("", "wb", _GZIP_LEVEL, cast("IO[bytes]", counted), mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed, 1 << 20)
    return counted.size


def deliver_disk(source: Path, dest: Path, way: str, compressed: int) -> Move:
    """Copy a disk to where it runs. Its holes count as moved bytes, but are not written."""
    began = time.monotonic()
    copy_sparse(source, dest)
    return Move(way, source.stat().st_size, compressed, time.monotonic() - began)
