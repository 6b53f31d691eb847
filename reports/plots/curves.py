"""Draw panels of curves over a number, such as that of threads or of places, with a tick at each of its powers of two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.plots.axes import Scale, Sign, counted_axis, left_axis, legend, title
from tare.reports.plots.canvas import LINE, SMALL, Canvas, fitted, track
from tare.reports.plots.panels import in_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tare.reports.summaries.runners import RunnerDisplay

    Points = Sequence[tuple[float, float]]

_HEIGHT, _LEFT = 230, 62
"""Pixels: height of a panel's axes, and width of the labels beside them."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold one line, or the points about it."""

    runner: str
    points: Points
    """(number, value); of a line, ascending."""
    form: str = "line"
    """``line``, ``dashed`` (a line with hollow points), ``cloud`` (single trials) or ``band`` (there and back)."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Hold what one panel shows: its curves and axes."""

    title: str
    label: str
    """Label of the axis across."""
    counts: Sequence[int]
    """Numbers that get a tick."""
    curves: Sequence[Curve]
    told: Callable[[float], str]
    """Writes a value, on the axis and for the pointer."""
    log: bool
    ideal: Points = ()
    """Line that is no runner's."""


def draw(width: float, panels: Sequence[Panel], display: RunnerDisplay, more: Iterable[Sign] = ()) -> Canvas:
    """Draw the panels under a legend of their runners."""
    made = Canvas(width)
    runners = sorted({curve.runner for panel in panels for curve in panel.curves}, key=display.rank)
    legend(made, [*(Sign(runner, display.color(runner)) for runner in runners), *more])
    for panel, left, room in in_columns(made, panels):
        title(made, left, panel.title, room)
        made.height += LINE + 6
        _axes(made, panel, left + _LEFT, left + room - 10, display)
    return made


def _axes(made: Canvas, panel: Panel, left: float, right: float, display: RunnerDisplay) -> None:
    top, bottom = made.height, made.height + _HEIGHT
    made.height = bottom + 2 * LINE + 6
    points = [point for curve in panel.curves for point in curve.points] + list(panel.ideal)
    values = [value for _number, value in points if value > 0]
    if not values:
        return
    numbers = [number for number, _value in points]
    first, last = max(min(numbers), 0.5), max(numbers)
    room = (last / first) ** 0.04 if last > first else 2
    across = Scale(first / room, last * room, left, right, log=True)
    low = min(values) / 1.15 if panel.log else 0.0
    up = Scale(low, max(values) * (1.15 if panel.log else 1.06), bottom, top, log=panel.log)
    left_axis(made, up, (left, right), panel.told)
    kept = [count for count in panel.counts if across.low <= count <= across.high]
    counted_axis(made, [(across(count), str(count)) for count in kept], (top, bottom))
    made.text((left + right) / 2, bottom + 2 * LINE - 4, fitted(panel.label, right - left, SMALL), "c m s")
    if panel.ideal:
        made.path(track([(across(x), up(y)) for x, y in panel.ideal]), "t")
    for curve in panel.curves:
        places = [(across(x), up(y)) for x, y in curve.points if y > 0 or not panel.log]
        if places:
            with made.group(display.color(curve.runner)):
                _curve(made, curve, places, panel.told)


def _curve(made: Canvas, curve: Curve, places: Points, told: Callable[[float], str]) -> None:
    if curve.form == "band":
        made.path(track(places) + "z", "z")
        return
    if curve.form == "cloud":
        kept = dict.fromkeys(
            (round(x), round(y)) for x, y in places
        )  # what would lie on each other is drawn once
        made.path("".join(f"M{x} {y}h0" for x, y in kept), "o")
        return
    made.path(track(places), "q" if curve.form == "dashed" else "")
    for (x, y), (number, value) in zip(places, curve.points, strict=False):
        look = "h" if curve.form == "dashed" else ""
        made.dot(x, y, 3.4, look, f"{curve.runner}, {number:g}: {told(value)}")


def powers_of_two(most: int) -> list[int]:
    """List the powers of two up to a number."""
    return [1 << power for power in range(max(1, math.ceil(math.log2(most + 1))))]
