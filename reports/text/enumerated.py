"""Enumerate some of many texts in a sentence or a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.text.words import Words


def some(texts: Sequence[str], most: int, words: Words) -> str:
    """Name at most so many texts and count the others; with commas between them, unless one has a comma in itself."""
    named = texts[:most]
    told = words.row(named) if any("," in text for text in named) else ", ".join(named)
    return words("list.and_more", names=told, n=len(texts) - most) if len(texts) > most else told
