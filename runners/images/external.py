"""Read external images: OCI layouts, and archives of ``docker save``, ``podman save`` or ``skopeo copy``.

Images are checked against their own digests. The agent and everything else that places need are further layers over
the image's (:mod:`tare.runners.images.build`), whose bytes do not change.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from tare.results.said import say, shown
from tare.runners.errors import SettingRefused, TareError
from tare.runners.images.compression import uncompressed
from tare.runners.images.external_files import (
    PIECE_BYTES,
    REMEDY,
    Box,
    checked_digest,
    compare_digests,
    digest_of,
    new_hash,
)
from tare.runners.images.oci import blob_path
from tare.runners.provision import arch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


LEAST_BOUND_BYTES = 1 << 30
"""Size up to which every layer is unpacked, however well it was packed."""

LARGEST_RATIO = 100
"""Times its packed size that a larger layer may have; gzip reaches 1,000 with nothing but zeros."""


class ExternalLayer(msgspec.Struct, frozen=True):
    """A layer of an external image, as it is stored."""

    member: str
    """Name of its file in the layout or archive."""
    digest: str
    """Digest of the stored bytes; empty if the format does not tell."""
    diff_id: str
    """Digest of the uncompressed tar."""


class ExternalImage(msgspec.Struct, frozen=True):
    """An external image, read but not unpacked."""

    path: Path
    reference: str
    """The user's name for it: a path, or ``PATH:NAME``."""
    digest: str
    """Digest of its manifest, or of its configuration if there is none (``docker save``)."""
    layers: tuple[ExternalLayer, ...]
    """Its layers, lowest first."""
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    directory: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    pulled_as: str = ""
    """Pinned name in the registry that it was pulled from. Empty: it was given as a file or folder."""

    @property
    def title(self) -> str:
        """Name the image for people: its file, or its pinned name."""
        return self.pulled_as or self.path.name

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
            Box.opened(self.path) as box,
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
            with Box.opened(self.path) as box, box.file(layer.member) as stored:
                compare_digests(digest_of(stored, layer.digest), layer.digest, layer.member)
        total = new_hash(layer.diff_id)
        most = max(LEAST_BOUND_BYTES, LARGEST_RATIO * _stored_bytes(self.path, layer.member))
        try:
            with self.layer(layer) as tar, dest.open("wb") as file:
                while piece := tar.read(PIECE_BYTES):
                    total.update(piece)
                    file.write(piece)
                    if file.tell() > most:
                        raise TareError(say(
                            "image.bomb",
                            "{path}: {member} unpacks to more than {largest_ratio} times its size and {least_bound_bytes} MiB; "
                            "it is not used. Save the image uncompressed.",
                            path=self.path, member=layer.member, largest_ratio=LARGEST_RATIO,
                            least_bound_bytes=LEAST_BOUND_BYTES >> 20,
                        ))  # fmt: skip
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TareError(say(
                "image.member_damaged", "{path}: {member} is damaged: {error}. Fetch or save it again.",
                path=self.path, member=layer.member, error=error,
            )) from error  # fmt: skip
        compare_digests(f"{layer.diff_id.partition(':')[0]}:{total.hexdigest()}", layer.diff_id, layer.member)


def _stored_bytes(path: Path, member: str) -> int:
    with Box.opened(path) as box, box.file(member) as stored:
        return stored.seek(0, 2)


def read_external(reference: str) -> ExternalImage:
    """Read an image by ``PATH``, or by ``PATH:NAME`` if there are several in it.

    Raises:
        TareError: it is no image, or has none for this machine.
    """
    try:
        path, name = _split(reference)
    except OSError as error:
        raise SettingRefused("--image", say(
            "image.reference", "{reference}…: {strerror}. {remedy}",
            reference=reference[:60], strerror=error.strerror, remedy=REMEDY,
        )) from error  # fmt: skip
    try:
        with Box.opened(path) as box:
            if "index.json" in box:
                return _oci(box, path, name, reference)
            if "manifest.json" in box:
                return _docker(box, path, name, reference)
    except OSError as error:
        raise TareError(say(
            "image.unreadable", "{path} cannot be read: {strerror}. {remedy}",
            path=path, strerror=error.strerror or error, remedy=REMEDY,
        )) from error  # fmt: skip
    except RecursionError:
        raise TareError(say(
            "image.document_deep", "{path} has a document that is nested too deeply to be an image's. {remedy}",
            path=path, remedy=REMEDY,
        )) from None  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TareError(say(
            "image.invalid", "{path} is not a valid image: {error!r}. {remedy}",
            path=path, error=error, remedy=REMEDY,
        )) from error  # fmt: skip
    raise TareError(say(
        "image.no_index", "{path} has neither an index.json (OCI) nor a manifest.json (docker save). {remedy}",
        path=path, remedy=REMEDY,
    ))  # fmt: skip


def is_here(reference: str) -> bool:
    """Tell whether there is a file or folder of that name, or of the one before its last colon."""
    front, colon, _ = reference.rpartition(":")
    return Path(reference).exists() or (bool(colon) and Path(front).exists())


