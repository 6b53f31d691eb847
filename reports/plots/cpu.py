"""Draw the CPU time of each job, as its own accounting counted it and as its surroundings did."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tare.reports.plots.axes import Scale, Sign, legend, title
from tare.reports.plots.canvas import LINE, SMALL, Canvas, fitted, number
from tare.reports.plots.panels import in_columns
from tare.reports.summaries import names
from tare.reports.summaries.cpu import INSIDE, PARTS, Bar, bars, chosen, vantage_name
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words

_SHADES = {
    "user": "#2a78b5",
    "system": "#e08a1e",
    "vcpu": "#7a5195",
    "io": "#3f9b8b",
    "other": "#b0a08a",
    "total": "#7d8894",
}
_BAR, _LABELS, _NUMBERS = 15, 182, 62
"""Pixels: height of a bar's row, width of the vantage points' names and of the numbers behind the bars."""
_FAR = 12.0
"""Bars this many times as long as a panel's shortest one would leave nothing to see of that: they end at its edge."""
_CUTS = (14, 20)
"""Pixels before the end of a bar that is longer than its panel at which it is cut, so that it is not taken for its length."""
_MOST_PANELS = 24


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if no trial recorded CPU time."""
    panels = [(case, chosen(bars(summary, case))) for case in summary.primary_values]
    panels = [(case, found) for case, found in panels if found][:_MOST_PANELS]
    if not panels:
        return None
    made = Canvas(width)
    made.text(0, LINE - 4, words("figure.cpu.axis"), "m s")
    made.height = LINE
    used = [part for part in PARTS if any(part in bar.parts for _case, found in panels for bar in found)]
    legend(made, [Sign(words(f"figure.cpu.{part}"), _SHADES[part]) for part in used])
    for (case, found), left, room in in_columns(made, panels):
        named = names.case_name(case, words)
        title(made, left, named, room)
        made.height += LINE + 2
        _panel(made, named, found, (left, left + room), words)
    return made


def edge(totals: Sequence[float]) -> float:
    """Choose the length at which a panel ends: its longest bar, of those that leave something to see of the shortest."""
    shortest = min((one for one in totals if one > 0), default=1.0)
    return max((one for one in totals if one <= _FAR * shortest), default=1.0) or 1.0


def _panel(made: Canvas, case: str, found: list[Bar], span: tuple[float, float], words: Words) -> None:
    """Draw the bars of one case; those of a runner stand below its name."""
    longest = edge([sum(bar.parts.values()) for bar in found])
    left, right = span
    scale = Scale(0, longest, left + _LABELS, right - _NUMBERS)
    for runner, own in groupby(found, key=lambda bar: bar.runner):
        made.text(left, made.height + LINE - 5, fitted(runner, right - left), "s")
        made.height += LINE - 2
        for bar in own:
            _bar(made, case, bar, scale, words)
            name = fitted(vantage_name(bar.vantage, words), _LABELS - 8, SMALL)
            made.text(left + _LABELS - 6, made.height + _BAR - 4, name, "e m s")
            made.height += _BAR
        made.height += 3
    made.height += 10


def _bar(made: Canvas, case: str, bar: Bar, scale: Scale, words: Words) -> None:
    """Draw a bar with its length behind it; one that is too long is cut and ends at the edge, its parts as shares."""
    total = sum(bar.parts.values())
    shrunk = min(1.0, scale.high / total) if total else 1.0
    parts = ", ".join(
        f"{words(f'figure.cpu.{part}')} {numbers.quantity(seconds, 's')}"
        for part, seconds in bar.parts.items()
    )
    begin = 0.0
    with made.group(hint=f"{case} · {bar.runner} · {vantage_name(bar.vantage, words)}: {parts}"):
        for part, seconds in bar.parts.items():
            end = begin + seconds * shrunk
            size = (max(scale(end) - scale(begin), 0.2), _BAR - 3)
            look = "" if bar.vantage == INSIDE else "p"
            made.rectangle(scale(begin), made.height + 1, size, look, _SHADES[part])
            begin = end
    if shrunk < 1:
        for at in _CUTS:
            made.path(f"M{number(scale(begin) - at)} {number(made.height)}l-4 {_BAR - 1}", "r")
    arrow = "→ " if shrunk < 1 else ""
    made.text(scale(begin) + 4, made.height + _BAR - 4, f"{arrow}{numbers.quantity(total, 's')}", "m s")
