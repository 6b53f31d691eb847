"""TOML of any kind ends in a table or in a sentence, soon."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.results.errors import ResultError
from tare.results.judgement.thresholds import read_thresholds
from tare.results.toml_files import LARGEST_BYTES, parse_toml, read_toml

ODD = {
    "a key of many parts": (b".".join([b"a"] * 60_000) + b" = 1", "200 dots"),
    "nested arrays": (b"a = " + b"[" * 20_000 + b"]" * 20_000, "nested too deeply"),
    "nested tables": (b"a = " + b"{b = " * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
    "a long number": (b"a = " + b"9" * 5_000, "too many digits"),
    "a long hexadecimal number": (b"a = 0x" + b"f" * 5_000, ""),
    "a zero byte": (b'a = "\0"', "not TOML"),
    "Latin-1": (b'a = 1\nb = "\xff"', "line 2"),
    "UTF-16": ("a = 1".encode("utf-16"), "not UTF-8"),
    "too much": (b"#" * (LARGEST_BYTES + 1), "larger than 128 KiB"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_files_are_refused_by_what_is_wrong_with_them(tmp_path, kind):
    content, words = ODD[kind]
    file = tmp_path / "odd.toml"
    file.write_bytes(content)
    if words:
        with pytest.raises(ValueError, match=words):
            read_toml(file)
    with pytest.raises(ResultError, match=r"odd\.toml"):
        read_thresholds(file)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    file = tmp_path / "marked.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_toml(file) == {"a": 1}


@given(st.text(alphabet="ab=[]{}\"'.\n 1_-", max_size=60))
def test_any_text_is_a_table_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse_toml(text), dict)
