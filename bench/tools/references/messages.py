"""Find the messages that the code says, by reading its source: code and English template."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

PARTS = ("bench", "runners")
"""Packages of ``tare`` whose messages are listed: what judgements say is a part of the report."""

UNLISTED = ("terminal", "noun")
"""Groups that are words and no messages."""


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """Message of the program: its code, and the English template in the source."""

    code: str
    text: str
    """English template with ``{placeholders}``."""

    @property
    def group(self) -> str:
        """Name the part of the code before the dot, by which messages are listed together."""
        return self.code.partition(".")[0]


def messages() -> tuple[Message, ...]:
    """List the messages whose template stands in the source, by code."""
    found = {message for part in PARTS for message in _below(files(f"tare.{part}"))}
    return tuple(sorted(one for one in found if "." in one.code and one.group not in UNLISTED))


def _below(folder: Traversable) -> Iterator[Message]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry)
        elif entry.name.endswith(".py") and "say(" in (source := entry.read_text("utf-8")):
            for node in ast.walk(ast.parse(source)):
                match node:
                    case ast.Call(
                        func=ast.Name(id="say"),
                        args=[ast.Constant(value=str(code)), ast.Constant(value=str(text))],
                    ):
                        yield Message(code, text)
