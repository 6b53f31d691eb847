"""Number the fairness notes of comparisons, and find those that all comparisons of a runner share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.judgement.comparison import Comparison


def numbered_notes(compared: Iterable[Comparison]) -> Mapping[str, int]:
    """Number the notes from 1 in the order of the comparisons: note → number."""
    notes = (note for comparison in compared for note in comparison.notes)
    return {note: index for index, note in enumerate(dict.fromkeys(notes), start=1)}


def shared_notes(compared: Iterable[Comparison]) -> Mapping[str, frozenset[str]]:
    """Collect the notes that hold for each comparison of a runner, for runners with several: runner → notes."""
    found: dict[str, list[set[str]]] = {}
    for comparison in compared:
        found.setdefault(comparison.runner, []).append(set(comparison.notes))
    return {runner: frozenset(set.intersection(*own)) for runner, own in found.items() if len(own) > 1}
