"""Finish a section for pages in other languages than English.

What a section quotes from the record is repeated in the page's language, where that has a sentence for it. In Korean, a
percentage stands without a blank.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import is_
from typing import TYPE_CHECKING, Any

from tare.reports.text.korean import together
from tare.reports.text.repeated import repeat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.reports.content.nodes import Section
    from tare.reports.text.words import Words
    from tare.results.origins import Said

_HANGUL = re.compile("[가-힣]")
"""Letters by which a text is known as Korean; a section may have repeated what it quotes already."""

_KEPT = frozenset({"name", "keys", "link", "target", "kind", "color", "form", "detail_language"})
"""Fields of nodes that no reader sees."""


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """List the fields of a kind of node that a reader sees."""
    return tuple(one.name for one in fields(kind) if one.name not in _KEPT)


def finished(section: Section, words: Words, said: Mapping[str, Said] | None = None) -> Section:
    """Repeat and respell the texts of a section; English pages stay as they are.

    Args:
        section: the section, in which texts of the record are marked.
        words: the page's words.
        said: what texts of the record were made of; texts of this process are known anyway.
    """
    if words.language == "en":
        return section
    made: Section = _finished(section, words, said or {})
    return made


def all_finished(
    sections: Iterable[Section], words: Words, said: Mapping[str, Said] | None = None
) -> tuple[Section, ...]:
    """Finish each section of a page."""
    return tuple(finished(one, words, said) for one in sections)


def _finished(thing: Any, words: Words, said: Mapping[str, Said]) -> Any:
    """Finish a text, or all texts in a node and in what it holds."""
    if isinstance(thing, str):
        return together(thing)
    if isinstance(thing, tuple):
        made = tuple([_finished(one, words, said) for one in thing])
        return thing if all(map(is_, made, thing)) else made
    if not is_dataclass(thing) or isinstance(thing, type):
        return thing
    found = ((name, getattr(thing, name)) for name in _names(type(thing)))
    changes = {name: made for name, old in found if (made := _finished(old, words, said)) is not old}
    if getattr(thing, "recorded", False):
        quoted = thing.text  # type: ignore[attr-defined]
        told = repeat(quoted, words, said)
        changes |= {"text": together(told), "recorded": told == quoted and not _HANGUL.search(quoted)}
    return replace(thing, **changes) if changes else thing
