"""Measure, fill and cut text in columns of a terminal, of which Hangul and other wide letters take two."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def width(text: str) -> int:
    """Count the columns that text takes in a terminal."""
    return sum(map(_columns, text))


def padded(text: str, columns: int) -> str:
    """Fill text with blanks up to a width; longer text stays as it is."""
    return text + " " * max(0, columns - width(text))


def right(text: str, columns: int) -> str:
    """Put text to the right of a field of a width."""
    return " " * max(0, columns - width(text)) + text


def cut(text: str, columns: int) -> str:
    """Cut text so that it takes no more than a width."""
    kept, taken = "", 0
    for letter in text:
        taken += _columns(letter)
        if taken > columns:
            break
        kept += letter
    return kept


def wrapped(text: str, columns: int, *, first: str = "", rest: str = "") -> Iterator[str]:
    """Wrap text at its blanks so that no line takes more than a width, but for words that do; ``first`` and ``rest`` indent."""
    line, empty = first, True
    for word in text.split():
        if not empty and width(line) + 1 + width(word) > columns:
            yield line
            line, empty = rest, True
        line += word if empty else f" {word}"
        empty = False
    if not empty:
        yield line


def _columns(letter: str) -> int:
    return 0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
