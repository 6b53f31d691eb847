"""Compile ``-k EXPR``: names joined by ``and``, ``or``, ``not`` and parentheses, as in pytest.

A word that is the whole name of a workload or of a family selects just these: ``python`` is not ``deploy-python``. Any
other word selects every workload whose name or family it is a part of. A word that stands for a list of names and families
selects all of them. Case is ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tare.results.nearest import did_you_mean, suggested
from tare.results.said import say
from tare.runners.errors import SettingRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Match = Callable[[Iterable[str]], bool]

DEEPEST = 50
"""Parentheses that may lie in each other."""

_SHOWN_CHARACTERS = 200

_TOKEN = re.compile(r"\s*(?:(\()|(\))|([\w:+.,=@-]+))")


def compile_keyword(
    expression: str, known: Iterable[str] = (), lists: Mapping[str, frozenset[str]] | None = None
) -> Match:
    """Compile an expression into a predicate over the names of a workload.

    Args:
        expression: what ``-k`` says.
        known: names and families of all workloads. Empty: whole names are not told apart, and any word will do.
        lists: word → the names and families that it stands for.

    Raises:
        SettingRefused: the expression is not understood, or a word in it is part of no name; the text shows which.
    """
    tokens = _tokens(expression)
    if not tokens:
        return lambda _names: True
    parser = _Parser(expression, tokens, frozenset(name.lower() for name in known), lists or {})
    match = parser.either()
    if parser.tokens:
        raise _fault(
            expression, say("keyword.unexpected", "unexpected {tokens}", tokens=_shown(parser.tokens[-1]))
        )
    return match


def _tokens(expression: str) -> list[str]:
    tokens, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise _fault(
                expression,
                say(
                    "keyword.unreadable",
                    "cannot read {text}; use names, and, or, not, ( )",
                    text=_shown(text[position:]),
                ),
            )
        tokens.append(found[found.lastindex or 0])
        position = found.end()
    return tokens


class _Parser:
    """Recursive-descent parser: ``either`` := both (or both)*; ``both`` := one (and one)*; ``one`` := not* plain."""

    def __init__(
        self, expression: str, tokens: list[str], known: frozenset[str], lists: Mapping[str, frozenset[str]]
    ) -> None:
        self.expression, self.known, self.lists = expression, known, lists
        self.tokens = tokens[::-1]
        """What is still to be read, the next token last."""
        self.depth = 0

    def either(self) -> Match:
        found = [self.both()]
        while self.take("or"):
            found.append(self.both())
        return lambda names: any(match(names) for match in found)

    def both(self) -> Match:
        found = [self.one()]
        while self.take("and"):
            found.append(self.one())
        return lambda names: all(match(names) for match in found)

    def one(self) -> Match:
        wanted = True
        while self.take("not"):
            wanted = not wanted
        match = self.plain()
        return match if wanted else lambda names: not match(names)

    def take(self, token: str) -> bool:
        """Go past the next token if it is this one."""
        if self.tokens and self.tokens[-1] == token:
            self.tokens.pop()
            return True
        return False

    def plain(self) -> Match:
        if not self.tokens:
            raise _fault(self.expression, say("keyword.name_missing", "a name is missing at the end"))
        if self.take("("):
            self.depth += 1
            if self.depth > DEEPEST:
                raise _fault(
                    self.expression,
                    say("keyword.deep", "more than {deepest} parentheses in each other", deepest=DEEPEST),
                )
            inner = self.either()
            if not self.take(")"):
                raise _fault(self.expression, say("keyword.open", "a parenthesis is not closed"))
            self.depth -= 1
            return inner
        token = self.tokens.pop()
        if token in {")", "and", "or"}:
            raise _fault(
                self.expression, say("keyword.unexpected_token", "unexpected {token}", token=_shown(token))
            )
        return self.word(token)

    def word(self, token: str) -> Match:
        wanted = token.lower()
        if wanted in self.known:
            return lambda names: any(wanted == name.lower() for name in names)
        if wanted in self.lists:
            listed = self.lists[wanted]
            return lambda names: any(name.lower() in listed for name in names)
        if self.known and not any(wanted in name for name in self.known):
            known = {*self.known, *self.lists}
            parts = token.strip(",").split(",")
            several = bool(parts[1:]) and {part.lower() for part in parts} <= known
            hint = suggested(repr(" or ".join(parts))) if several else did_you_mean(wanted, sorted(known))
            raise _fault(
                self.expression,
                say(
                    "keyword.unknown",
                    "no workload or family has {token} in its name{hint} There are {names}.",
                    token=_shown(token),
                    hint=hint,
                    names=", ".join(sorted(self.known)),
                ),
            )
        return lambda names: any(wanted in name.lower() for name in names)


def _fault(expression: str, what: str) -> SettingRefused:
    return SettingRefused(
        "-k", say("keyword.fault", "cannot use {shown}: {what}", shown=_shown(expression), what=what)
    )


def _shown(text: str) -> str:
    quoted = repr(text[: _SHOWN_CHARACTERS + 1])
    return quoted if len(text) <= _SHOWN_CHARACTERS else f"{quoted}…"
