"""Format numbers; no other module of the reports turns a number into text.

The interval decides the digits: the leading digit of its half-width is the last one shown, and one more follows where
that leading digit is 1, 2 or 3 (the Particle Data Group's rule, rounded). A number has 2 to 5 significant digits, and 3
where it has no interval; only ratios are rounded to tens and above. Times and rates take SI prefixes, bytes take IEC prefixes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tare.results.statistics import phrases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.results.statistics.estimates import Estimate

PLAIN_DIGITS, LEAST_DIGITS, MOST_DIGITS = 3, 2, 5
_MOST_DECIMALS = 15
"""Decimals from which on a number is written by a power of ten."""

APART = 100.0
"""Factor between the ends of a ratio's interval from which on it does not even tell the order of magnitude."""

MINUS, TIMES, DASH = phrases.MINUS, phrases.TIMES, "\N{EN DASH}"


class Scale(NamedTuple):
    """One prefix of a unit: values of at least ``factor`` may be shown in ``symbol``."""

    factor: float
    symbol: str


LADDERS: dict[str, tuple[Scale, ...]] = {
    "s": (Scale(1e-9, "ns"), Scale(1e-6, "µs"), Scale(1e-3, "ms"), Scale(1.0, "s")),
    "bytes": tuple(Scale(1024.0**i, p) for i, p in enumerate(("B", "KiB", "MiB", "GiB", "TiB"))),
    "bytes/s": tuple(Scale(1024.0**i, p) for i, p in enumerate(("B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"))),
    "ops/s": tuple(Scale(1e3**i, p) for i, p in enumerate(("ops/s", "kops/s", "Mops/s", "Gops/s"))),
    "count": tuple(Scale(1e3**i, p) for i, p in enumerate(("", "k", "M", "G", "T"))),
    "ratio": (Scale(1.0, ""),),
}


def quantity(value: float, unit: str, *, width: float | None = None) -> str:
    """Format a value given in ``unit``; ``width``, the width of its interval, decides the digits."""
    if not math.isfinite(value):
        return _strange(value)
    if unit == "count" and width is None and value == int(value) and abs(value) < 1e6:
        return _signed(f"{abs(value):,.0f}", value)
    scale, decimals = _choose(abs(value), unit, width)
    text = _signed(_written(abs(value) / scale.factor, decimals), value)
    return f"{text} {scale.symbol}".rstrip()


def rounded(value: float, unit: str) -> str:
    """Format a value for a sentence, in two significant digits where it has decimals: ``1.5 ms``, ``235 µs``."""
    return quantity(value, unit, width=abs(value))


def estimate(given: Estimate, unit: str) -> str:
    """Format a median with its interval: ``1.23 ms (1.20–1.27)``."""
    ends = interval(given, unit)
    text = quantity(given.value, unit, width=width_of(given))
    return f"{text} ({ends})" if ends else text


def width_of(given: Estimate) -> float | None:
    """Give the width of an estimate's interval; ``None`` where it has none."""
    return None if given.low is None or given.high is None else given.high - given.low


def interval(given: Estimate, unit: str) -> str:
    """Format an estimate's interval in the prefix that its value is shown in; empty where it has none."""
    return DASH.join(ends(given, unit))


def ends(given: Estimate, unit: str) -> tuple[str, ...]:
    """Format both ends of an estimate's interval, as :func:`interval` has them; empty where it has none."""
    if given.low is None or given.high is None:
        return ()
    return _ends(given.low, given.high, unit, given.value)


def span(low: float, high: float, unit: str, *, like: float | None = None) -> str:
    """Format the ends of an interval without their unit, in the prefix that ``like`` (default: ``high``) is shown in."""
    return DASH.join(_ends(low, high, unit, high if like is None else like))


def _ends(low: float, high: float, unit: str, like: float) -> tuple[str, str]:
    if not (math.isfinite(low) and math.isfinite(high)):
        return _strange(low), _strange(high)
    scale, decimals = _choose(abs(like), unit, high - low)
    if unit == "ratio" and low > 0 and (low <= high / APART or round(low, decimals) == 0):
        # Ends so far apart have no digit in common: each is given by its own first two.
        return _brief(low), _brief(high)
    first, last = (_signed(_written(abs(end) / scale.factor, decimals), end) for end in (low, high))
    return first, last


