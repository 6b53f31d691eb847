"""Damage bytes, texts, JSON documents and tar archives; the same random numbers give the same damage."""

from __future__ import annotations

import copy
import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

MARKER = "\ue000fuzz\ue000"
"""Stands in a document where a text that is no JSON value will be; found in no sample."""

ODD = (
    "null", "true", "[]", "{}", '""', '"x"', "-1", "0", "-0.0", "1e999", "-1e999", "NaN", "-Infinity", "1" * 30, "9" * 5000,
    "-" + "9" * 5000, '"\\ud800"', '"\\u0000"', '"\\u001b[31m"', "[" * 2000, '{"a":' * 70, "[" * 70 + "]" * 70, "[" * 3000 + "]" * 3000,
    "2147483648", "4294967296", "8589934592", "9223372036854775808", "18446744073709551616", "4294967296.5",
    '"\U0001f600"', '"../../../escaped"', '"/dev/null"', '""' + " " * 9, '"' + "x" * 100_000 + '"', "[[[]]]", '{"":{"":0}}',
    '"1"', "[null]", '{"a":1,"a":2}', "1e-400", "999999999999", '"%s%n"', '"2026-13-45T99:99:99Z"', '"0-999999999"',
)  # fmt: skip
"""JSON texts that code forgets to expect; some are no JSON."""

ODD_BYTES = (
    b"\0", b"\n", b"\r", b"\x1b[2J", b'"', b"'", b",", b"\\", b"{", b"}", b"[", b"]", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xa8",
    b"9" * 5000, b"[" * 5000, b"((((" * 500, b"NaN", b"-", b"=", b"#", b"\xef\xbb\xbf", b"../" * 8, b"\0" * 512, b"x" * 70_000,
)  # fmt: skip

VERSIONS = frozenset({"format", "version", "schemaVersion", "v"})


def damaged(data: bytes, chance: Random) -> bytes:
    """Cut, flip, double, move, drop or insert bytes, one to three times."""
    for _ in range(chance.randint(1, 3)):
        size = len(data)
        at, end = sorted((chance.randrange(size + 1), chance.randrange(size + 1)))
        end = min(end, at + 300)
        match chance.randrange(7):
            case 0:
                data = data[:at]
            case 1 if size:
                at = min(at, size - 1)
                data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
            case 2:
                data = data[:at] + data[at:end] * chance.choice((2, 3, 200)) + data[end:]
            case 3:
                data = data[:at] + data[end:]
            case 4:
                to = chance.randrange(size + 1)
                piece, rest = data[at:end], data[:at] + data[end:]
                data = rest[:to] + piece + rest[to:]
            case _:
                data = data[:at] + chance.choice(ODD_BYTES) + data[at + chance.randrange(2) :]
    return data


def packed(data: bytes, chance: Random) -> bytes:
    """Compress by gzip in one of ten cases, and sometimes damage that, too, or make a small bomb of it."""
    if chance.random() > 0.1:
        return data
    if chance.random() < 0.1:
        data += bytes(chance.choice((1 << 20, 100 << 20)))
    whole = gzip.compress(data, 1, mtime=0)
    return damaged(whole, chance) if chance.random() < 0.5 else whole


def _places(value: Any) -> list[tuple[Any, Any]]:
    """List every (container, key or index) of a document."""
    found = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            for key, item in one.items() if isinstance(one, dict) else enumerate(one):
                found.append((one, key))
                waiting.append(item)
    return found


def document(value: Any, chance: Random) -> bytes:
    """Damage a decoded JSON document one to three times, and encode it; what comes out may be no JSON."""
    value = [copy.deepcopy(value)]
    texts: list[str] = []
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(_places(value))
        _change(value, holder, key, chance, texts)
    text = json.dumps(value[0], ensure_ascii=chance.random() < 0.5)
    for number, raw in enumerate(texts):
        text = text.replace(json.dumps(f"{MARKER}{number}."), raw).replace(
            json.dumps(f"{MARKER}{number}.", ensure_ascii=False), raw
        )
    encoded = text.encode("utf-8", "surrogatepass")
    return damaged(encoded, chance) if chance.random() < 0.05 else encoded


