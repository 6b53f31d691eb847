"""Make images as other tools would, good and bad, for tests of ``--image``."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tare.runners.provision import arch


def tar(*members: tuple[str, bytes] | tuple[str, bytes, str]) -> bytes:
    """Make a tar archive; members are (name, content) or (name, type, link's target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            entry = tarfile.TarInfo(member[0])
            entry.mode = 0o755
            if len(member) == 3:
                entry.type, entry.linkname = member[1:]
                archive.addfile(entry)
            else:
                entry.size = len(member[1])
                archive.addfile(entry, io.BytesIO(member[1]))
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """Give the OCI digest of some content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layout(
    folder: Path,
    layers: Sequence[bytes],
    *,
    packed: bool = True,
    architecture: str = "",
    started: Mapping[str, object] | None = None,
    name: str = "latest",
) -> Path:
    """Add an image to an OCI layout in a folder."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(content: bytes, kind: str) -> dict[str, object]:
        (blobs / digest(content)[7:]).write_bytes(content)
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": digest(content),
            "size": len(content),
        }

    architecture = architecture or arch.current().debian
    config = {
        "architecture": architecture, "os": "linux", "config": started or {},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
    }  # fmt: skip
    manifest = {
        "schemaVersion": 2,
        "config": put(json.dumps(config).encode(), "config.v1+json"),
        "layers": [put(gzip.compress(layer) if packed else layer, "layer.v1.tar") for layer in layers],
    }
    entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
    entry |= {
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {"org.opencontainers.image.ref.name": name},
    }
    path = folder / "index.json"
    index: Any = json.loads(path.read_text()) if path.exists() else {"schemaVersion": 2, "manifests": []}
    index["manifests"].append(entry)
    path.write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def docker_archive(path: Path, layers: Sequence[bytes], started: Mapping[str, object] | None = None) -> Path:
    """Write what ``docker save`` wrote before it knew OCI."""
    config = json.dumps(
        {"architecture": arch.current().debian, "os": "linux", "config": started or {},
         "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}
    ).encode()  # fmt: skip
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    saved = [{"Config": "config.json", "RepoTags": ["made:1"], "Layers": names}]
    path.write_bytes(
        tar(
            ("manifest.json", json.dumps(saved).encode()),
            ("config.json", config),
            *zip(names, layers, strict=True),
        )
    )
    return path


def archived(folder: Path, path: Path) -> Path:
    """Pack a layout into one archive."""
    with tarfile.open(path, "w") as archive:
        archive.add(folder, ".")
    return path
