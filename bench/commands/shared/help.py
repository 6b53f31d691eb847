"""Print ``--help`` in the language of the terminal."""

from __future__ import annotations

import argparse
import functools
from typing import TYPE_CHECKING

from tare.reports.text.columns import width as columns_of
from tare.reports.text.words import helps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.model import Language

_USAGE = "usage:"


class Help(argparse.HelpFormatter):
    """Repeat each text of a parser in another language, and wrap it by the columns that its letters take."""

    def __init__(self, prog: str, *, language: Language) -> None:
        super().__init__(prog)
        self.texts = helps(language)

    def told(self, text: str) -> str:
        """Repeat a text that a parser declares, or that argparse adds; unchanged where the language has none."""
        return self.texts.get(text, text)

    def start_section(self, heading: str | None) -> None:
        """Open a section under its heading in the language."""
        super().start_section(heading and self.told(heading))

    def add_text(self, text: str | None) -> None:
        """Add a description or the epilog in the language."""
        super().add_text(text and self.told(text))

    def _expand_help(self, action: argparse.Action) -> str:
        return self.told(super()._expand_help(action))

    def _format_usage(self, usage, actions, groups, prefix):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - argparse's own
        if prefix is not None:
            return super()._format_usage(usage, actions, groups, prefix)
        # Lines are indented by the number of letters, and some of these take two columns.
        told = f"{self.told(_USAGE)} "
        room = _USAGE.ljust(columns_of(told))
        return super()._format_usage(usage, actions, groups, room).replace(room, told, 1)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return list(_lines(text, width))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in _lines(text, width - len(indent)))


def _lines(text: str, width: int) -> Iterator[str]:
    """Break a text between words; a word that is longer than a line has one of its own."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and columns_of(longer) > width:
            yield line
            longer = word
        line = longer
    yield line


def speak(parser: argparse.ArgumentParser, language: Language) -> None:
    """Let a parser, and those of its commands, print their help in a language."""
    if language == "en":
        return
    parser.formatter_class = functools.partial(Help, language=language)
    for action in parser._actions:  # noqa: SLF001 - argparse has no public name for them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for command in action.choices.values():
                speak(command, language)