def _brief(value: float) -> str:
    decimals = LEAST_DIGITS - 1 - math.floor(math.log10(value))
    return _written(value, decimals)


def ratio(value: float, *, width: float | None = None) -> str:
    """Format a cost ratio: ``1.12×``; a dash where there is none (NaN)."""
    if math.isnan(value):
        return DASH
    return quantity(value, "ratio", width=width) + TIMES


def cost(given: Estimate) -> str:
    """Format a cost ratio with its interval: ``1.12× (1.10–1.14)``."""
    ends = interval(given, "ratio")
    text = ratio(given.value, width=width_of(given))
    return f"{text} ({ends})" if ends else text


def change(value: float) -> str:
    """Format a cost ratio as a signed percentage (``+12 %``); from a factor of 2 on as a factor (``3.10×``)."""
    if not math.isfinite(value) or value <= 0:
        return ratio(value)
    return phrases.percent(math.log(value))


def changed(given: Estimate) -> str:
    """Format a cost ratio with its interval as verdicts' sentences do: ``+12 % (+10 % to +14 %)``."""
    if not math.isfinite(given.value) or given.value <= 0:
        return ratio(given.value)
    ends = (None if end is None or end <= 0 else math.log(end) for end in (given.low, given.high))
    return phrases.change(math.log(given.value), *ends)


def percent(share: float) -> str:
    """Format a share of one as an unsigned percentage: ``5 %``, ``12.5 %``."""
    if not math.isfinite(share):
        return _strange(share)
    return f"{_signed(f'{abs(share) * 100:.3g}', share)} %"


def about(number: int) -> str:
    """Format a forecast number in two significant digits, rounded up: ``2,800``."""
    step = 10 ** max(0, len(str(number)) - 2)
    return f"{-(-number // step) * step:,}"


def nearest_rank(values: Sequence[float], share: float) -> float:
    """Pick the quantile by nearest rank, which is always one of the values. ``values`` must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _choose(size: float, unit: str, width: float | None) -> tuple[Scale, int]:
    """Choose the prefix and the number of decimals for a value of that absolute size."""
    ladder = LADDERS.get(unit) or (Scale(1.0, unit),)
    at = max((i for i, step in enumerate(ladder) if size >= step.factor), default=0)
    if size == 0:
        at = next((i for i, step in enumerate(ladder) if step.factor == 1.0), 0)
    decimals = _decimals(size / ladder[at].factor, width and width / ladder[at].factor)
    if unit != "ratio":
        decimals = max(0, decimals)
    if at + 1 < len(ladder):
        limit = round(ladder[at + 1].factor / ladder[at].factor)
        if round(size / ladder[at].factor, decimals) >= limit:
            at += 1
            decimals = max(0, _decimals(1.0, width and width / ladder[at].factor))
    return ladder[at], decimals


def _decimals(scaled: float, width: float | None) -> int:
    """Count the decimals that the interval supports: −2 where it supports whole hundreds."""
    if scaled == 0:
        return 0
    leading = math.floor(math.log10(scaled))
    digits = PLAIN_DIGITS
    if width and math.isfinite(width) and width > 0:
        half = width / 2
        place = math.floor(math.log10(half))
        place -= half / 10.0**place < 4
        digits = min(MOST_DIGITS, max(LEAST_DIGITS, leading - place + 1))
    return digits - 1 - leading


def _written(size: float, decimals: int) -> str:
    """Write a number with its decimals; one that would fill a line, as damage makes them, by a power of ten."""
    short = size < phrases.LONGEST and decimals < _MOST_DECIMALS
    return f"{round(size, decimals):,.{max(0, decimals)}f}" if short else f"{size:.3g}"


def _signed(text: str, value: float) -> str:
    return MINUS + text if value < 0 and text.strip("0.,") else text


def _strange(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "∞" if value > 0 else f"{MINUS}∞"
