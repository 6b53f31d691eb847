"""Say in plain words what msgspec says of a value: it names types as Python does, and limits as mathematics does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tare.bench.own.definition import NAME, SOCKET
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_RULE = say("own.name_like", "a name begins with a letter and has up to 64 letters, digits, _ . + -")

_PATTERNS = {
    f"^{NAME}$": NAME_RULE,
    SOCKET: say("own.socket_like", "the name of a socket has letters, digits, _ . and - only"),
}
"""Pattern of a text → the rule that it stands for."""

_TYPES = {
    "str": say("own.text", "text"),
    "int": say("import.whole_number", "a whole number"),
    "float": say("import.number", "a number"),
    "bool": say("own.true_or_false", "true or false"),
    "array": say("import.list", "a list"),
    "object": say("own.table", "a table"),
    "date": say("own.date", "a date"),
    "datetime": say("own.date", "a date"),
    "time": say("own.time_of_day", "a time of day"),
    "object | null": say("own.table", "a table"),
    "str | array": say("own.text_or_list", "text or a list"),
    "bool | int | float | str": say("own.any_value", "a number, text, true or false"),
}


def _expected(wanted: str, got: str) -> str:
    return say("own.expected", "expected {wanted}, got {got}", wanted=typed(wanted), got=typed(got))


def _bound(kind: str, sign: str, bound: str) -> str:
    what, limit = typed(kind), f"{float(bound):g}"
    if sign == ">":
        return say("own.above", "expected {what} above {limit}", what=what, limit=limit)
    if sign == ">=":
        return say("own.at_least", "expected {what} of at least {limit}", what=what, limit=limit)
    return say("own.at_most", "expected {what} of at most {limit}", what=what, limit=limit)


def _length(kind: str, sign: str, length: str) -> str:
    if sign == ">=":
        return say("own.too_few", "the list is empty, and needs a value")
    if kind == "array":
        return say("own.too_many_values", "the list has more than {length} values", length=length)
    return say("own.too_long", "the text has more than {length} characters", length=length)


_RULES: tuple[tuple[str, Callable[..., str]], ...] = (
    (r"Object missing required field `(\w+)`", lambda key: say("own.missing", "{key} is missing", key=key)),
    (r"Invalid enum value (.*)", lambda value: say("own.cannot_use", "cannot use {value}", value=value)),
    (r"Expected `(.*)`, got `(\w+)`", _expected),
    (r"Expected `(.*)` of length (>=|<=) (\d+)", _length),
    (r"Expected `(.*)` (>=|<=|>) (.*)", _bound),
    (r"Expected `.*` matching regex '(.*)'", lambda found: _PATTERNS[found.replace("\\\\", "\\")]),
)
"""What msgspec says → what is said instead."""


def typed(name: str) -> str:
    """Name a type, or a choice of types, in plain words."""
    return _TYPES.get(name, name)


def in_our_words(what: str) -> str:
    """Rephrase what msgspec says of a value, as a phrase without a full stop; what it has not said so far stays."""
    for theirs, ours in _RULES:
        if found := re.fullmatch(theirs, what):
            return ours(*found.groups())
    return what
