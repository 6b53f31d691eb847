"""Draw the cost of each workload under each runner: ratios to the base with intervals and the noise floor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from tare.reports.plots.axes import (
    Scale,
    Sign,
    bottom_axis,
    dashes,
    label_room,
    legend,
    ratio_text,
    title,
    whisker,
)
from tare.reports.plots.canvas import LINE, SMALL, Canvas, fitted, number
from tare.reports.summaries import names
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words
    from tare.results.judgement.comparison import Comparison

SHAPES = ("worse", "better", "same", "undecided")
"""Verdicts in the legend's order; each has a shape of its own, so that none is told by colour alone."""

_NEAR = 1.6
"""Ratios up to here get a linear panel of their own when others go far beyond it."""
_FAR = 2.5
_MOST_COLORS = 6
"""Of more runners, each row bears its runner's name: nobody tells so many colours apart."""
_ROW, _GAP, _LABELS, _COUNTS = 16, 9, 165, 46
"""Pixels: of a row, between two cases, of the column of cases and of that of n on a wide page."""


@dataclass(frozen=True, slots=True)
class _Band:
    """Hold one case's rows, and where they are drawn."""

    rows: tuple[Comparison, ...]
    top: float
    bottom: float

    def y(self, at: int) -> float:
        """Give the middle of a row."""
        return self.top + _ROW * (at + 0.5)


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if nothing was compared."""
    # A comparison without any ratio (no block in which both sides were measured) is in the table only.
    # The rungs of the ladder have a figure of their own.
    found = [
        c
        for c in summary.primary
        if math.isfinite(c.cost.value) and c.cost.value > 0 and c.runner not in summary.rungs
    ]
    if not found:
        return None
    made = Canvas(width)
    runners = sorted({c.runner for c in found}, key=summary.display.rank)
    rows_named = len(runners) > _MOST_COLORS
    _legend(made, found, [] if rows_named else runners, summary, words)
    far = max(_reach(c)[1] for c in found) > _FAR or min(_reach(c)[0] for c in found) < 1 / _FAR
    near = [c for c in found if 1 / _NEAR < c.cost.value < _NEAR]
    split = far and bool(near)
    left = 4.0 if made.narrow else _LABELS
    if rows_named:
        left = label_room(runners, most=150 if made.narrow else 200)
    right = width - (12 if made.narrow else _COUNTS)
    middle = right if made.narrow else left + (right - left) * 0.6
    panels = [(_linear(near, left, middle, capped=True), True)] if split else []
    if not split:
        panels.append(
            (_logarithmic(found, left, right) if far else _linear(found, left, right, capped=False), False)
        )
    elif not made.narrow:  # beside each other there is room for both
        panels.append((_logarithmic(found, middle + 26, right), False))
    if split:
        for scale, capped in panels:
            text = words("figure.overhead.near") if capped else words("figure.overhead.all")
            title(made, scale.start, text, scale.end - scale.start)
        made.height += LINE
    _rows(made, found, panels, summary, words, left if rows_named else 0)
    return made


def _rows(
    made: Canvas,
    found: Sequence[Comparison],
    panels: Sequence[tuple[Scale, bool]],
    summary: Summary,
    words: Words,
    names_room: float,
) -> None:
    """Draw all cases below each other, with the panels' axes behind them.

    ``names_room`` is the width of the rows' names; 0: colours tell the runners.
    """
    above = made.narrow or names_room > 0
    top = made.height + 4
    bands, y = [], top
    for _case, group in groupby(found, key=lambda c: (case_of(c), c.metric)):
        rows = tuple(group)
        y += LINE if above else 0
        bands.append(_Band(rows, y, y + _ROW * len(rows)))
        y += _ROW * len(rows) + _GAP
    for scale, _capped in panels:
        label = words("figure.overhead.axis_log") if scale.log else words("figure.overhead.axis")
        bottom_axis(made, scale, (top, y), ratio_text, label)
        for band in bands:
            _backdrop(made, scale, band)
        made.line((scale(1), top), (scale(1), y), "i")
    for band in bands:
        _labels(made, band, words, names_room)
        for at, comparison in enumerate(band.rows):
            for scale, capped in panels:
                room = _overflow(made, scale, comparison, band.y(at)) if capped else (0.0, 0.0)
                with made.group(summary.display.color(comparison.runner), _told(comparison, words)):
                    _point(made, scale, comparison, band.y(at), room)
            if not made.narrow:
                made.text(made.width, band.y(at) + 4, words("figure.n", n=comparison.cost.n), "e m s")
    made.height = y + 2 * LINE + 4


def _labels(made: Canvas, band: _Band, words: Words, names_room: float) -> None:
    """Name a case above its rows or beside them, and the rows by their runners where there are many of these."""
    label = names.case_name(case_of(band.rows[0]), words)
    if made.narrow or names_room:
        made.text(0, band.top - 4, fitted(label, made.width), "b" if names_room else "")
    else:
        made.text(_LABELS - 10, (band.top + band.bottom) / 2 + 4, fitted(label, _LABELS - 14), "e")
    for at, comparison in enumerate(band.rows if names_room else ()):
        name = fitted(comparison.runner, names_room - 12, SMALL)
        made.text(names_room - 10, band.y(at) + 4, name, "e s")


def _told(comparison: Comparison, words: Words) -> str:
    """Tell a point in words."""
    case = names.spoken_case(case_of(comparison), words)
    count = words("figure.n", n=comparison.cost.n)
    verdict = words(f"verdict.{comparison.verdict}")
    return f"{comparison.runner} · {case}: {numbers.cost(comparison.cost)}, {verdict}, {count}"


def _reach(comparison: Comparison) -> tuple[float, float]:
    cost = comparison.cost
    return (cost.value if cost.low is None else cost.low, cost.value if cost.high is None else cost.high)


def _backdrop(made: Canvas, scale: Scale, band: _Band) -> None:
    """Draw noise floor and thresholds behind a case's rows."""
    floor = band.rows[0].floor
    if floor is not None and floor.low is not None and floor.high is not None:
        low, high = scale(floor.low), scale(floor.high)
        made.rectangle(low, band.top, (max(high - low, 1), band.bottom - band.top), "k")
    for threshold in sorted({c.threshold for c in band.rows}):
        for edge in (1 - threshold, 1 + threshold):
            made.line((scale(edge), band.top), (scale(edge), band.bottom), "t")


