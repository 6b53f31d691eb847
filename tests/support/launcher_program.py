"""Read what a step encodes for the launcher."""

import struct


def instructions(body):
    """(opcode, step, numbers, texts) of each."""
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
