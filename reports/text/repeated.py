"""Repeat texts of the record, and of the running program, in another language, by what they were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.text.korean import together
from tare.results.origins import origin
from tare.results.said import BETWEEN, CATALOGUE, LISTED, SEPARATOR, Name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.text.words import Words
    from tare.results.origins import Said

_DEEPEST = 6
"""Texts within texts that are followed; no sentence of the suite needs more."""


WORDS = frozenset({
    "after", "bad", "before", "ended", "error", "kind", "method", "noun", "one", "other", "outcome", "reason", "state", "status",
    "units", "why", "word",
})  # fmt: skip
"""Placeholders whose value may be a single word of the suite, such as ``none``. Under any other one, a single word is somebody's
name, of a workload, a run, a file, and stays as it is: there are workloads called ``host``, and runs called ``none``."""


FACT = "fact.changed"
"""Code of the sentence on a recorded condition; ``name`` is the condition's."""


def named(kind: str, name: str, words: Words) -> str:
    """Name in the language of the words what a record names by a word of its own.

    Args:
        kind: ``field`` of a record, ``mode`` or ``status`` of a run, ``side`` of a comparison.
        name: the record's word.
        words: the language's words.
    """
    return words.texts.get(f"{kind}.{name}", name)


def repeat(text: str, words: Words, recorded: Mapping[str, Said] | None = None) -> str:
    """Repeat a text in the language of the words; unchanged if it is a name, or where the language has no sentence for it.

    Args:
        text: what was said, in English.
        words: the language's words.
        recorded: what texts of a record were made of; texts of this process are known anyway.
    """
    if words.language == "en" or isinstance(text, Name):
        return text
    return together(_repeated(text, words, recorded or {}, _DEEPEST))


def _repeated(text: str, words: Words, recorded: Mapping[str, Said], depth: int, *, word: bool = True) -> str:
    said = recorded.get(text) or origin(text)
    if not word and " " not in text and (said is None or not said.values):
        return text
    if said is None:
        return words.texts.get(f"value.{text}") or words.texts.get(f"system.{text}", text)
    if said.code == LISTED and depth:
        parts = [value for name, value in said.values.items() if name != SEPARATOR]
        told = [_repeated(part, words, recorded, depth - 1, word=False) for part in parts]
        return _row(told, said.values.get(SEPARATOR, " "), words)
    key = said.code.removeprefix(CATALOGUE) if said.code.startswith(CATALOGUE) else f"said.{said.code}"
    if not depth or not words.has(key):
        return text
    values = {
        name: _repeated(value, words, recorded, depth - 1, word=name in WORDS)
        for name, value in said.values.items()
    }
    if said.code == FACT and "name" in values:
        values["name"] = named("field", said.values["name"], words)
    if "side" in values:
        values["side"] = named("side", said.values["side"], words)
    try:
        return words(key, **values)
    except (KeyError, IndexError, ValueError):
        return text  # recorded by a version whose sentence had other values


def _row(told: Sequence[str], separator: str, words: Words) -> str:
    """Put texts in a row as the language does; advice that follows a reason is a sentence of its own."""
    if separator != BETWEEN:
        return separator.join(told)
    return (". " if told[-1].endswith("세요") else words.texts["list.between"]).join(told)