def _point(
    made: Canvas, scale: Scale, comparison: Comparison, y: float, room: tuple[float, float] = (0.0, 0.0)
) -> None:
    """Draw the interval with its ends, and the verdict's shape at the ratio.

    ``room`` is what a text takes at both edges of the panel.
    """
    whisker(made, scale, _reach(comparison), y, room)
    if scale.low <= comparison.cost.value <= scale.high:
        shape(made, comparison.verdict, scale(comparison.cost.value), y)


def shape(made: Canvas, verdict: str, x: float, y: float) -> None:
    """Draw a verdict's sign about a point."""
    if verdict == "undecided":
        made.dot(x, y, 4, "h")
        return
    forms = {"worse": "m-4-5l9 5l-9 5z", "better": "m4-5l-9 5l9 5z", "same": "m0-5.5l5 5.5l-5 5.5l-5-5.5z"}
    made.path(f"M{number(x)} {number(y)}{forms[verdict]}", "f")


def _sign(verdict: str, made: Canvas, x: float, y: float) -> None:
    shape(made, verdict, x, y)


def _linear(shown: Sequence[Comparison], start: float, end: float, *, capped: bool) -> Scale:
    edges = [end for c in shown for end in (*_reach(c), 1 - c.threshold, 1 + c.threshold)]
    edges += [end for c in shown if c.floor for end in (c.floor.low, c.floor.high) if end is not None]
    low, high = min(edges), max(edges)
    if capped:
        low, high = max(low, 1 / _NEAR), min(high, _NEAR)
    room = 0.08 * (high - low) or 0.01
    return Scale(low - room, high + room * (2.2 if capped else 1), start, end)


def _logarithmic(found: Sequence[Comparison], start: float, end: float) -> Scale:
    low, high = min(_reach(c)[0] for c in found), max(_reach(c)[1] for c in found)
    least = min(c.cost.value for c in found)
    low = max(low, least / 100)  # an interval may reach down to zero
    return Scale(min(low, 1) / 1.25, max(high, 1) * 1.35, start, end, log=True)


def _overflow(made: Canvas, scale: Scale, comparison: Comparison, y: float) -> tuple[float, float]:
    """Print a ratio that lies beyond the edge of the linear panel at that edge; return the room it takes at both edges."""
    value = comparison.cost.value
    if scale.low <= value <= scale.high:
        return 0.0, 0.0
    right = value > scale.high
    told = numbers.ratio(value, width=numbers.width_of(comparison.cost))
    text = f"{told} →" if right else f"← {told}"
    # The line of its interval may reach into the panel and would strike the number through.
    room = 7.0 * len(text) + 10
    made.rectangle(scale.end - room if right else scale.start, y - 7, (room, 14), "y")
    made.text(scale.end if right else scale.start, y + 4, text, "e b" if right else "b")
    return (0.0, room) if right else (room, 0.0)


def _legend(
    made: Canvas, found: Sequence[Comparison], runners: Sequence[str], summary: Summary, words: Words
) -> None:
    if runners:
        legend(made, [Sign(runner, summary.display.color(runner)) for runner in runners])
    used = {c.verdict for c in found}
    signs = [
        Sign(words(f"verdict.{verdict}"), draw=partial(_sign, verdict))
        for verdict in SHAPES
        if verdict in used
    ]
    signs.append(Sign(words("figure.overhead.threshold"), draw=dashes))
    if any(c.floor for c in found):
        signs.append(
            Sign(
                words("figure.overhead.floor"),
                draw=lambda on, x, y: on.rectangle(x - 6, y - 6, (12, 12), "k"),
            )
        )
    legend(made, signs)