def _change(root: list[Any], holder: Any, key: Any, chance: Random, texts: list[str]) -> None:
    old = holder[key]
    versions = [place for place in _places(root) if place[1] in VERSIONS]
    match chance.randrange(9):
        case 0 | 1 | 2:
            holder[key] = f"{MARKER}{len(texts)}."
            texts.append(chance.choice(ODD))
        case 3:
            holder[key] = _other_type(old, chance)
        case 4 if root[0] is not old:
            del holder[key]
        case 5 if isinstance(old, list):
            holder[key] = old * chance.choice((2, 3, 1000)) if len(old) < 100 else old * 2
        case 5 if isinstance(old, dict) and old:
            # A second key of the same name, which the decoder meets later.
            name = chance.choice(list(old))
            texts.append(chance.choice(ODD))
            old[f"{MARKER}{len(texts) - 1}."] = 0
            texts[-1] = f"{json.dumps(name)}: {texts[-1]}, {json.dumps('beside ' + str(name))}"
        case 6:
            other, there = chance.choice(_places(root))
            if not isinstance(old, dict | list) and not isinstance(other[there], dict | list):
                holder[key], other[there] = other[there], old
        case 7 if versions:
            where, name = chance.choice(versions)
            where[name] = chance.choice((0, -1, 3, 99, 2**31, 2**64, "2", None, 1.5, True))
        case _ if isinstance(old, str):
            holder[key] = damaged(old.encode("utf-8", "surrogatepass"), chance).decode("utf-8", "replace")
        case _:
            holder[key] = [old] if chance.random() < 0.5 else {"a": old}


def _other_type(old: Any, chance: Random) -> Any:
    choices: list[Callable[[], Any]] = [
        lambda: str(old)[:1000],
        lambda: [old],
        lambda: {"value": old},
        lambda: None,
        lambda: 7,
        lambda: 1.5,
        lambda: True,
        lambda: list(old) if isinstance(old, dict | str) else [],
        lambda: dict.fromkeys(map(str, old)) if isinstance(old, list) else {},
    ]
    return chance.choice(choices)()


def json_text(data: bytes, chance: Random) -> bytes:
    """Damage a JSON file by its structure, or in one of five cases by its bytes; remarks in front of it stay."""
    start = max(data.find(b"{"), 0)
    try:
        value = json.loads(data[start:])
    except (ValueError, RecursionError):
        return damaged(data, chance)
    return damaged(data, chance) if chance.random() < 0.2 else data[:start] + document(value, chance)


def json_lines(data: bytes, chance: Random) -> bytes:
    """Damage some lines of a file with one JSON document a line, their order, or its bytes."""
    if chance.random() < 0.2:
        return damaged(data, chance)
    lines = data.splitlines(keepends=True)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                lines.insert(chance.randrange(len(lines)), lines[at])
            case 1 if len(lines) > 1:
                del lines[at]
            case _:
                lines[at] = json_text(lines[at], chance).rstrip(b"\n") + b"\n"
    return b"".join(lines)


_TAR_FIELDS = (
    (0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (265, 32), (345, 155),
)  # fmt: skip
"""Offset and size of the fields of a tar's header."""

_TAR_VALUES = (
    b"../../../escaped\0", b"/escaped\0", b"a" * 155, b"7777777\0", b"77777777777\0", b"\x80" + bytes(10) + b"\x40", b"\xff" * 12,
    b"\0", b"-1\0", b" \0", b".\0", b"..\0", b"app\0", b"etc/os\0", b"x/\0y", b"1", b"2", b"5", b"3", b"4", b"6", b"7", b"L", b"K",
    b"x", b"g", b"S", b"V", b".wh...\0", b".wh.\0", b".wh..wh..opq\0", b"d/" * 50, b"\xed\xa0\x80\0", b"app/x\0",
    b"\x80\0\0\0\0\0\0\2\0\0\0\0",
)  # fmt: skip


def tar_archive(data: bytes, chance: Random) -> bytes:
    """Damage fields of headers and correct the checksums; in one of four cases damage bytes instead."""
    if chance.random() < 0.25:
        return damaged(data, chance)
    whole = bytearray(data)
    heads = [at for at in range(0, len(whole) - 511, 512) if whole[at + 257 : at + 262] == b"ustar"]
    for _ in range(chance.randint(1, 3)):
        if not heads:
            return bytes(whole)
        at = chance.choice(heads)
        offset, size = chance.choice(_TAR_FIELDS)
        whole[at + offset : at + offset + size] = chance.choice(_TAR_VALUES)[:size].ljust(size, b"\0")
        whole[at + 148 : at + 156] = b" " * 8
        whole[at + 148 : at + 156] = b"%06o\0 " % sum(whole[at : at + 512])
    return bytes(whole)
