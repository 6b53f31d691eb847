"""Read what a step encodes for the launcher."""

import struct
from collections.abc import Iterator


def instructions(body: bytes) -> Iterator[tuple[int, int, tuple[int, int, int], list[bytes]]]:
    """Decode each instruction: opcode, step, numbers, texts."""
    at = 0
    while at < len(body):
        opcode, step, a, b, c, count = struct.unpack_from("=6Q", body, at)
        at += 48
        texts = []
        for _ in range(count):
            (size,) = struct.unpack_from("=I", body, at)
            texts.append(body[at + 4 : at + 4 + size])
            at += 4 + size
        yield opcode, step, (a, b, c), texts
