"""Sort comparisons for CI: regressions stop a change, improvements are news, the rest is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

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
        """True if there is no regression: undecided comparisons do not stop a change."""
        return not self.regressions


def judged(
    comparisons: Iterable[Comparison], *, primary_only: bool, also: Collection[str] = ()
) -> list[Comparison]:
    """Return the comparisons that a change is judged by.

    Args:
        comparisons: All comparisons.
        primary_only: Take only primary metrics and those named in ``also``.
        also: Names of further metrics.
    """
    return [c for c in comparisons if c.primary or not primary_only or c.metric in also]


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
