"""Say sentences that other languages can repeat: a code with values beside the English text.

The text is written where it is said, and goes its way as a plain string. What it was made of is remembered by the text
itself, and recorded beside it (``said`` of a trial and of a manifest), so that a report in another language finds its own
sentence by the code. Nothing reads the English text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_REMEMBERED = 20_000
"""Texts with values whose origin is kept; the oldest ones are forgotten first and stay English."""


TERMINAL = "terminal."
"""Beginning of the codes of words that only the terminal shows, such as heads of tables. A record has none of them, though
some of its values may read the same."""


LISTED = "listed"
"""Code of texts in a row: each is a value under its number."""
SEPARATOR = "separator"
"""Name of the value that stands between texts in a row."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold what a sentence was made of."""

    code: str
    """Key of the sentence in catalogues of other languages."""
    values: dict[str, str] = {}
    """Placeholder → text; each may be a sentence that was said, too."""


_remembered: dict[str, Said] = {}
_fixed: dict[str, Said] = {}
"""Texts without values, which are as many as the source has, and are never forgotten: modules keep them as constants."""


def say(code: str, template: str, /, **values: object) -> str:
    """Fill in an English template and remember what the text was made of."""
    text = template.format_map(values)
    if not values:
        _fixed[text] = Said(code)
        return text
    return _remember(text, Said(code, {name: str(value) for name, value in values.items()}))


def listed(parts: Iterable[str], separator: str = "; ") -> str:
    """Put texts in a row and remember each of them; a single one, or none, stays as it is."""
    texts = list(parts)
    text = separator.join(texts)
    if len(texts) < 2:
        return text
    return _remember(
        text, Said(LISTED, {SEPARATOR: separator, **{str(n): one for n, one in enumerate(texts)}})
    )


def _remember(text: str, said: Said) -> str:
    _remembered.pop(text, None)
    _remembered[text] = said
    while len(_remembered) > MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]
    return text


def joined(reason: str, remedy: str) -> str:
    """Put a reason and its remedy into one text; that of the one which is not empty if there is one only."""
    if not reason or not remedy:
        return reason or remedy
    if reason.endswith((".", "!", "?", ")")):
        return say("joined", "{reason} {remedy}", reason=reason, remedy=remedy)
    return listed((reason, remedy), ". " if remedy[0].isupper() else "; ")


def origin(text: str) -> Said | None:
    """Look up what a text was made of; ``None`` if it was not said by this process."""
    return _fixed.get(text) or _remembered.get(text)


def origins(thing: Any) -> dict[str, Said]:
    """Collect the origins of all texts in a record, and of the texts that they were made of."""
    found: dict[str, Said] = {}
    texts = list(_texts(msgspec.to_builtins(thing)))
    while texts:
        text = texts.pop()
        said = origin(text)
        if said is not None and text not in found and not said.code.startswith(TERMINAL):
            found[text] = said
            texts += said.values.values()
    return dict(sorted(found.items()))


def _texts(thing: Any) -> Iterator[str]:
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from _texts(value)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from _texts(value)
