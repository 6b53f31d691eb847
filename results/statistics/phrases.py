"""Format numbers and counts for sentences: the one place for plural forms, and for differences and factors.

A *log ratio* is the natural logarithm of a ratio: 0 is no difference.
"""

from __future__ import annotations

import math

from tare.results.said import listed, say
from tare.results.statistics.exponents import exp, expm1

MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"

LONGEST = 1e15
"""Larger numbers are written by a power of ten."""

_LARGE = math.log(2)


def percent(log: float) -> str:
    """Format a log ratio as ``+4.1 %`` or ``+12 %``; from a factor of 2 on as ``3.20×``, which reads better."""
    return factor(log) if _is_large(log) else _signed(expm1(log))


def span(low: float, high: float) -> str:
    """Format an interval of log ratios as ``−1.2 % to +4.1 %``; if either end is large, both are factors."""
    tell = factor if _is_large(low) or _is_large(high) else percent
    return say("span", "{low} to {high}", low=tell(low), high=tell(high))


def change(log: float, low: float | None, high: float | None) -> str:
    """Format a log ratio with its interval as ``+4.1 % (+3.2 % to +5.0 %)``, all three alike."""
    if low is None or high is None:
        return percent(log)
    tell = factor if any(map(_is_large, (log, low, high))) else percent
    return say("changed", "{value} ({low} to {high})", value=tell(log), low=tell(low), high=tell(high))


def factor(log: float) -> str:
    """Format a log ratio as a factor: ``4.10×``."""
    ratio = exp(log)
    text = f"{ratio:,.0f}" if 100 <= ratio < LONGEST else f"{ratio:#.3g}".rstrip(".")
    return f"{text}{TIMES}"


def more_or_less(log: float, low: float = 0.0, high: float = 0.0) -> str:
    """Format a log ratio as ``4.1 % more``, ``4.1 % less`` or ``3.20× as much``, in the way of its interval's span."""
    if any(map(_is_large, (log, low, high))):
        return say("as_much", "{factor} as much", factor=factor(log))
    amount = _signed(expm1(log)).lstrip(f"+{MINUS}")
    if log > 0:
        return say("more", "{amount} more", amount=amount)
    return say("less", "{amount} less", amount=amount)


def magnitude(log: float) -> str:
    """Format the size of a log ratio, which is not negative, as ``2 %`` or ``8.2 %``; from a factor of 2 on as ``3.20×``."""
    return factor(log) if _is_large(log) else f"{_digits(expm1(log) * 100)} %"


def count(n: int, noun: str, many: str = "") -> str:
    """Format a number with its noun: ``1 block``, ``2 blocks``; ``many`` is a plural that does not end with s."""
    several = noun if n == 1 else many or f"{noun}s"
    return say("count", "{n} {noun}", n=n, noun=say(f"noun.{noun}", several))


def there_are(n: int, noun: str) -> str:
    """Say that there are only so many: ``there is only 1 block``, ``there are only 2 blocks``, ``there is no block``."""
    if n == 0:
        return say("there_is_none", "there is no {noun}", noun=say(f"noun.{noun}", noun))
    if n == 1:
        return say("there_is_only", "there is only {count}", count=count(n, noun))
    return say("there_are_only", "there are only {count}", count=count(n, noun))


def times(n: int) -> str:
    """Format a number of repetitions: ``once``, ``twice``, ``3 times``."""
    return say("times", "{text}", text={1: "once", 2: "twice"}.get(n, f"{n} times"), n=n)


def sentences(first: str, notes: tuple[str, ...]) -> str:
    """Put notes, which have no full stop, behind a sentence, as in ``It costs more. Note: this; that``."""
    if not notes:
        return first
    told = listed(note.rstrip(".") for note in notes)
    return say("told.noted", "{first} Note: {notes}.", first=first, notes=told)


def _is_large(log: float) -> bool:
    return abs(log) >= _LARGE


def _signed(share: float) -> str:
    digits = 1 if abs(share) < 0.0995 else 0
    text = f"{abs(share) * 100:.{digits}f}"
    if float(text) == 0:
        return "0 %"
    return f"{'+' if share > 0 else MINUS}{text} %"


def _digits(value: float) -> str:
    if value < 0.095:
        return f"{value:.2g}"
    return f"{value:.1f}".removesuffix(".0") if value < 9.95 else f"{value:.0f}"
