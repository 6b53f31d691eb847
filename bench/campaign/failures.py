"""Count failures in a row, and give up what keeps failing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.results.record import CONTROL_SUFFIX
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.bench.campaign.recovery import Recovery
    from tare.runners.errors import PlaceFailure

GIVE_UP_AFTER = 2
"""Failures in a row after which the remaining trials are recorded as skipped."""


class Failures(msgspec.Struct):
    """Count the failures in a row of each runner, or of each experiment under a runner."""

    what: str
    """Plural noun for messages: ``failed openings``."""
    say: Callable[[str], None]
    """Told when something is given up."""
    recovery: Recovery | None = None
    """Prepares anew what was killed; ``None``: nothing does."""
    _worked: set[str] = msgspec.field(default_factory=set)
    """Keys that have succeeded once."""
    _in_a_row: dict[str, int] = msgspec.field(default_factory=dict)
    """Key → failures since its last success."""
    _given_up: dict[str, str] = msgspec.field(default_factory=dict)
    """Key → reason of the failure that was one too many."""

    def succeeded(self, key: str) -> None:
        """Start counting anew. What was given up stays given up."""
        self._worked.add(key)
        self._in_a_row[key] = 0

    def failed(self, key: str, failure: PlaceFailure) -> None:
        """Count a failure, and give ``key`` up if it was the :data:`GIVE_UP_AFTER` th in a row.

        Raises:
            LauncherLostError: the launcher was killed again, so the run cannot go on.
        """
        if self.check_launcher() or key in self._given_up:
            return
        self._in_a_row[key] = self._in_a_row.get(key, 0) + 1
        if self._in_a_row[key] >= GIVE_UP_AFTER:
            again = self.recovery.prepare_again(key) if self.recovery and key in self._worked else None
            if again == "":
                self._in_a_row[key] = 0
                return
            self._give_up(key, again or failure.reason)

    def check_launcher(self) -> bool:
        """Start the launcher again if it was killed, and tell whether it was. Its death is no runner's failure.

        Raises:
            LauncherLostError: it was killed again, so the run cannot go on.
        """
        before = self.epoch
        for key, reason in (self.recovery.check_launcher() if self.recovery else {}).items():
            self._give_up(key, reason)
            self._give_up(key + CONTROL_SUFFIX, reason)
        return self.epoch != before

    @property
    def epoch(self) -> int:
        """See :attr:`tare.bench.campaign.recovery.Recovery.epoch`."""
        return self.recovery.epoch if self.recovery else 0

    def _give_up(self, key: str, reason: str) -> None:
        self._given_up[key] = reason
        self.say(
            say(
                "progress.given_up",
                "{key}: {sentence}: {reason}",
                key=key,
                sentence=self._sentence,
                reason=reason,
            )
        )

    def why_given_up(self, key: str) -> str:
        """Give the reason for skipping a trial of ``key``; empty unless it was given up."""
        if key not in self._given_up:
            return ""
        return say(
            "failures.last",
            "{sentence}, the last one because: {reason}",
            sentence=self._sentence,
            reason=self._given_up[key],
        )

    @property
    def _sentence(self) -> str:
        what = say(f"failures.{self.what.replace(' ', '_')}", self.what)
        return say(
            "failures.given_up", "given up after {count} {what} in a row", count=GIVE_UP_AFTER, what=what
        )
