"""The only place where numbers become text.

Digits follow the interval: the half-width's leading digit is shown, and one digit more where that leading digit is
1, 2 or 3 (the Particle Data Group's rule, rounded), between 2 and 5 significant digits in all. Without an interval
three significant digits are shown. Times and rates take SI prefixes, bytes IEC ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.results.statistics.estimates import Estimate

PLAIN_DIGITS, LEAST_DIGITS, MOST_DIGITS = 3, 2, 5

MINUS, TIMES, DASH = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"


class Scale(NamedTuple):
    """One step of a unit's ladder: values of at least ``factor`` may be shown in ``symbol``."""

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
    """``value`` (in ``unit``) as text; ``width`` is its interval's, and sets the digits."""
    if not math.isfinite(value):
        return _strange(value)
    if unit == "count" and width is None and value == int(value) and abs(value) < 1e6:
        return _signed(f"{abs(value):,.0f}", value)
    scale, decimals = _choose(abs(value), unit, width)
    text = _signed(f"{abs(value) / scale.factor:,.{decimals}f}", value)
    return f"{text} {scale.symbol}".rstrip()


def estimate(given: Estimate, unit: str) -> str:
    """Median with its interval: ``1.23 ms (1.20–1.27)``."""
    if given.low is None or given.high is None:
        return quantity(given.value, unit)
    width = given.high - given.low
    return (
        f"{quantity(given.value, unit, width=width)} ({span(given.low, given.high, unit, like=given.value)})"
    )


def span(low: float, high: float, unit: str, *, like: float | None = None) -> str:
    """An interval's ends without a unit, in the unit's step that ``like`` (default: ``high``) is shown in."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{_strange(low)}{DASH}{_strange(high)}"
    scale, decimals = _choose(abs(high if like is None else like), unit, high - low)
    ends = (_signed(f"{abs(end) / scale.factor:,.{decimals}f}", end) for end in (low, high))
    return DASH.join(ends)


def ratio(value: float, *, width: float | None = None) -> str:
    """A cost ratio: ``1.12×``; a dash where there is none (NaN)."""
    if math.isnan(value):
        return DASH
    return quantity(value, "ratio", width=width) + TIMES


def cost(given: Estimate) -> str:
    """A cost ratio with its interval: ``1.12× (1.10–1.14)``."""
    if given.low is None or given.high is None:
        return ratio(given.value)
    ends = span(given.low, given.high, "ratio", like=given.value)
    return f"{ratio(given.value, width=given.high - given.low)} ({ends})"


def change(value: float) -> str:
    """A cost ratio near 1 as a signed percentage (``+12 %``), a large one as a factor (``3.10×``)."""
    if not math.isfinite(value) or value >= 2 or value <= 0:
        return ratio(value)
    percent = (value - 1) * 100
    digits = 1 if abs(percent) < 9.95 else 0
    text = f"{abs(percent):.{digits}f}"
    if float(text) == 0:
        return "0 %"
    return f"{'+' if percent > 0 else MINUS}{text} %"


def percent(share: float) -> str:
    """A share of one as a percentage without a sign: ``5 %``, ``12.5 %``."""
    if not math.isfinite(share):
        return _strange(share)
    return f"{_signed(f'{abs(share) * 100:.3g}', share)} %"


def nearest_rank(values: Sequence[float], share: float) -> float:
    """The quantile by nearest rank: always a value that was measured. ``values`` must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _choose(size: float, unit: str, width: float | None) -> tuple[Scale, int]:
    """The step of the ladder and the decimals for a value of that absolute size."""
    ladder = LADDERS.get(unit) or (Scale(1.0, unit),)
    at = max((i for i, step in enumerate(ladder) if size >= step.factor), default=0)
    if size == 0:
        at = next((i for i, step in enumerate(ladder) if step.factor == 1.0), 0)
    decimals = _decimals(size / ladder[at].factor, width and width / ladder[at].factor)
    if at + 1 < len(ladder):
        limit = round(ladder[at + 1].factor / ladder[at].factor)
        if round(size / ladder[at].factor, decimals) >= limit:
            at += 1
            decimals = _decimals(1.0, width and width / ladder[at].factor)
    return ladder[at], decimals


def _decimals(scaled: float, width: float | None) -> int:
    if scaled == 0:
        return 0
    leading = math.floor(math.log10(scaled))
    digits = PLAIN_DIGITS
    if width and math.isfinite(width) and width > 0:
        half = width / 2
        place = math.floor(math.log10(half))
        place -= half / 10.0**place < 4
        digits = min(MOST_DIGITS, max(LEAST_DIGITS, leading - place + 1))
    return max(0, digits - 1 - leading)


def _signed(text: str, value: float) -> str:
    return MINUS + text if value < 0 and text.strip("0.,") else text


def _strange(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "∞" if value > 0 else f"{MINUS}∞"
