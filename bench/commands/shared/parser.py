"""Parse command lines with error messages of our own: one sentence that says what is wrong and what would be right."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, NoReturn

from tare.results.nearest import did_you_mean
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_IN_OUR_WORDS = (
    (r"argument (\S+): expected .*argument", r"\1 needs a value"),
    (r"argument (\S+): not allowed with argument (\S+)", r"\1 cannot be combined with \2"),
    (r"argument (\S+): ignored explicit argument .*", r"\1 takes no value"),
    (r"the following arguments are required: (.*)", r"\1 is missing"),
    (r"one of the arguments (.*) is required", r"one of \1 is missing"),
    (r"ambiguous option: (\S+) could match (.*)", r"\1 could be \2: write it out"),
    (r"argument (\S+): (.*)", r"\1: \2"),
)
"""Message of argparse → ours."""


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
        return UsageError(f"there is no option {name}{hint} See `{self.prog} --help`.")

    def knows(self, option: str) -> bool:
        """Tell whether there is such an option."""
        return option.partition("=")[0] in self._option_string_actions

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong, in our words."""
        ours = message
        for theirs, words in _IN_OUR_WORDS:
            if re.fullmatch(theirs, message):
                ours = re.sub(theirs, words, message)
                break
        raise UsageError(f"{ours}. See `{self.prog} --help`.")

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
        what = f"cannot use {value!r}"
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no public name for it
            what = f"there is no command {value!r}"
        where = "".join(f"{option}: " for option in action.option_strings[-1:])
        raise UsageError(f"{where}{what}{hint} There {_are(known)}. See `{self.prog} --help`.")


def refuse_rest(parser: Parser, rest: Sequence[str]) -> None:
    """Refuse words that no option or argument took.

    Raises:
        UsageError: there are some; the text says where such a word could go.
    """
    if not rest:
        return
    word = rest[0]
    if parser.knows(word):
        raise UsageError(f"{word} goes behind the command: {parser.prog} {word}.")
    if word.startswith("-"):
        raise parser.unknown_option(word)
    hint = ""
    if parser.prog in {"tare run", "tare plan"}:
        hint = (
            f" Workloads are chosen by -k {word}; a command goes behind --: {parser.prog} -- {' '.join(rest)}"
        )
    raise UsageError(f"cannot use {word!r}.{hint or f' See `{parser.prog} --help`.'}")


def _are(names: Sequence[str]) -> str:
    return f"{'is' if len(names) == 1 else 'are'} {', '.join(names)}"
