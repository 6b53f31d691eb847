"""Sort comparisons for CI: regressions stop a change, improvements are news, the rest is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.judgement.answers import pair_answers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.results.judgement.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Gate:
    """Comparisons sorted by their meaning for a change; every comparison is in exactly one field."""

    regressions: tuple[Comparison, ...]
    improvements: tuple[Comparison, ...]
    same: tuple[Comparison, ...]
    undecided: tuple[Comparison, ...]
    refused: tuple[Comparison, ...]

    @property
    def compared(self) -> int:
        """Count the comparisons whose two sides are alike, so that a verdict could be formed."""
        return len(self.regressions) + len(self.improvements) + len(self.same) + len(self.undecided)

    @property
    def passed(self) -> bool:
        """True if something could be compared and nothing is a regression: undecided ones do not stop a change."""
        return bool(self.compared) and not self.regressions


def judged(comparisons: Iterable[Comparison], *, answers_only: bool) -> list[Comparison]:
    """Return the comparisons that a change is judged by.

    Args:
        comparisons: All comparisons.
        answers_only: Take only the two answers of each, time and CPU.
    """
    if not answers_only:
        return list(comparisons)
    return [one for answers in pair_answers(comparisons) for one in answers.all]


def gate(comparisons: Iterable[Comparison]) -> Gate:
    """Sort comparisons by verdict, refused ones apart."""
    chosen = list(comparisons)
    return Gate(
        regressions=tuple(c for c in chosen if c.verdict == "worse"),
        improvements=tuple(c for c in chosen if c.verdict == "better"),
        same=tuple(c for c in chosen if c.verdict == "same"),
        undecided=tuple(c for c in chosen if c.verdict == "undecided" and not c.refused),
        refused=tuple(c for c in chosen if c.refused),
    )
