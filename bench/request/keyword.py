"""Compile ``-k EXPR``: names joined by ``and``, ``or``, ``not`` and parentheses, as in pytest.

A word that is the whole name of a workload or of a family selects just these: ``python`` is not ``deploy-python``. Any
other word selects every workload whose name or family it is a part of. Case is ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tare.results.nearest import did_you_mean
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Match = Callable[[Iterable[str]], bool]

_TOKEN = re.compile(r"\s*(?:(\()|(\))|([\w:+.-]+))")


def compile_keyword(expression: str, known: Iterable[str] = ()) -> Match:
    """Compile an expression into a predicate over the names of a workload.

    Args:
        expression: what ``-k`` says.
        known: names and families of all workloads. Empty: whole names are not told apart, and any word will do.

    Raises:
        UsageError: the expression is not understood, or a word in it is part of no name; the text shows which.
    """
    tokens = _tokens(expression)
    if not tokens:
        return lambda _names: True
    parser = _Parser(expression, tokens, frozenset(name.lower() for name in known))
    match = parser.either()
    if parser.tokens:
        raise UsageError(f"-k {expression!r}: unexpected {parser.tokens[0]!r}")
    return match


def _tokens(expression: str) -> list[str]:
    tokens, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise UsageError(
                f"-k {expression!r}: cannot read {text[position:]!r}; use names, and, or, not, ( )"
            )
        tokens.append(found[found.lastindex or 0])
        position = found.end()
    return tokens


class _Parser:
    """Recursive-descent parser: ``either`` := both (or both)*; ``both`` := one (and one)*."""

    def __init__(self, expression: str, tokens: list[str], known: frozenset[str]) -> None:
        self.expression, self.tokens, self.known = expression, tokens, known

    def either(self) -> Match:
        left = self.both()
        while self.tokens and self.tokens[0] == "or":
            self.tokens.pop(0)
            left = _or(left, self.both())
        return left

    def both(self) -> Match:
        left = self.one()
        while self.tokens and self.tokens[0] == "and":
            self.tokens.pop(0)
            left = _and(left, self.one())
        return left

    def one(self) -> Match:
        if not self.tokens:
            raise UsageError(f"-k {self.expression!r}: a name is missing at the end")
        token = self.tokens.pop(0)
        if token == "not":  # noqa: S105 - a word of the little language, not a password
            inner = self.one()
            return lambda names: not inner(names)
        if token == "(":  # noqa: S105
            inner = self.either()
            if not self.tokens or self.tokens.pop(0) != ")":
                raise UsageError(f"-k {self.expression!r}: a parenthesis is not closed")
            return inner
        if token in {")", "and", "or"}:
            raise UsageError(f"-k {self.expression!r}: unexpected {token!r}")
        return self.word(token)

    def word(self, token: str) -> Match:
        wanted = token.lower()
        if wanted in self.known:
            return lambda names: any(wanted == name.lower() for name in names)
        if self.known and not any(wanted in name for name in self.known):
            hint = did_you_mean(wanted, sorted(self.known))
            raise UsageError(
                f"-k {self.expression!r}: no workload or family has {token!r} in its name{hint} "
                f"There are {', '.join(sorted(self.known))}."
            )
        return lambda names: any(wanted in name.lower() for name in names)


def _or(left: Match, right: Match) -> Match:
    return lambda names: left(names) or right(names)


def _and(left: Match, right: Match) -> Match:
    return lambda names: left(names) and right(names)
