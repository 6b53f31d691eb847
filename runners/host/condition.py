"""Define what a check of the host finds, and what to do about it."""

from __future__ import annotations

import msgspec


class Condition(msgspec.Struct, frozen=True):
    """One property of the host that may spoil measurements."""

    name: str
    ok: bool | None
    """``None``: the host does not tell."""
    found: str
    """State of the host, for people."""
    advice: str = ""
    """Effect on measurements and what helps; with ``ok`` a mere note; empty if there is nothing to say."""
    change: str = ""
    """Command for root that changes it; empty if there is none."""
    undo: str = ""
    """Command for root that changes it back; empty without ``change``."""
