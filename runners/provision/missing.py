"""The error for what this host has not and cannot get."""

from __future__ import annotations

from tare.runners.errors import TareError


class Missing(TareError):
    """A tool or kernel is not here and was not fetched. ``remedy`` is the line that would change it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} {remedy}".strip())
        self.reason, self.remedy = reason, remedy
