"""Draw small figures straight into SVG: lines of text and strokes, in the page's own colours and font.

They cost a thousandth of what matplotlib takes, so that a page can have hundreds of them, and their points can be links.
"""

from __future__ import annotations

import datetime
import math
import statistics
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from tare.reports.plots.canvas import fitted
from tare.reports.text import numbers
from tare.results.statistics.exponents import exp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.reports.content.nodes import Chart, ChartLine, ChartPoint, Dumbbell, Dumbbells


class _Frame(NamedTuple):
    """Measures of a figure of dumbbells, in pixels."""

    kind: str
    """Class of the figure: a page shows the one for its width."""
    labels: int
    """Width of the labels beside the lines; 0: they stand above them."""
    width: int
    row: int
    """Height of a row."""
    numbers: int
    """Width of the numbers at a row's end."""


_WIDE, _NARROW = _Frame("wide", 260, 760, 24, 80), _Frame("narrow", 0, 360, 40, 66)

_CHART_WIDTH, _CHART_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 420, 150, 80, 10, 10, 24

_LINES_TOGETHER = 12
"""Lines of a figure of dumbbells that a page of paper must not part."""

_MOST_WHISKERS, _MOST_DOTS = 30, 120
"""Runs of a line up to which their spreads are drawn, and up to which their dots do not run into each other."""

_FEWEST_JUDGED, _FAR, _PRESSED = 8, 10.0, 2.0
"""Runs from which single ones are told from the others; how far these lie from their neighbours, in usual steps from run to
run; and how many times as high as without them the chart would be."""


def dumbbells(node: Dumbbells) -> Markup:
    """Draw lines from the base at 1 to the head, for a wide page and for a phone's."""
    return _dumbbells(node, _WIDE) + _dumbbells(node, _NARROW)


def _dumbbells(node: Dumbbells, frame: _Frame) -> Markup:
    """Draw each head with its interval, and the band in which a difference does not matter."""
    ends = [1 - node.threshold, 1 + node.threshold, *(end for line in node.lines for end in _ends(line))]
    low, high = math.log(max(min(ends), 1e-9)), math.log(max(ends))
    room = 0.06 * (high - low) or 0.01
    low, high = low - room, high + room
    span = frame.width - frame.labels - frame.numbers - 6

    def x(ratio: float) -> float:
        return frame.labels + 6 + span * (math.log(max(ratio, 1e-9)) - low) / (high - low)

    ticks = [(x(ratio), numbers.ratio(ratio)) for ratio in _ticks(exp(low), exp(high))]
    drawn = [(line, [x(end) for end in _ends(line)]) for line in node.lines]
    band = x(1 - node.threshold), x(1), x(1 + node.threshold)
    made = []
    for first in range(0, len(drawn), _LINES_TOGETHER):
        some = drawn[first : first + _LINES_TOGETHER]
        last = first + len(some) == len(drawn)
        height = frame.row * len(some)
        parts = _lines(some, band, height, frame)
        if last:
            tick = Markup('<text class="tick" x="{:.1f}" y="{}">{}</text>')
            parts += [tick.format(where, height + 18, text) for where, text in ticks]
        made.append(_svg(frame.width, height + 24 * last, node.caption, parts, frame.kind))
    return Markup("").join(made)


def _lines(
    drawn: Sequence[tuple[Dumbbell, Sequence[float]]],
    band: tuple[float, float, float],
    height: float,
    frame: _Frame,
) -> list[Markup]:
    """Draw some of the lines, which adjoin the others, and behind them the band around the base."""
    left, base, right = band
    return [
        Markup('<rect class="band" x="{:.1f}" y="0" width="{:.1f}" height="{}"/>').format(
            left, right - left, height
        ),
        Markup('<path class="base" d="M{:.1f} 0V{}"/>').format(base, height),
        *(
            _dumbbell(line, base, ends, frame.row * (at + 1) - 12, frame)
            for at, (line, ends) in enumerate(drawn)
        ),
    ]


def _ends(line: Dumbbell) -> tuple[float, float, float]:
    return (
        line.value,
        line.value if line.low is None else line.low,
        line.value if line.high is None else line.high,
    )


def _dumbbell(line: Dumbbell, base: float, ends: Sequence[float], y: float, frame: _Frame) -> Markup:
    head, low, high = ends
    label = fitted(line.label, (frame.labels or frame.width) - 6)
    # From a factor of 2 on, the digits are those that the interval allows, as in the table and the headline.
    width = None if line.low is None or line.high is None else line.high - line.low
    large = not 0.5 < line.value < 2
    told = numbers.ratio(line.value, width=width) if large else numbers.change(line.value)
    return Markup(
        '<g class="{}"><title>{}</title><text x="0" y="{:.1f}">{}</text><path class="whisker" d="M{:.1f} {:.1f}H{:.1f}"/>'
        '<path d="M{:.1f} {:.1f}H{:.1f}"/><circle class="from" cx="{:.1f}" cy="{:.1f}" r="4"/>'
        '<circle cx="{:.1f}" cy="{:.1f}" r="5"/><text class="end" x="{}" y="{:.1f}">{}</text></g>'
    ).format(
        line.kind, line.hint, y + 4 if frame.labels else y - 14, label, low, y, high, base, y, head, base, y, head, y, frame.width, y + 4,
        told,
    )  # fmt: skip


