"""Names that are not UTF-8 are readable in records, and can be had back where they are needed again."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.results.escapes import (
    in_all_texts,
    inert_cell,
    original,
    original_cell,
    readable,
    reversible,
    to_json,
)

ANY_BYTES = st.binary(max_size=20).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("text", "shown"), [("a\udcff", "a\\xff"), ("\ud800", "\\ud800"), ("naïve\\", "naïve\\"), ("", "")]
)
def test_people_see_the_bytes(text, shown):
    assert readable(text) == shown


@given(ANY_BYTES)
def test_what_is_reversible_is_utf8_and_comes_back(text):
    escaped = reversible(text)
    escaped.encode()
    assert original(escaped) == text


def test_text_that_is_utf8_is_left_alone():
    assert reversible("C:\\xff ü") == "C:\\xff ü"


@given(st.text(alphabet="'=+-@\t\ra1|", max_size=6))
def test_no_cell_is_a_formula_and_each_comes_back(text):
    cell = inert_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert original_cell(cell) == text
    assert cell in (text, f"'{text}")


class Record(msgspec.Struct):
    words: tuple[str, ...]
    settings: dict[str, str]


@given(ANY_BYTES)
def test_json_is_valid_utf8_whatever_is_in_a_record(text):
    found = json.loads(to_json(Record((text, "x"), {text: text})).decode())
    assert found["words"] == [readable(text), "x"]


def test_numbers_and_shapes_are_kept():
    assert in_all_texts({"a": [1, None, ("b", 2.5)]}, str.upper) == {"A": [1, None, ("B", 2.5)]}
