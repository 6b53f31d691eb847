"""Parse command lines with error messages of our own: one sentence that says what is wrong and what would be right."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, NoReturn

from tare.results.nearest import did_you_mean
from tare.results.said import listed, say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_IN_OUR_WORDS: tuple[tuple[str, Callable[..., str]], ...] = (
    (r"argument (\S+): expected .*argument", lambda a: say("parser.needs_value", "{a} needs a value", a=a)),
    (
        r"argument (\S+): not allowed with argument (\S+)",
        lambda a, b: say("parser.not_together", "{a} cannot be combined with {b}", a=a, b=b),
    ),
    (
        r"argument (\S+): ignored explicit argument .*",
        lambda a: say("parser.takes_no_value", "{a} takes no value", a=a),
    ),
    (r"the following arguments are required: (.*)", lambda a: say("parser.missing", "{a} is missing", a=a)),
    (
        r"one of the arguments (.*) is required",
        lambda a: say("parser.one_missing", "one of {a} is missing", a=a),
    ),
    (
        r"ambiguous option: (\S+) could match (.*)",
        lambda a, b: say("parser.ambiguous", "{a} could be {b}: write it out", a=a, b=b),
    ),
    (
        r"argument (\S+): invalid \S+ value: (.*)",
        lambda a, b: say("parser.unusable", "{a}: cannot use {b}", a=a, b=b),
    ),
    (r"argument (\S+): (.*)", lambda a, b: listed((a, b), ": ")),
)
"""Message of argparse → ours, of what its groups found."""


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`UsageError` where argparse would print its usage and exit."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown options first: otherwise a misspelt one would be reported as a missing one."""
        for word in args or ():
            name = word.partition("=")[0]
            if self._is_unknown(name):
                raise self.unknown_option(name)
        return super().parse_known_args(args, namespace)

    def unknown_option(self, name: str) -> UsageError:
        """Make the error for an option that is not there."""
        hint = did_you_mean(name, (one for one in self._option_string_actions if one.startswith("--")))
        return UsageError(say(
            "parser.no_option", "there is no option {name}{hint} See `{prog} --help`.",
            name=name, hint=hint, prog=self.prog,
        ))  # fmt: skip

    def knows(self, option: str) -> bool:
        """Tell whether there is such an option."""
        return option.partition("=")[0] in self._option_string_actions

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong, in our words."""
        ours = message
        for theirs, words in _IN_OUR_WORDS:
            if found := re.fullmatch(theirs, message):
                ours = words(*found.groups())
                break
        raise UsageError(say("parser.fault", "{ours}. See `{prog} --help`.", ours=ours, prog=self.prog))

    def _is_unknown(self, name: str) -> bool:
        # Words with a blank in them are values; a parser with commands leaves options to theirs.
        if not name.startswith("--") or len(name) == 2 or " " in name or self._subparsers is not None:
            return False
        return not any(option.startswith(name) for option in self._option_string_actions)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is none of an argument's choices, commands among them."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        hint = did_you_mean(str(value), known)
        names = ", ".join(known)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no public name for it
            raise UsageError(say(
                "parser.no_command", "there is no command {value!r}{hint} Known: {names}. See `{prog} --help`.",
                value=value, hint=hint, names=names, prog=self.prog,
            ))  # fmt: skip
        where = "".join(f"{option}: " for option in action.option_strings[-1:])
        raise UsageError(say(
            "parser.no_choice", "{where}cannot use {value!r}{hint} Known: {names}. See `{prog} --help`.",
            where=where, value=value, hint=hint, names=names, prog=self.prog,
        ))  # fmt: skip


def refuse_rest(parser: Parser, rest: Sequence[str]) -> None:
    """Refuse words that no option or argument took.

    Raises:
        UsageError: there are some; the text says where such a word could go.
    """
    if not rest:
        return
    word = rest[0]
    if parser.knows(word):
        raise UsageError(say(
            "cli.behind_command", "{word} goes behind the command: {prog} {word}.",
            word=word, prog=parser.prog,
        ))  # fmt: skip
    if word.startswith("-"):
        raise parser.unknown_option(word)
    if parser.prog in {"tare run", "tare plan"}:
        raise UsageError(say(
            "parser.stray_word",
            "cannot use {word!r}. Workloads are chosen by -k {word}; a command goes behind --: {prog} -- {rest}",
            word=word, prog=parser.prog, rest=" ".join(rest),
        ))  # fmt: skip
    raise UsageError(
        say("parser.stray", "cannot use {word!r}. See `{prog} --help`.", word=word, prog=parser.prog)
    )
