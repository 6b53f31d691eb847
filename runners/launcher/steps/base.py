"""Define a step, and turn steps into instructions for ``launcher.c``.

Each step describes itself for people (:meth:`Step.describe`) and encodes itself as instructions (:meth:`Step.encode`).
Namespaces asked for at birth are steps too: they have a clone flag and no instruction. The launcher reports a step that
the host refuses by its index, so the error can name it.
"""

from __future__ import annotations

import os
import struct
from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Op(IntEnum):
    """Opcodes of instructions, as ``steps.h`` numbers them."""

    MOUNT = 1
    UNMOUNT = 2
    PIVOT_ROOT = 3
    CHROOT = 4
    CHDIR = 5
    MKDIR = 6
    HOSTNAME = 7
    WRITE = 8
    KEEP_CAPABILITIES = 9
    NO_NEW_PRIVILEGES = 10
    SECCOMP = 11
    LIMIT = 12
    LINK_UP = 13
    UNSHARE = 14
    ENTER = 15
    KEEP_NETLINK = 16
    NETLINK = 17
    SPIN = 18


class Step(msgspec.Struct, frozen=True):
    """One thing that a new process does before it becomes its program."""

    @property
    def clone_flags(self) -> int:
        """Flags that clone3(2) has to be called with for this step."""
        return 0

    def describe(self) -> str:
        """Say in one line what the step does."""
        raise NotImplementedError

    def encode(self, index: int) -> bytes:
        """Encode the step as instructions; ``index`` comes back with a failure."""
        raise NotImplementedError


def instruction(
    opcode: Op, step: int, numbers: Iterable[int] = (), texts: Iterable[bytes | str | Path] = ()
) -> bytes:
    """Encode one instruction as ``launcher.c`` reads it: up to three numbers and four texts."""
    a, b, c = [*numbers, 0, 0, 0][:3]
    encoded = [encode_text(text) for text in texts]
    return struct.pack("=6Q", opcode, step, a, b, c, len(encoded)) + b"".join(encoded)


def count_instructions(body: bytes) -> int:
    """Count the instructions in a sequence of them: a step may have none, one or several."""
    count = at = 0
    while at < len(body):
        texts = struct.unpack_from("=Q", body, at + 40)[0]
        at += 48
        for _ in range(texts):
            at += 4 + struct.unpack_from("=I", body, at)[0]
        count += 1
    return count


def encode_text(text: bytes | str | Path) -> bytes:
    """Encode a text as its length and its bytes; a ``str`` or path gets a terminating NUL, ``bytes`` stay as they are.

    Raises:
        ValueError: there is a NUL in the text, which the kernel would take for its end.
    """
    if isinstance(text, bytes):
        raw = text
    else:
        raw = os.fsencode(text)
        if b"\0" in raw:
            raise ValueError(say("launcher.nul_byte", "{text!r} has a NUL byte in it", text=text))
        raw += b"\0"
    return struct.pack("=I", len(raw)) + raw