def _ticks(low: float, high: float) -> list[float]:
    """Choose up to five round ratios between two."""
    if high / low < 3:
        step = 10 ** math.floor(math.log10((high - low) / 3))
        step = next(each for each in (step, 2 * step, 5 * step, 10 * step) if (high - low) / each <= 5)
        return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [m * 10.0**decade for decade in decades for m in (1, 2, 5) if low <= m * 10.0**decade <= high]
    return found[:: math.ceil(len(found) / 6)]


def chart_of(chart: Chart) -> Markup:
    """Draw the runners' lines over time. Points carry what a reader may ask of them; changes are marked in their colour."""
    points = [point for line in chart.lines for point in line.points]
    begin, end = min(p.seconds for p in points), max(p.seconds for p in points)
    if end - begin < 1:
        begin, end = begin - 1, end + 1
    whiskers = max(len(line.points) for line in chart.lines) <= _MOST_WHISKERS
    usual = [point for line in chart.lines for point in _usual(line)]
    low = min(p.low if whiskers else p.value for p in usual)
    high = max(p.high if whiskers else p.value for p in usual)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = (low - room if low < room or low - room > 0 else 0.0), high + room

    def x(seconds: float) -> float:
        return _LEFT + (_CHART_WIDTH - _LEFT - _RIGHT) * (seconds - begin) / (end - begin)

    def y(value: float) -> float:
        return _TOP + (_CHART_HEIGHT - _TOP - _BOTTOM) * (high - min(max(value, low), high)) / (high - low)

    floor = _CHART_HEIGHT - _BOTTOM
    parts = [
        Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(_LEFT, _TOP, floor, _CHART_WIDTH - _RIGHT)
    ]
    greatest, least = max(p.value for p in usual), min(p.value for p in usual)
    told = {numbers.quantity(least, chart.unit): y(least) + 4} if greatest == least else {}
    told = told or {
        numbers.quantity(greatest, chart.unit): _TOP + 8.0,
        numbers.quantity(least, chart.unit): floor,
    }
    for label, at in told.items():
        parts.append(Markup('<text class="end" x="{}" y="{}">{}</text>').format(_LEFT - 5, at, label))
    days = ((begin, "start"), (end, "end"))
    for seconds, side in days[: 1 + (len({p.seconds for p in points}) > 1)]:
        day = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")
        parts.append(
            Markup('<text class="{}" x="{:.1f}" y="{}">{}</text>').format(
                side, x(seconds), _CHART_HEIGHT - 6, day
            )
        )
    for line in chart.lines:
        places = [(x(p.seconds), y(p.value)) for p in line.points]
        if whiskers:
            parts += [
                Markup('<path class="whisker" stroke="{}" d="M{:.1f} {:.1f}V{:.1f}"/>').format(
                    line.color, x(p.seconds), y(p.low), y(p.high)
                )
                for p in line.points
            ]
        parts += _line(line, places, floor)
        parts += [
            _written(point.value, chart.unit, place)
            for point, place in zip(line.points, places, strict=True)
            if not low <= point.value <= high
        ]
    # An image has no parts that can be reached; a chart whose points are links has.
    role = "group" if any(point.target for point in points) else "img"
    return _svg(_CHART_WIDTH, _CHART_HEIGHT, chart.title, parts, role=role)


def _written(value: float, unit: str, place: tuple[float, float]) -> Markup:
    """Write the value of a point at the chart's edge beside it."""
    across, down = place
    right = across < _LEFT + 40
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
        "start" if right else "end", across + (7 if right else -7), down + 4, numbers.quantity(value, unit)
    )


def _usual(line: ChartLine) -> list[ChartPoint]:
    """Leave out single runs far from their neighbours, which would press all others into a flat line.

    They are drawn at the edge, with their values written out. A change of level is none of them: it lasts.
    """
    values = [point.value for point in line.points]
    if len(values) < _FEWEST_JUDGED:
        return list(line.points)
    steps = statistics.median(abs(after - before) for before, after in pairwise(values))
    around = [statistics.median(values[max(0, at - 3) : at + 4]) for at in range(len(values))]
    usual = [
        point
        for point, middle in zip(line.points, around, strict=True)
        if abs(point.value - middle) <= _FAR * steps
    ]
    kept = [point.value for point in usual] or values
    pressed = max(values) - min(values) > _PRESSED * (max(kept) - min(kept))
    return usual if usual and pressed else list(line.points)


def _line(line: ChartLine, places: Sequence[tuple[float, float]], floor: float) -> Iterator[Markup]:
    for point, (x, _y) in zip(line.points, places, strict=True):
        if point.change:
            yield Markup('<path class="change {}" d="M{:.1f} {}V{:.1f}"/>').format(
                point.change, x, _TOP, floor
            )
    track = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield Markup('<polyline points="{}" stroke="{}"/>').format(track, line.color)
    small = 2.2 if len(places) <= _MOST_DOTS else 1.1
    for point, (x, y) in zip(line.points, places, strict=True):
        dot = Markup(
            '<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}"><title>{}: {}</title></circle>'
        ).format(x, y, 4 if point.change else small, line.color, line.label, point.hint)
        yield Markup('<a href="{}">{}</a>').format(point.target, dot) if point.target else dot


def _svg(
    width: float, height: float, label: str, parts: Sequence[Markup], kind: str = "", role: str = "img"
) -> Markup:
    named = Markup(' class="{}"').format(kind) if kind else Markup()
    opening = Markup('<svg{} viewBox="0 0 {} {}" role="{}" aria-label="{}">').format(
        named, width, height, role, label
    )
    return opening + Markup("").join(parts) + Markup("</svg>")
