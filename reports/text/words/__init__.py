"""Load the report's texts by language. Texts of the record are repeated by their code, else shown as recorded, in English."""

from __future__ import annotations

import string
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tare.reports.text.korean import spelt, together
from tare.reports.text.numbers import percent
from tare.results.said import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.reports.model import Language


CATALOGUES = ("", "claims-")
"""Beginnings of the names of a language's files; no part of the catalogue is in two of them."""


SAID = "said-"
"""Beginning of the name of the catalogue that repeats what the record and the judgement say, by code (see
:mod:`tare.results.said`). English has none: its sentences stand where they are said."""


HELP = "help-"
"""Beginning of the name of the catalogue of what ``--help`` prints, by the English text. English has none."""


class _Filler(string.Formatter):
    """Fill in placeholders as ``str.format`` does; ``{n:block|blocks}`` is the first word if ``n`` is 1, else the second."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Choose the word that agrees with the number."""
        one, divided, many = format_spec.partition("|")
        if not divided:
            return str(super().format_field(value, format_spec))
        return one if str(value) == "1" else many


def _filled(template: str, values: Mapping[str, object]) -> str:
    if "|" not in template:
        return template.format_map(values)
    return _Filler().vformat(template, (), values)


class Words(msgspec.Struct, frozen=True):
    """Look up the texts of one language: dotted key → text with ``{placeholders}``."""

    language: Language
    texts: Mapping[str, str]
    quoted: bool = False
    """Remember what texts are made of, so that they can be repeated in another language."""

    def __call__(self, key: str, /, **values: object) -> str:
        """Fill in a text's placeholders. Raises ``KeyError`` if the key or a value is missing."""
        text = _filled(self.texts[key], values)
        if self.quoted:
            return quoted(key, text, **values)
        return spelt(text) if self.language == "ko" else text

    def row(self, texts: Iterable[str]) -> str:
        """Put texts that may have commas in them in a row, with the sign that the language writes between such texts."""
        return listed(texts) if self.quoted else self.texts["list.between"].join(texts)

    def percent(self, fraction: float) -> str:
        """Write a percentage that stands alone, such as a label of an axis, as the language does."""
        text = percent(fraction)
        return together(text) if self.language == "ko" else text

    def has(self, key: str) -> bool:
        """Tell whether the catalogue has a text of that key."""
        return key in self.texts


@cache
def words(language: Language = "en") -> Words:
    """Load the catalogue of a language, once per process."""
    folder = files(__package__)
    names = CATALOGUES if language == "en" else (*CATALOGUES, SAID)
    trees = [tomllib.loads(folder.joinpath(f"{name}{language}.toml").read_text("utf-8")) for name in names]
    return Words(
        language,
        {
            f"{part}.{key}": text
            for tree in trees
            for part, texts in tree.items()
            for key, text in texts.items()
        },
    )


@cache
def helps(language: Language) -> dict[str, str]:
    """Load the texts of ``--help``: English text → that of the language; empty for English."""
    if language == "en":
        return {}
    found: dict[str, str] = tomllib.loads(
        files(__package__).joinpath(f"{HELP}{language}.toml").read_text("utf-8")
    )["help"]
    return found


def quotable() -> Words:
    """Give the English catalogue for texts that a page or a terminal repeats in its own language."""
    return replace(words(), quoted=True)
