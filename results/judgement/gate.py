"""The gate for CI: which comparisons stop a change, which are news, which say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tare.results.judgement.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Gate:
    """Comparisons by what they mean for a change; together they are all that were given."""

    regressions: tuple[Comparison, ...]
    improvements: tuple[Comparison, ...]
    same: tuple[Comparison, ...]
    undecided: tuple[Comparison, ...]
    refused: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """No regression was found. What is undecided does not stop a change, but is shown."""
        return not self.regressions


def judged(
    comparisons: Iterable[Comparison], *, primary_only: bool, also: Collection[str] = ()
) -> list[Comparison]:
    """Those that a change is judged by: the primary metrics and those named in ``also``, or all."""
    return [c for c in comparisons if c.primary or not primary_only or c.metric in also]


def gate(comparisons: Iterable[Comparison]) -> Gate:
    """Sort comparisons."""
    chosen = list(comparisons)
    return Gate(
        regressions=tuple(c for c in chosen if c.verdict == "worse"),
        improvements=tuple(c for c in chosen if c.verdict == "better"),
        same=tuple(c for c in chosen if c.verdict == "same"),
        undecided=tuple(c for c in chosen if c.verdict == "undecided" and not c.refused),
        refused=tuple(c for c in chosen if c.refused),
    )
