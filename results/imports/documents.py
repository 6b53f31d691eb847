"""Read a foreign file's bytes, text and JSON within bounds, so that whatever lies in it ends in data or in a sentence."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

from tare.results.imports.model import ImportFault
from tare.results.plain_files import open_plain
from tare.results.printable import one_line
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_FILE = 64 << 20
"""Bytes of a file that are read, packed and unpacked. Results are far smaller; a gzip bomb is far larger."""

MOST = {"{": 500_000, "[": 500_000, ",": 2_000_000}
"""How often a character may stand in a JSON document: each costs up to 240 bytes of memory once it is decoded."""

DEEPEST = 64
"""Levels of nesting of a JSON document; results have fewer than ten."""

LONGEST_NUMBER = 300
"""Digits of a whole number; a double holds 308."""

_REMARKS = 64 << 10
"""Characters in front of a document in which its beginning is looked for."""

_MISTAKEN = 1000
"""Characters after which what was decoded in vain was the document after all, and not a remark with a brace."""


def read_bytes(path: Path) -> bytes:
    """Read a whole file as it is stored, up to :data:`LARGEST_FILE`.

    Raises:
        ImportFault: it cannot be read, or is larger.
    """
    try:
        with open_plain(path) as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImportFault(say(
            "file.unreadable", "cannot read {path}: {strerror}.",
            path=path, strerror=error.strerror or error,
        )) from error  # fmt: skip
    except ValueError as error:  # a NUL in the name
        raise ImportFault(
            say("import.unreadable", "cannot read {path}: {error}.", path=path, error=error)
        ) from error
    if len(data) > LARGEST_FILE:
        raise _too_large(path.name)
    return data


def text_of(data: bytes, where: str) -> str:
    """Decode a file's bytes, which may be compressed by gzip. A byte order mark is dropped.

    Raises:
        ImportFault: it is no whole gzip file, unpacks to more than :data:`LARGEST_FILE`, or is not UTF-8.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(LARGEST_FILE + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ImportFault(
                say("import.where_unreadable", "cannot read {where}: {error}.", where=where, error=error)
            ) from error
        if len(data) > LARGEST_FILE:
            raise _too_large(where)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ImportFault(
            say("import.no_utf8", "{where}, line {line}: not UTF-8 text.", where=where, line=line)
        ) from None


def document_of(text: str, where: str) -> Any:
    """Decode the JSON document in a text; remarks may stand in front of it, as fio prints them. Strings are harmless.

    Raises:
        ImportFault: there is none, more stands behind it, or it is too large, too deep or damaged.
    """
    for character, most in MOST.items():
        if text.count(character) > most:
            raise ImportFault(say(
                "import.characters", "{where} has more than {most} times {character!r}: too large for a result.",
                where=where, most=f"{most:,}", character=character,
            ))  # fmt: skip
    first: ImportFault | None = None
    for start in _beginnings(text):
        try:
            document, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            first = first or ImportFault(say(
                "import.no_json_at", "{where}, line {line}, column {column}: not JSON: {error}. Is the file incomplete?",
                where=where, line=error.lineno, column=error.colno, error=error.msg,
            ))  # fmt: skip
            if error.pos - start > _MISTAKEN:
                break
            continue
        except RecursionError:
            raise _too_deep(where) from None
        except _LongNumberError as error:
            raise ImportFault(say("import.has", "{where} has {error}.", where=where, error=error)) from None
        if not (rest := text[end : end + 1000].strip()):
            return harmless_document(document, where)
        first = first or ImportFault(say(
            "import.text_after", "{where}: there is text after the JSON document: {text!r}.", where=where, text=rest[:40]
        ))  # fmt: skip
    raise first or ImportFault(say("import.no_json", "{where} is not JSON.", where=where))


def small_document_of(text: str) -> Any:
    """Decode JSON that is a part of something larger, such as a cell.

    Raises:
        ValueError: it is not JSON, or too deep.
    """
    try:
        return harmless_document(json.loads(text, cls=_Decoder), "")
    except (RecursionError, ImportFault) as error:
        raise ValueError(str(error)) from None


def _beginnings(text: str) -> Iterator[int]:
    """Yield where a document may begin: at the text's beginning, else at braces that begin a line, else at any."""
    lead = len(text) - len(text.lstrip())
    if text[lead : lead + 1] == "[":
        yield lead
        return
    found = [match.end() - 1 for match in re.finditer(r"(?:\A\s*|[\r\n])\{", text[: lead + _REMARKS])]
    yield from found[:20]
    if not found and (start := text.find("{")) >= 0:
        yield start


class _LongNumberError(ValueError):
    pass


def _whole(digits: str) -> int | float:
    if len(digits) > LONGEST_NUMBER:
        raise _LongNumberError(say("import.digits", "a number of {digits} digits", digits=f"{len(digits):,}"))
    number = int(digits)
    # Beyond 64 bits the record cannot hold whole numbers.
    return number if -(2**63) <= number < 2**64 else float(digits)


class _Decoder(json.JSONDecoder):
    """A decoder whose numbers are bounded."""

    def __init__(self) -> None:
        super().__init__(parse_int=_whole)


_DECODER = _Decoder()


def harmless_document(value: Any, where: str, depth: int = 0) -> Any:
    """Spell out, in place, what is harmful in the strings of a decoded document.

    Raises:
        ImportFault: it is nested deeper than :data:`DEEPEST`.
    """
    if isinstance(value, str):
        return harmless(value)
    if depth > DEEPEST:
        raise _too_deep(where)
    if isinstance(value, list | dict):
        for key, item in enumerate(value) if isinstance(value, list) else value.items():
            if isinstance(item, str | list | dict):
                value[key] = harmless_document(item, where, depth + 1)
    if isinstance(value, dict) and not all(map(str.isprintable, value)):
        return {harmless(name): item for name, item in value.items()}
    return value


def harmless(text: str) -> str:
    r"""Spell out characters that steer terminals, break formats or cannot be stored: ESC becomes the four of ``\x1b``.

    Line ends and tabs are spelled out, too, as names are single lines everywhere; blanks of any width stay. A byte that
    was no UTF-8 becomes ``\xff``.
    """
    if text.isprintable():
        return text
    return text.translate(_SPELLED)


class _Spellings(dict[int, str]):
    """Code point → what stands for it; filled as they are met, so that millions of them are looked up and not made."""

    def __missing__(self, number: int) -> str:
        self[number] = found = one_line(chr(number))
        return found


_SPELLED = _Spellings()


def _too_large(where: str) -> ImportFault:
    return ImportFault(say(
        "import.file_too_large", "{where} is larger than {most} MiB (unpacked), which is the limit. Split it.",
        where=where, most=LARGEST_FILE >> 20,
    ))  # fmt: skip


def _too_deep(where: str) -> ImportFault:
    return ImportFault(say("import.too_deep", "{where} is nested too deeply to be a result.", where=where))
