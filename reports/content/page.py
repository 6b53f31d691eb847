"""What sections are made from: the sorted run, the words, and which figures there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Paragraph, Picture
from tare.results.record import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.nodes import Link, Node
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


@dataclass(frozen=True, slots=True)
class Page:
    """All that a section may use."""

    summary: Summary
    words: Words
    figures: frozenset[str] = frozenset()
    """Names of the figures that were drawn."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Figure → why it could not be drawn."""
    links: tuple[Link, ...] = ()
    english_figures: bool = False
    """The figures are in English because no font here has the page's letters."""

    @property
    def base(self) -> str:
        """The label of the base runner."""
        found = self.summary.given.comparisons
        return found[0].base if found else BASE

    def picture(self, name: str) -> tuple[Node, ...]:
        """The figure, or the note that it was lost; nothing where the run has no data for it."""
        if name in self.lost:
            return (
                Paragraph(self.words("page.figure_lost", name=name, why=self.lost[name]), kind="problem"),
            )
        if name not in self.figures:
            return ()
        alt = self.words(f"figure.{name}.alt", base=self.base)
        return (Picture(name, alt, self.words(f"figure.{name}.caption")),)
