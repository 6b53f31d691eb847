"""Unpack LZ4's legacy frames, in which Debian and Ubuntu compress their kernels.

Python's library has no LZ4, and a dependency for one file, unpacked once and then cached, would burden every user.
Format: ``doc/lz4_Frame_format.md`` (legacy frame) and ``doc/lz4_Block_format.md`` of the LZ4 project.
"""

from __future__ import annotations

from tare.results.said import say

MAGIC = b"\x02\x21\x4c\x18"


def decompress_legacy(data: bytes, *, limit_bytes: int = 1 << 30) -> bytes:
    """Unpack a legacy frame. The kernel build appends the unpacked size (u32), which is not a block.

    Raises:
        ValueError: the data is no such frame, is truncated, or unpacks to more than ``limit_bytes``.
    """
    if data[:4] != MAGIC:
        raise ValueError(say("lz4.no_frame", "not an LZ4 legacy frame"))
    out = bytearray()
    at = 4
    while at + 4 < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        at += 4
        if at + size > len(data):
            raise ValueError(say("lz4.frame", "LZ4 frame is truncated"))
        _block(data[at : at + size], out, limit_bytes)
        at += size
    return bytes(out)


def _block(block: bytes, out: bytearray, limit_bytes: int) -> None:  # noqa: C901, PLR0912 - calls would cost seconds
    """Unpack one block and append it. Matches never reach back beyond the block's start."""
    start, at, end = len(out), 0, len(block)
    try:
        while at < end:
            token = block[at]
            at += 1
            literals = token >> 4
            if literals == 15:
                while True:
                    more = block[at]
                    at += 1
                    literals += more
                    if more != 255:
                        break
            if literals:
                out += block[at : at + literals]
                at += literals
            if at >= end:  # the last sequence has literals only
                break
            offset = block[at] | block[at + 1] << 8
            at += 2
            length = (token & 15) + 4
            if length == 19:
                while True:
                    more = block[at]
                    at += 1
                    length += more
                    if more != 255:
                        break
            source = len(out) - offset
            if offset == 0 or source < start:
                raise ValueError(say("lz4.match", "LZ4 match outside its block"))
            if offset >= length:
                out += out[source : source + length]
            else:  # the match overlaps what it writes: a repeating pattern
                pattern = bytes(out[source:])
                out += (pattern * (length // offset + 1))[:length]
            if len(out) > limit_bytes:
                raise ValueError(say(
                    "lz4.large", "LZ4 data unpack to more than {limit_bytes} bytes",
                    limit_bytes=limit_bytes,
                ))  # fmt: skip
    except IndexError:
        raise ValueError(say("lz4.block", "LZ4 block is truncated")) from None
    if at != end:
        raise ValueError(say("lz4.block", "LZ4 block is truncated"))
