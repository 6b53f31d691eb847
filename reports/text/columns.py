"""Measure, fill and cut text in columns of a terminal, of which Hangul and other wide letters take two."""

from __future__ import annotations

import unicodedata


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


def _columns(letter: str) -> int:
    return 0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
