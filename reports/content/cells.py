"""Make the table cells that several sections share."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.reports.model import Kind
    from tare.results.statistics.estimates import Estimate


def runner(page: Page, label: str, *, detail: str = "") -> Cell:
    """Make the cell that names a runner, with its colour as a swatch."""
    return Cell(label, detail=detail, color=page.summary.display.color(label))


def quantity(value: float | None, unit: str) -> Cell:
    """Make the cell of one number; a dash for ``None``."""
    return Cell(DASH) if value is None else Cell(numbers.quantity(value, unit), value=value)


def count(value: int, *, detail: str = "") -> Cell:
    """Make the cell of a count, printed in full."""
    return Cell(str(value), detail=detail, value=value)


def estimate(given: Estimate, unit: str) -> Cell:
    """Make the cell of a median in ``unit``, its interval in the second line."""
    return Cell(
        numbers.quantity(given.value, unit, width=numbers.width_of(given)),
        detail=numbers.interval(given, unit),
        value=given.value,
        low=given.low,
        high=given.high,
    )


def ratio(given: Estimate | None, kind: Kind) -> Cell:
    """Make the cell of a cost ratio, its interval in the second line; a dash for ``None``."""
    if given is None:
        return Cell(DASH)
    return Cell(
        numbers.ratio(given.value, width=numbers.width_of(given)),
        detail=numbers.interval(given, "ratio"),
        value=given.value,
        low=given.low,
        high=given.high,
        kind=kind,
    )


def spread(values: Sequence[float], unit: str) -> Cell:
    """Make the cell of the trials' median, with their least and most below it; a dash without values."""
    if not values:
        return Cell(DASH, kind="muted")
    middle, low, high = statistics.median(values), min(values), max(values)
    detail = f"{numbers.quantity(low, unit)} {DASH} {numbers.quantity(high, unit)}" if low != high else ""
    return Cell(numbers.quantity(middle, unit), detail=detail, value=middle, low=low, high=high)
