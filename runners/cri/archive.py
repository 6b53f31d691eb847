"""An image as the archive that ``docker save`` writes, which ``ctr images import`` reads: one tree, one layer."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING

from runners.images.layers import write_tar
from runners.provision import arch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_archive(tree: Path, to: IO[bytes], tag: str, *, command: Sequence[str] = ()) -> None:
    """Write ``tree`` as the image ``tag``; the same tree gives the same bytes.

    Args:
        tree: what the image has in it.
        to: the archive.
        tag: ``name:tag`` by which the engine will know it.
        command: what is run where the engine says nothing else.
    """
    with tempfile.TemporaryFile() as layer, tarfile.open(fileobj=to, mode="w|") as archive:
        write_tar(tree, layer)
        layer.seek(0)
        digest = hashlib.file_digest(layer, "sha256").hexdigest()
        config = json.dumps(
            {
                "architecture": arch.current().debian,
                "os": "linux",
                "config": {"Entrypoint": list(command)} if command else {},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
        ).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        index = [{"Config": name, "RepoTags": [tag], "Layers": [f"{digest}/layer.tar"]}]
        size = layer.tell()
        layer.seek(0)
        _add(archive, f"{digest}/layer.tar", layer, size)
        _add(archive, name, io.BytesIO(config), len(config))
        text = json.dumps(index).encode()
        _add(archive, "manifest.json", io.BytesIO(text), len(text))


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    archive.addfile(member, content)
