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


def legible(text: str, kept: str = "") -> str:
    """Replace each character that a page or a figure must not have, such as a control character, by U+FFFD.

    Blanks of any width stay, and so does what is in ``kept``.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character in kept or _visible(character) else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _harmless(character: str) -> bool:
    return character in "\n\t" or _visible(character)


def _visible(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _spelled(character: str) -> str:
    # A lone surrogate stands for a byte that was no UTF-8 (PEP 383).
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
