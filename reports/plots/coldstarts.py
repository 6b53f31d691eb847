"""Draw the distribution of cold starts: every trial on a log scale, and each runner's spread about its own median."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tare.reports.plots import style
from tare.reports.plots.axes import Scale, bottom_axis, label_room, left_axis, ratio_text, title
from tare.reports.plots.canvas import LINE, SMALL, Canvas, fitted, text_width, track
from tare.reports.summaries import names
from tare.reports.summaries.startup import tail
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.summaries.run import Summary
    from tare.reports.summaries.startup import Phases
    from tare.reports.text.words import Words

_ROW, _CURVE, _HIGHEST = 34, 150, 260
"""Pixels: height of a row's points, least and greatest height of the panel of distributions."""
_FAR = 4
"""Distributions that reach this many times as far as they begin would be a step at the edge of a linear axis."""
_MOST_CASES = 4
MOST_DOTS = 60
"""Beyond so many starts, the points are one shape and the median and the tail have the values to point at."""


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if no trial launched a place of its own."""
    cases = list(summary.startup.items())[:_MOST_CASES]
    if not cases:
        return None
    made = Canvas(width)
    spread = f"{words('figure.coldstarts.spread')}: {words('figure.coldstarts.share')}"
    for case, by_runner in cases:
        title(made, 0, names.case_name(case, words), width)
        top = made.height
        made.height += LINE + 2
        if made.narrow:
            _strip(made, by_runner, (4, width - 4), summary, words)
            title(made, 0, spread, width)
            made.height += LINE + 6
            _spread(made, by_runner, (46, width - 6), summary, words)
            continue
        left = label_room(by_runner)
        middle = left + (width - left) * 0.56
        _strip(made, by_runner, (left, middle), summary, words)
        below, made.height = made.height, top
        title(made, middle + 14, spread, width - middle - 14)
        made.height += LINE + 6
        _spread(made, by_runner, (middle + 60, width - 6), summary, words)
        made.height = max(below, made.height)
    return made


def _strip(
    made: Canvas, by_runner: Mapping[str, Phases], span: tuple[float, float], summary: Summary, words: Words
) -> None:
    """Draw every start; the rows' points go from the first one at the top to the last one at the bottom."""
    low = min(min(p.totals) for p in by_runner.values())
    high = max(max(p.totals) for p in by_runner.values())
    scale = Scale(low / 1.3, high * 1.3, *span, log=True)
    top = made.height
    row = _ROW + LINE
    bottom = top + row * len(by_runner)
    bottom_axis(made, scale, (top, bottom), lambda v: style.tick(v, "s"), words("figure.coldstarts.axis"))
    for at, (runner, found) in enumerate(by_runner.items()):
        y = top + row * at + LINE
        median = statistics.median(found.totals)
        kind, end = tail(found.totals)
        name = words("figure.coldstarts.max") if kind == "max" else kind
        told = f"p50 {found.whole} · {name} {numbers.quantity(end, 's')}"
        count = words("figure.n", n=found.n)
        made.text(span[1], y - 4, told, "e m s")
        if made.narrow:
            room = span[1] - text_width(told, SMALL) - text_width(f" · {count}") - 12
            made.text(0, y - 4, f"{fitted(runner, room)} · {count}")
        else:
            made.text(span[0] - 10, y + _ROW / 2 - 2, fitted(runner, span[0] - 12), "e")
            made.text(span[0] - 10, y + _ROW / 2 + 11, count, "e m s")
        with made.group(summary.display.color(runner), f"{runner}: {told}, {count}"):
            _starts(made, scale, found, y, runner)
            for edge in (y, y + _ROW - 7):  # beside the points, not over them
                made.line((scale(median), edge), (scale(median), edge + 6), "x")
            made.line((scale(end), y), (scale(end), y + _ROW), "t")
    made.height = bottom + 2 * LINE + 6


def _starts(made: Canvas, scale: Scale, found: Phases, y: float, runner: str) -> None:
    """Draw a row's points in the order of measurement, which needs no random numbers and shows drift."""
    step = (_ROW - 18) / max(1, len(found.totals) - 1)
    places = [(scale(total), y + 9 + step * at) for at, total in enumerate(found.totals)]
    if len(places) > MOST_DOTS:
        # Points that would lie on each other are drawn once.
        kept = dict.fromkeys((round(x), round(height)) for x, height in places)
        made.path("".join(f"M{x} {height}h0" for x, height in kept), "o")
        return
    for (x, height), total in zip(places, found.totals, strict=True):
        made.dot(x, height, 3, "p", f"{runner}: {numbers.quantity(total, 's')}")


def _spread(
    made: Canvas, by_runner: Mapping[str, Phases], span: tuple[float, float], summary: Summary, words: Words
) -> None:
    """Draw the cumulative distributions, each relative to its runner's own median."""
    height = _CURVE if made.narrow else min(max(_CURVE, (_ROW + LINE) * len(by_runner)), _HIGHEST)
    top, bottom = made.height, made.height + height
    curves = {}
    for runner, found in by_runner.items():
        median = statistics.median(found.totals)
        curves[runner] = sorted(value / median for value in found.totals)
    low, high = min(one[0] for one in curves.values()), max(one[-1] for one in curves.values())
    across = Scale(low, high, *span, log=high > _FAR * low)
    up = Scale(0, 1, bottom, top)
    left_axis(made, up, span, words.percent)
    axis = words("figure.coldstarts.spread_log" if across.log else "figure.coldstarts.spread_axis")
    bottom_axis(made, across, (top, bottom), ratio_text, axis)
    for runner, values in curves.items():
        points = [(across(values[0]), bottom)]
        for at, value in enumerate(values):
            points += [(across(value), points[-1][1]), (across(value), up((at + 1) / len(values)))]
        with made.group(summary.display.color(runner), runner):
            made.path(track(points))
    made.height = bottom + 2 * LINE + 6
