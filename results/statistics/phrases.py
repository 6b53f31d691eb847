"""Numbers and counts as they stand in sentences."""

from __future__ import annotations

import math


def percent(log: float) -> str:
    """``+4.1 %`` for a log ratio; large ones as factors, which read better."""
    return factor(log) if _is_large(log) else f"{math.expm1(log) * 100:+.1f} %"


def span(low: float, high: float) -> str:
    """``-1.2 % to +4.1 %`` for an interval of log ratios; if either end is large, both are factors."""
    tell = factor if _is_large(low) or _is_large(high) else percent
    return f"{tell(low)} to {tell(high)}"


def factor(log: float) -> str:
    """``4.1 ×`` for a log ratio."""
    ratio = math.exp(log)
    return f"{ratio:,.0f} ×" if ratio >= 100 else f"{ratio:.3g} ×"


def more(log: float) -> str:
    """``4.1 % more``, ``4.1 % less`` or ``3.2 times as much`` for a log ratio."""
    if _is_large(log):
        return f"{factor(log).removesuffix(' ×')} times as much"
    return f"{abs(math.expm1(log)) * 100:.1f} % {'more' if log > 0 else 'less'}"


def _is_large(log: float) -> bool:
    return abs(log) >= math.log(2)


def share(log: float) -> str:
    """``2.0 %`` for the distance of a log ratio from 0."""
    return f"{math.expm1(log) * 100:.1f} %"


def count(n: int, noun: str) -> str:
    """``1 block``, ``2 blocks``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def times(n: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(n, f"{n} times")
