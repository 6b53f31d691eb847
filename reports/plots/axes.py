"""Place values on axes, choose their ticks, and draw what figures have in common: axes, titles and legends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.plots import style
from tare.reports.plots.canvas import LINE, SMALL, fitted, number, text_width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tare.reports.plots.canvas import Canvas


@dataclass(frozen=True, slots=True)
class Scale:
    """Map values to pixels, in proportion to the values or to their logarithms."""

    low: float
    high: float
    start: float
    """Pixel of ``low``."""
    end: float
    """Pixel of ``high``; it may be less than ``start``, as on an axis that points up."""
    log: bool = False

    def __call__(self, value: float) -> float:
        """Give a value's pixel; values beyond an end are put at that end."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + (self.end - self.start) * share


def ticks(low: float, high: float, most: int, *, log: bool = False) -> list[float]:
    """Choose at most ``most`` round values between two, both included."""
    if not log or high / low < 3:
        return _even(low, high, most)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1,)):
        found = [m * 10.0**decade for decade in range(first, last + 1) for m in steps]
        kept = [value for value in found if low <= value <= high]
        if len(kept) <= most:
            return kept
    return kept[:: math.ceil(len(kept) / most)]


def _even(low: float, high: float, most: int) -> list[float]:
    if not high > low:
        return [low]
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(m for m in (1, 2, 5, 10, 20) if (high - low) / (m * step) < most or m == 20)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def ratio_text(value: float) -> str:
    """Label a tick of an axis of ratios."""
    return style.tick(value, "")


def bottom_axis(
    made: Canvas, scale: Scale, span: tuple[float, float], told: Callable[[float], str], label: str = ""
) -> None:
    """Draw vertical grid lines from ``span[0]`` to ``span[1]``, with the values below them, and the axis's label."""
    top, bottom = span
    most = max(2, int(abs(scale.end - scale.start) / 50))
    _tick_marks(
        made, [(scale(v), told(v)) for v in ticks(scale.low, scale.high, most, log=scale.log)], top, bottom
    )
    if label:
        middle = (scale.start + scale.end) / 2
        made.text(
            middle, bottom + 2 * LINE - 4, fitted(label, abs(scale.end - scale.start) + 40, SMALL), "c m s"
        )


def counted_axis(made: Canvas, places: Iterable[tuple[float, str]], span: tuple[float, float]) -> None:
    """Draw the grid lines and labels of an axis that has its values given: (pixel, label)."""
    _tick_marks(made, list(places), *span)


def _tick_marks(made: Canvas, places: Sequence[tuple[float, str]], top: float, bottom: float) -> None:
    last = -math.inf
    for x, told in places:
        made.line((x, top), (x, bottom), "g")
        half = text_width(told, SMALL) / 2
        if x - half < last + 4:
            continue  # it would run into its neighbour
        last = x + half
        if x + half > made.width:
            made.text(made.width, bottom + 14, told, "e m s")
        elif x - half < 0:
            made.text(0, bottom + 14, told, "m s")
        else:
            made.text(x, bottom + 14, told, "c m s")


def left_axis(made: Canvas, scale: Scale, span: tuple[float, float], told: Callable[[float], str]) -> None:
    """Draw horizontal grid lines from ``span[0]`` to ``span[1]``, with the values left of them."""
    left, right = span
    for value in ticks(scale.low, scale.high, max(2, int(abs(scale.end - scale.start) / 24)), log=scale.log):
        y = scale(value)
        made.line((left, y), (right, y), "g")
        made.text(left - 5, y + 4, told(value), "e m s")


def whisker(
    made: Canvas,
    scale: Scale,
    ends: tuple[float, float],
    y: float,
    room: tuple[float, float] = (0.0, 0.0),
    look: str = "",
) -> None:
    """Draw an interval with its two ends; where it goes on beyond the axis, or into ``room`` at an edge, with an arrow."""
    low, high = ends
    first, last = scale.start + room[0], scale.end - room[1]
    if high < scale.low or low > scale.high or scale(low) >= last or scale(high) <= first:
        return
    left, right = max(scale(low), first), min(scale(high), last)
    marks = [
        f"M{number(left)} {number(y - 4)}v8"
        if low >= scale.low and scale(low) >= first
        else f"M{number(left + 5)} {number(y - 4)}l-5 4l5 4",
        f"M{number(right)} {number(y - 4)}v8"
        if high <= scale.high and scale(high) <= last
        else f"M{number(right - 5)} {number(y - 4)}l5 4l-5 4",
    ]
    made.path(f"M{number(left)} {number(y)}H{number(right)}{''.join(marks)}", look)


@dataclass(frozen=True, slots=True)
class Sign:
    """Hold one entry of a legend: its text, and what it looks like."""

    text: str
    color: str = ""
    draw: Callable[[Canvas, float, float], None] | None = None
    """Draws the sign about a point; ``None``: a square of the colour."""


def label_room(labels: Iterable[str], least: float = 90, most: float = 220) -> float:
    """Give the width in pixels of a column for labels, with a space behind them."""
    return min(max([least, *(text_width(one) + 14 for one in labels)]), most)


def dashes(made: Canvas, x: float, y: float) -> None:
    """Draw the sign of a dashed line."""
    made.line((x - 7, y), (x + 7, y), "t")


def legend(made: Canvas, signs: Iterable[Sign]) -> None:
    """Write a legend at the canvas's height, in as many lines as its width asks for."""
    x, y = 0.0, made.height + LINE - 4
    for sign in signs:
        told = fitted(sign.text, made.width - 20)
        room = 18 + text_width(told)
        if x and x + room > made.width:
            x, y = 0.0, y + LINE
        with made.group(sign.color):
            if sign.draw:
                sign.draw(made, x + 7, y - 4)
            else:
                made.rectangle(x + 2, y - 9, (10, 10))
        made.text(x + 18, y, told)
        x += room + 14
    made.height = y + 10


def title(made: Canvas, x: float, text: str, width: float) -> None:
    """Write a panel's title at the canvas's height, without moving on: panels stand side by side."""
    made.text(x, made.height + LINE - 3, fitted(text, width), "b")
