"""Damage images made elsewhere: their JSON, with digests that fit it; their layers, in headers or bytes; their archives."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from typing import TYPE_CHECKING, Any

from support.fuzzing.mutators import damaged, json_text, packed, tar_archive
from support.image_making import archived, digest, docker_archive, layout, tar
from tare.runners.images.external import read_external
from tare.runners.images.overlay import command_in, unpack_external
from tare.runners.provision import arch
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

STARTED = {"Env": ["A=b=c", "PATH=/x:/bin"], "WorkingDir": "/w", "Entrypoint": ["/e"], "Cmd": ["app", "d"]}
INPUT = "image"


@cache
def _layers() -> tuple[bytes, bytes]:
    base = tar(
        ("etc/os", b"made elsewhere"),
        ("app", b"#!/bin/sh\necho 1\n"),
        ("bin", tarfile.SYMTYPE, "usr/bin"),
        ("usr/bin/x", b"x" * 600),
        ("lib", tarfile.SYMTYPE, "../../.."),
        ("same", tarfile.LNKTYPE, "app"),
        ("deep/" * 30 + "file", b"1"),
    )
    return base, tar(("app", b"v2"), (".wh.etc", b""), ("usr/.wh..wh..opq", b""), ("lib/y", b"y"))


def _made_layers(chance: Random) -> list[bytes]:
    layers = list(_layers())
    if chance.random() < 0.6:
        at = chance.randrange(len(layers))
        layers[at] = tar_archive(layers[at], chance)
    return layers


def oci(folder: Path, chance: Random) -> list[str]:
    """Make an OCI layout, some of whose documents or layers are damaged though their digests are right."""
    whole = {part: chance.random() > 0.3 for part in ("config", "manifest", "index")}
    home = folder / INPUT
    blobs = home / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> dict[str, Any]:
        (blobs / digest(content)[7:]).write_bytes(content)
        return {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(content),
            "size": len(content),
        }

    def text(part: str, value: Any) -> bytes:
        plain = json.dumps(value).encode()
        return plain if whole[part] else json_text(plain, chance)

    layers = _made_layers(chance)
    stored = [packed(layer, chance) for layer in layers]
    ids = {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}
    machine = arch.current().debian
    config = {"architecture": machine, "os": "linux", "config": STARTED, "rootfs": ids}
    manifest = {
        "schemaVersion": 2,
        "config": put(text("config", config)),
        "layers": [put(layer) for layer in stored],
    }
    entry = put(text("manifest", manifest)) | {
        "platform": {"architecture": machine, "os": "linux"},
        "annotations": {"org.opencontainers.image.ref.name": "latest"},
    }
    if chance.random() < 0.2:
        inner = put(text("index", {"schemaVersion": 2, "manifests": [entry]}))
        entry = inner | {"mediaType": "application/vnd.oci.image.index.v1+json"}
    (home / "index.json").write_bytes(text("index", {"schemaVersion": 2, "manifests": [entry]}))
    (home / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return []


def docker(folder: Path, chance: Random) -> list[str]:
    """Make an archive of ``docker save`` whose documents or layers are damaged."""
    layers = _made_layers(chance)
    config = json.dumps(
        {"architecture": arch.current().debian, "os": "linux", "config": STARTED,
         "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}
    ).encode()  # fmt: skip
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    saved = json.dumps([{"Config": "config.json", "RepoTags": ["made:1"], "Layers": names}]).encode()
    members = [
        ("manifest.json", json_text(saved, chance) if chance.random() < 0.4 else saved),
        ("config.json", json_text(config, chance) if chance.random() < 0.4 else config),
        *((name, packed(layer, chance)) for name, layer in zip(names, layers, strict=True)),
    ]
    (folder / INPUT).write_bytes(packed(tar(*members), chance))
    return []


def archive(folder: Path, chance: Random) -> list[str]:
    """Make whole archives of both kinds, and damage the archive itself."""
    path = folder / "whole"
    if chance.random() < 0.5:
        docker_archive(path, _layers(), started=STARTED)
    else:
        archived(layout(folder / "layout", _layers(), started=STARTED), path)
    data = path.read_bytes()
    path.unlink()
    kinds = (tar_archive, damaged, packed)
    (folder / INPUT).write_bytes(chance.choice(kinds)(data, chance))
    return []


def use(folder: Path) -> None:
    """Read, unpack, and look up the image's command, as ``--image`` does."""
    image = read_external(str(folder / INPUT))
    unpacked = unpack_external(image, Cache(folder / "cache"), lambda _line: None)
    command_in(unpacked, image.command or ("app",))
