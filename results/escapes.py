"""Escape the bytes of names and arguments that are not UTF-8: Linux takes any bytes there, and JSON does not.

Python shows such a byte as a lone surrogate, which no encoder accepts. Records show its number instead.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "\0"
"""First character of text that :func:`reversible` changed. No argument, path or variable can have it."""

_ESCAPE = re.compile(r"\\(\\|x([0-9a-f]{2}))")

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How cells begin that spreadsheets compute; those that begin with an apostrophe before it are told apart by a further one."""


def is_one_line(text: str) -> bool:
    """Tell whether a text has neither line ends nor other control characters; tables and files of lines can hold it."""
    return not any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text)


def readable(text: str) -> str:
    """Escape what is not UTF-8 for people, by numbers. Text that is UTF-8 stays as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _with_escapes(text)
    return text


def reversible(text: str) -> str:
    """Escape what is not UTF-8 so that :func:`original` gives the same bytes again."""
    if readable(text) == text and not text.startswith(_MARK):
        return text
    return _MARK + _with_escapes(text.replace("\\", "\\\\"))


def original(text: str) -> str:
    """Give the text back that :func:`reversible` escaped."""
    if not text.startswith(_MARK):
        return text
    return _ESCAPE.sub(
        lambda found: bytes.fromhex(found[2]).decode("utf-8", "surrogateescape") if found[2] else "\\",
        text.removeprefix(_MARK),
    )


def inert_cell(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would take for a formula, so that no name in a CSV file is run.

    :func:`original_cell` takes it away again.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def original_cell(text: str) -> str:
    """Give the text back that :func:`inert_cell` changed."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def in_all_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Change every text in a value made of JSON's types, names of fields included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {in_all_texts(key, change): in_all_texts(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(in_all_texts(item, change) for item in value)
    return value


def to_json(value: Any) -> bytes:
    """Encode a value as JSON; what is not UTF-8 in it is made readable."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(in_all_texts(msgspec.to_builtins(value), readable))


def _with_escapes(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that no byte made
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
