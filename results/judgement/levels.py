"""Name the levels of a calibration. Apart from the rates, because measuring needs them and must not import numpy."""

from __future__ import annotations

BASE_LEVEL, TWIN_LEVEL = "base", "twin"
"""The base, and the same work under another name, which must not be told apart from it."""


def level_name(share: float) -> str:
    """Name the level with a known share of additional work: ``+5%`` for 0.05."""
    return f"+{share * 100:g}%"


def injected_share(level: str) -> float:
    """Return the share of additional work of a level: 0.05 for ``+5%``; 0 for the base and its twin."""
    return float(level[1:-1]) / 100 if level.startswith("+") else 0.0
