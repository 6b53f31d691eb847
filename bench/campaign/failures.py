"""Count failures in a row, and give up what keeps failing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.errors import PlaceFailure

GIVE_UP_AFTER = 2
"""Failures in a row after which the remaining trials are recorded as skipped."""


@dataclass(slots=True)
class Failures:
    """Count the failures in a row of each runner, or of each experiment under a runner."""

    what: str
    """Plural noun for messages: ``failed openings``."""
    say: Callable[[str], None]
    """Told when something is given up."""
    _in_a_row: dict[str, int] = field(default_factory=dict)
    """Key → failures since its last success."""
    _given_up: dict[str, str] = field(default_factory=dict)
    """Key → reason of the failure that was one too many."""

    def succeeded(self, key: str) -> None:
        """Start counting anew. What was given up stays given up."""
        self._in_a_row[key] = 0

    def failed(self, key: str, failure: PlaceFailure) -> None:
        """Count a failure, and give ``key`` up if it was the :data:`GIVE_UP_AFTER` th in a row."""
        self._in_a_row[key] = self._in_a_row.get(key, 0) + 1
        if self._in_a_row[key] >= GIVE_UP_AFTER:
            self._given_up[key] = failure.reason
            self.say(f"{key}: {self._sentence}: {failure.reason}")

    def why_given_up(self, key: str) -> str:
        """Give the reason for skipping a trial of ``key``; empty unless it was given up."""
        if key not in self._given_up:
            return ""
        return f"{self._sentence}, the last one because: {self._given_up[key]}"

    @property
    def _sentence(self) -> str:
        return f"given up after {GIVE_UP_AFTER} {self.what} in a row"
