"""Suggest the word that was probably meant by one that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIKE = 0.6


def nearest(word: str, known: Iterable[str]) -> str:
    """Find the known word that is most like ``word``, ignoring case; empty if none is like it."""
    import difflib  # noqa: PLC0415 - only what goes wrong needs it

    by_lower = {one.lower(): one for one in known}
    wanted = word.lower()
    found = difflib.get_close_matches(wanted, by_lower, n=1, cutoff=_ALIKE)
    if not found and len(wanted) > 2:
        # "cloud" is little like "cloud-hypervisor" as a whole; a beginning is enough where only one word has it.
        begins = [one for one in by_lower if one.startswith(wanted)]
        found = begins if len(begins) == 1 else []
    return by_lower[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Make the end of a sentence: ``; did you mean run?``, or a full stop if no known word is like it."""
    near = nearest(word, known)
    return suggested(near) if near else "."


def suggested(near: str) -> str:
    """Make the end of a sentence that asks whether a known word was meant."""
    return say("hint.near", "; did you mean {near}?", near=near)
