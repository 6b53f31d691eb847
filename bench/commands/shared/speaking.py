"""Print what a command says in the language of the terminal."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.progress import teller
from tare.bench.request.language import KEY, language_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from tare.reports.model import Language

    Tell = Callable[[str], str]
    """Repeats what was said in the language of the terminal."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Repeats what was said (:mod:`tare.results.said`) in one language, and prints it."""

    language: Language

    @property
    def tell(self) -> Tell:
        """Return a function that repeats what was said."""
        return teller(self.language)

    def out(self, *texts: str) -> None:
        """Print lines to standard output."""
        for text in texts:
            print(self.tell(text))

    def note(self, text: str) -> None:
        """Print a remark to standard error."""
        print(f"tare: {self.tell(text)}", file=sys.stderr)

    def table(self, rows: Iterable[Iterable[str]]) -> list[list[str]]:
        """Repeat the cells of a table, row by row."""
        return [[self.tell(cell) for cell in row] for row in rows]


def speaker_of(arguments: argparse.Namespace) -> Speaker:
    """Make the speaker of a command that was called with these options."""
    given, config = (getattr(arguments, name, None) for name in (KEY, "config"))
    return Speaker(language_of(given, config, os.environ))
