"""Numbers and counts as they stand in sentences."""

from __future__ import annotations

import math


def percent(log: float) -> str:
    """``+4.1 %`` for a log ratio; large ones as factors, which read better."""
    ratio = math.exp(log)
    return f"{ratio:.3g} ×" if ratio >= 2 or ratio <= 0.5 else f"{(ratio - 1) * 100:+.1f} %"


def more(log: float) -> str:
    """``4.1 % more``, ``4.1 % less`` or ``3.2 times as much`` for a log ratio."""
    ratio = math.exp(log)
    if ratio >= 2 or ratio <= 0.5:
        return f"{ratio:.3g} times as much"
    return f"{abs(ratio - 1) * 100:.1f} % {'more' if log > 0 else 'less'}"


def share(log: float) -> str:
    """``2.0 %`` for the distance of a log ratio from 0."""
    return f"{math.expm1(log) * 100:.1f} %"


def count(n: int, noun: str) -> str:
    """``1 block``, ``2 blocks``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def times(n: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(n, f"{n} times")
