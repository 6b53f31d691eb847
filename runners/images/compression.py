"""Decompress the layers of images that were made elsewhere."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.endings import last_words

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 1 << 20


@contextmanager
def uncompressed(stored: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """Decompress by the first bytes, as media types and file names are often wrong."""
    magic = stored.read(4)
    stored.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=stored, mode="rb") as opened:
            yield cast("IO[bytes]", opened)
    elif magic == b"\x28\xb5\x2f\xfd":
        yield from _by_zstd(stored, name)
    elif magic.startswith((b"BZh", b"\xfd7zX")):
        raise TareError(say(
            "image.other_compression", "{name} is compressed by bzip2 or xz, which OCI does not know; use gzip, zstd or none.",
            name=name,
        ))  # fmt: skip
    else:
        yield stored


def _by_zstd(stored: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    program = shutil.which("zstd")
    if program is None:
        raise TareError(say(
            "image.no_zstd", "{name} is compressed by zstd, which is not installed: `apt-get install zstd`.",
            name=name,
        ))  # fmt: skip
    import tempfile  # noqa: PLC0415 - for this rare form only

    with tempfile.TemporaryFile() as packed, tempfile.TemporaryFile() as said:
        shutil.copyfileobj(stored, packed, _PIECE_BYTES)
        packed.seek(0)
        with subprocess.Popen(
            [program, "-dcq"], stdin=packed, stdout=subprocess.PIPE, stderr=said
        ) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            try:
                yield process.stdout
                if not process.stdout.read(1) and process.wait():
                    said.seek(0)
                    words = last_words(said.read().decode(errors="replace"), process.returncode)
                    raise TareError(say(
                        "image.compression_damaged", "{name} is damaged: {words}.",
                        name=name, words=words,
                    ))  # fmt: skip
            finally:
                process.kill()  # does nothing where it has ended
