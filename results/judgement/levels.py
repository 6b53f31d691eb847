"""Names of a calibration's levels. Apart from the rates, because measuring needs them and must not import numpy."""

from __future__ import annotations

BASE, TWIN = "base", "twin"
"""The thing itself, and the same thing under another name."""


def level_name(share: float) -> str:
    """``+5%`` for 0.05."""
    return f"+{share * 100:g}%"


def share_of(level: str) -> float:
    """0.05 for ``+5%``; 0 for the base and its twin."""
    return float(level[1:-1]) / 100 if level.startswith("+") else 0.0
