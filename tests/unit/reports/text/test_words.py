from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from tare import reports
from tare.reports.model import LANGUAGES
from tare.reports.text.words import words

SOURCES = [p for p in Path(reports.__file__).parent.rglob("*") if p.suffix in {".py", ".j2"}]


def placeholders(text: str) -> set[str]:
    return {name for _text, name, _format, _conversion in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_have_the_same_keys_and_placeholders(language: str) -> None:
    base, other = words("en").texts, words(language).texts
    assert base.keys() == other.keys()
    assert {k: placeholders(t) for k, t in base.items()} == {k: placeholders(t) for k, t in other.items()}


def test_korean_is_korean() -> None:
    latin = {k for k, text in words("ko").texts.items() if not re.search("[가-힣]", text)}
    assert latin == {
        "page.open_png", "page.open_svg", "findings.item", "findings.item_noted", "overhead.base_median", "notes.where",
        "overhead.n", "startup.n", "ladder.n", "startup.p50", "startup.p99", "figure.n",
    }  # fmt: skip


def test_no_text_is_unused() -> None:
    """Keys are looked for as they stand in the sources, or by the part before a placeholder."""
    text = "\n".join(p.read_text() for p in SOURCES)
    prefixes = {m.rstrip("{") for m in re.findall(r'"([a-z_]+\.[a-z_.]*\{)', text)}
    unused = [
        k for k in words("en").texts if f'"{k}"' not in text and not any(k.startswith(p) for p in prefixes)
    ]
    assert unused == []
    assert prefixes


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        words("en")("page.title")
