"""Read small TOML files within bounds, so that whatever lies in one ends in a table or in a sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tare.results.plain_files import open_plain
from tare.results.said import say

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 128 << 10
"""Size of a file that is read; a file of settings or thresholds has a few KiB, and some larger ones take minutes."""

_MANY_DOTS = re.compile(r"(?:\.[^\n.]*){200}")
"""A line with more dots than a key or numbers need: the time that tomllib takes for a key is quadratic in its parts."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a byte order mark is dropped.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large, not UTF-8, or not TOML; the message says which, and where.
    """
    with open_plain(path) as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(
            say("toml.large", "it is larger than {largest_bytes} KiB", largest_bytes=LARGEST_BYTES >> 10)
        )
    try:
        return parse_toml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(say("toml.no_text", "it is not UTF-8 text (line {line})", line=line)) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Parse the text of a TOML file.

    Raises:
        ValueError: it is not TOML, nested too deeply, has a number of thousands of digits or a key of hundreds of parts.
    """
    if _MANY_DOTS.search(text):
        raise ValueError(say("toml.dots", "a line of it has 200 dots or more"))
    import tomllib  # noqa: PLC0415 - 5 ms, and most commands find no such file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(say("toml.invalid", "it is not TOML: {error}", error=error)) from error
    except RecursionError:
        raise ValueError(say("toml.deep", "it is nested too deeply")) from None
    except ValueError as error:
        raise ValueError(say("toml.digits", "a whole number in it has too many digits")) from error
