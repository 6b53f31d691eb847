"""Format numbers and counts for sentences. A *log ratio* is the natural logarithm of a ratio: 0 is no difference."""

from __future__ import annotations

import math


def percent(log: float) -> str:
    """Format a log ratio as ``+4.1 %``; from a factor of 2 on as ``3.2 ×``, which reads better."""
    return factor(log) if _is_large(log) else f"{math.expm1(log) * 100:+.1f} %"


def span(low: float, high: float) -> str:
    """Format an interval of log ratios as ``-1.2 % to +4.1 %``; if either end is large, both are factors."""
    tell = factor if _is_large(low) or _is_large(high) else percent
    return f"{tell(low)} to {tell(high)}"


def factor(log: float) -> str:
    """Format a log ratio as a factor: ``4.1 ×``."""
    ratio = math.exp(log)
    return f"{ratio:,.0f} ×" if ratio >= 100 else f"{ratio:.3g} ×"


def more_or_less(log: float) -> str:
    """Format a log ratio as ``4.1 % more``, ``4.1 % less`` or ``3.2 times as much``."""
    if _is_large(log):
        return f"{factor(log).removesuffix(' ×')} times as much"
    return f"{abs(math.expm1(log)) * 100:.1f} % {'more' if log > 0 else 'less'}"


def _is_large(log: float) -> bool:
    return abs(log) >= math.log(2)


def magnitude(log: float) -> str:
    """Format the size of a log ratio, which is not negative, as ``2.0 %``."""
    return f"{math.expm1(log) * 100:.1f} %"


def count(n: int, noun: str) -> str:
    """Format a number with its noun: ``1 block``, ``2 blocks``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def times(n: int) -> str:
    """Format a number of repetitions: ``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(n, f"{n} times")
