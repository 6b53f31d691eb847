"""Nothing that is printed steers a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.results.printable import legible, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 1.5× – ±2 %", "plain, 1.5× – ±2 %"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\r overwritten", r"\r overwritten"),
        ("c1 \x9b31m", r"c1 \x9b31m"),
        ("a\udcff", r"a\xff"),
        ("\ud800", r"\ud800"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\x00", r"\x00"),
        ("한국어", "한국어"),
        ("thin\u202fblank\u00a0", "thin\u202fblank\u00a0"),
    ],
)
def test_what_is_shown(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_no_text_has_a_control_character_left(text):
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown.replace("\n", "").replace("\t", "")} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
    }
    assert printable(shown) == shown
    shown.encode()


@given(st.text(st.characters()))
def test_one_line_stays_one_line(text):
    assert len(one_line(text).splitlines()) <= 1
    assert one_line(one_line(text)) == one_line(text)


def test_a_line_end_is_spelled_out():
    assert one_line("a\nb\tc") == r"a\nb\tc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no interval (n\u00a0=\u00a01)", "no interval (n\u00a0=\u00a01)"),
        ("thin\u202fblank", "thin\u202fblank"),
        ("\x1b[2J\u202e\ud800", "\ufffd[2J\ufffd\ufffd"),
        ("two\nlines", "two\ufffdlines"),
    ],
)
def test_what_a_page_or_a_figure_shows(text, shown):
    assert legible(text) == shown


def test_pages_keep_line_ends():
    assert legible("two\nlines\t", kept="\n") == "two\nlines\ufffd"


@given(st.text())
def test_all_that_is_left_can_be_shown(text):
    assert all(one.isprintable() or unicodedata.category(one) == "Zs" for one in legible(text))
    assert len(legible(text)) == len(text)