def _split(reference: str) -> tuple[Path, str]:
    if is_here(reference):
        path = Path(reference)
        front, _, name = reference.rpartition(":")
        return (path, "") if path.exists() else (Path(front), name)
    raise SettingRefused("--image", say(
        "image.no_file", "{reference}: there is no such file or folder. {remedy} An image of a registry has its "
        "host in its name, or docker:// before it: docker.io/library/redis:7, docker://redis:7.",
        reference=shown(reference), remedy=REMEDY,
    ))  # fmt: skip


def _oci(box: Box, path: Path, name: str, reference: str) -> ExternalImage:
    entries = box.json("index.json")["manifests"]
    if name:
        key = "org.opencontainers.image.ref.name"
        chosen = [each for each in entries if (each.get("annotations") or {}).get(key) == name]
        known = [(each.get("annotations") or {}).get(key, "?") for each in entries]
        if not chosen:
            raise TareError(say(
                "image.no_name", "{path} has no image {name}; it has {known}.",
                path=path, name=name, known=", ".join(known),
            ))  # fmt: skip
        entries = chosen
    digest = _for_this_machine(box, path, entries, set())
    manifest = box.checked(digest)
    config = box.checked(manifest["config"]["digest"])
    stored = manifest["layers"]
    diff_ids = config["rootfs"]["diff_ids"]
    if len(stored) != len(diff_ids):
        raise TareError(say(
            "image.layers_differ", "{path}: its manifest has {stored} layers and its configuration {diff_ids}.",
            path=path, stored=len(stored), diff_ids=len(diff_ids),
        ))  # fmt: skip
    layers = tuple(
        ExternalLayer(blob_path(checked_digest(each["digest"])), each["digest"], checked_digest(diff_id))
        for each, diff_id in zip(stored, diff_ids, strict=True)
    )
    return _made(path, reference, digest, layers, config)


def _for_this_machine(
    box: Box, path: Path, entries: list[dict[str, Any]], seen: set[str], depth: int = 0
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
            if (digest := checked_digest(each["digest"])) in seen:
                continue
            seen.add(digest)
            try:
                inner = box.checked(each["digest"])["manifests"]
                found.append(_for_this_machine(box, path, inner, seen, depth + 1))
            except _OtherMachines as error:
                others += error.machines
        else:
            found.append(checked_digest(each["digest"]))
    found = list(dict.fromkeys(found))
    if not found:
        raise _OtherMachines(path, wanted, others)
    if len(found) > 1:
        raise TareError(say(
            "image.many", "{path} has {found} images for {wanted}; choose one by --image PATH:NAME.",
            path=path, found=len(found), wanted=wanted,
        ))  # fmt: skip
    return found[0]


class _OtherMachines(TareError):
    def __init__(self, path: Path, wanted: str, machines: list[str]) -> None:
        self.machines = machines
        super().__init__(
            say(
                "image.other_machines",
                "{path} has no image for {wanted}, only for {machines}. Save the one for this machine (`--platform`).",
                path=path,
                wanted=wanted,
                machines=", ".join(machines) or "none",
            )
        )


def _docker(box: Box, path: Path, name: str, reference: str) -> ExternalImage:
    saved = box.json("manifest.json")
    if name:
        saved = [
            each for each in saved if any(tag.endswith(f":{name}") for tag in each.get("RepoTags") or ())
        ]
    if len(saved) != 1:
        tags = [tag for each in box.json("manifest.json") for tag in each.get("RepoTags") or ("untagged",)]
        raise TareError(say(
            "image.many_tags", "{path} has {tags}; choose one by --image PATH:TAG.",
            path=path, tags=", ".join(tags),
        ))  # fmt: skip
    raw = box.bytes(saved[0]["Config"])
    config = json.loads(raw)
    files, diff_ids = saved[0]["Layers"], config["rootfs"]["diff_ids"]
    if not all(isinstance(each, str) for each in files):
        raise TypeError(say("image.layer_unnamed", "a layer's file has no name"))
    if len(files) != len(diff_ids):
        raise TareError(say(
            "image.files_differ", "{path}: its manifest has {files} layers and its configuration {diff_ids}.",
            path=path, files=len(files), diff_ids=len(diff_ids),
        ))  # fmt: skip
    layers = tuple(
        ExternalLayer(each, "", checked_digest(diff_id))
        for each, diff_id in zip(files, diff_ids, strict=True)
    )
    return _made(path, reference, f"sha256:{hashlib.sha256(raw).hexdigest()}", layers, config)


def _made(
    path: Path, reference: str, digest: str, layers: tuple[ExternalLayer, ...], config: Mapping[str, Any]
) -> ExternalImage:
    wanted = arch.current().debian
    if config.get("architecture", wanted) != wanted:
        raise _OtherMachines(path, wanted, [str(config["architecture"])])
    if config.get("os", "linux") != "linux":
        raise TareError(say(
            "image.other_system", "{path} is an image for {os}, not for linux.",
            path=path, os=config["os"],
        ))  # fmt: skip
    started = msgspec.convert(config.get("config") or {}, _Started)
    for text in (*(started.Env or ()), started.WorkingDir or "", *(started.Entrypoint or ()), *(started.Cmd or ())):  # fmt: skip
        if b"\0" in text.encode():  # which raises ValueError, too, on a lone surrogate
            raise ValueError(say("image.no_argument", "{text!r} cannot be given to a program", text=text))
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
