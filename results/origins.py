"""Record what texts of a record were made of, for reports in other languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.said import CATALOGUE, TERMINAL, made_of, remember

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold what a sentence was made of."""

    code: str
    """Key of the sentence in catalogues of other languages."""
    values: dict[str, str] = {}
    """Placeholder → text; each may be a sentence that was said, too."""


def origin(text: str) -> Said | None:
    """Look up what a text was made of; ``None`` if it was not said by this process."""
    made = made_of(text)
    return Said(*made) if made else None


def origins(thing: Any) -> dict[str, Said]:
    """Collect the origins of all texts in a record, and of the texts that they were made of."""
    found: dict[str, Said] = {}
    texts = list(_texts(msgspec.to_builtins(thing)))
    while texts:
        text = texts.pop()
        said = origin(text)
        if said is not None and text not in found and not said.code.startswith((TERMINAL, CATALOGUE)):
            found[text] = said
            texts += said.values.values()
    return dict(sorted(found.items()))


def recall(recorded: Mapping[str, Said]) -> None:
    """Remember what texts of a record were made of, as if this process had said them."""
    for text, said in recorded.items():
        remember(text, (said.code, said.values))


def _texts(thing: Any) -> Iterator[str]:
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from _texts(value)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from _texts(value)
