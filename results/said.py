"""Say sentences that other languages can repeat: a code with values beside the English text.

The text is written where it is said, and goes its way as a plain string. What it was made of is remembered by the text
itself, and recorded beside it (``said`` of a trial and of a manifest), so that a report in another language finds its own
sentence by the code. Nothing reads the English text. Records of it are made by :mod:`tare.results.origins`: this module
imports nothing, since readers of options use it in every session of pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN_CHARACTERS = 80
"""Length to which :func:`shown` cuts."""
KEPT = 1_000
"""Texts with values that are said first and never forgotten: modules keep some of them as constants, such as what their
workloads measure."""
MOST_REMEMBERED = 20_000
"""Later texts with values whose origin is kept; the oldest ones are forgotten first and stay English."""


TERMINAL = "terminal."
"""Beginning of the codes of words that only the terminal shows, such as heads of tables. A record has none of them, though
some of its values may read the same."""


CATALOGUE = "catalogue."
"""Beginning of the codes of texts that come from the catalogue of the reports; the key follows. A record has none of them."""

LISTED = "listed"
"""Code of texts in a row: each is a value under its number."""
SEPARATOR = "separator"
"""Name of the value that stands between texts in a row."""
BETWEEN = "; "
"""What stands between texts in a row where nothing else is asked for; other languages have a sign of their own."""


class Name(str):
    """Mark a name that somebody gave, of a workload, a run or a host: pages and terminals repeat it in no other language."""

    __slots__ = ()


Made = tuple[str, dict[str, str]]
"""Code of a sentence, and placeholder → text."""

_first: dict[str, Made] = {}
_remembered: dict[str, Made] = {}
_fixed: dict[str, Made] = {}
"""Texts without values, which are as many as the source has, and are never forgotten: modules keep them as constants."""


def say(code: str, template: str, /, **values: object) -> str:
    """Fill in an English template and remember what the text was made of."""
    text = template.format_map(values)
    if not values:
        _fixed[text] = (code, {})
        return text
    return remember(text, (code, {name: str(value) for name, value in values.items()}))


def listed(parts: Iterable[str], separator: str = BETWEEN) -> str:
    """Put texts in a row and remember each of them; a single one, or none, stays as it is."""
    texts = list(parts)
    text = separator.join(texts)
    if len(texts) < 2:
        return text
    return remember(text, (LISTED, {SEPARATOR: separator, **{str(n): one for n, one in enumerate(texts)}}))


def remember(text: str, said: Made) -> str:
    """Remember what a text was made of, and return the text; the oldest ones but the first are forgotten."""
    if text in _first or len(_first) < KEPT:
        _first[text] = said
        return text
    _remembered.pop(text, None)
    _remembered[text] = said
    while len(_remembered) > MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]
    return text


def quoted(key: str, text: str, /, **values: object) -> str:
    """Remember a text that was made of an English catalogue's, for whoever repeats it in another language."""
    return remember(text, (f"{CATALOGUE}{key}", {name: str(value) for name, value in values.items()}))


def shown(text: str) -> str:
    """Cut a text of the user's to a length that can be read in a sentence."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def joined(reason: str, remedy: str) -> str:
    """Put a reason and its remedy into one text; that of the one which is not empty if there is one only."""
    if not reason or not remedy:
        return reason or remedy
    if reason.endswith((".", "!", "?")):
        return say("joined", "{reason} {remedy}", reason=reason, remedy=remedy)
    return listed((reason, remedy), ". " if remedy[0].isupper() else BETWEEN)


def made_of(text: str) -> Made | None:
    """Look up the code and the values of a text; ``None`` if it was not said by this process."""
    return _fixed.get(text) or _first.get(text) or _remembered.get(text)
