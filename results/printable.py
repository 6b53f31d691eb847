"""Make text from elsewhere safe to print: names, reasons, a guest's console lines, other tools' words."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""Spell out what could steer a terminal or hide text: control characters, lone surrogates, changes of direction.

    Line ends, tabs and blanks of any width stay. An escape character becomes the four visible ones ``\x1b``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _harmless(character) else _spelled(character) for character in text)


def one_line(text: str) -> str:
    r"""Make text printable within one line, so that none of it passes for a line of ours: a line end becomes ``\n``."""
    return "".join(_spelled(character) if character in "\n\t" else character for character in printable(text))


def _harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"


def _spelled(character: str) -> str:
    # A lone surrogate stands for a byte that was no UTF-8 (PEP 383).
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
