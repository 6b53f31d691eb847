"""TODO."""

from __future__ import annotations


class TareError(Exception):
    """Something went wrong that a person can act on; the text says what was tried and what to do."""


class PlaceFailure(TareError):
    """The place could not be made or died: becomes a recorded failure, and the run goes on."""

    def __init__(self, reason: str, *, remedy: str = "", log: str = "") -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.log = reason, remedy, log
        """``log``: tail of the console or of stderr, for the record's notes."""


class UsageError(TareError):
    """What was asked for makes no sense; the text says what would."""
