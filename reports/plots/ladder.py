"""Draw the isolation ladder as a flight of steps: each bar begins where the rung below ends and shows what it adds.

Start-up is drawn in time, everything else as cost relative to the base. The end of a bar is the sum of the paired
differences (or the product of the ratios), so it may differ slightly from the rung's own median in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.plots import style
from tare.reports.plots.axes import Scale, Sign, bottom_axis, label_room, legend, title, whisker
from tare.reports.plots.canvas import LINE, SMALL, Canvas, fitted, text_width
from tare.reports.summaries import names
from tare.reports.summaries.ladder import classify, rung_name
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words
    from tare.results.judgement.rungs import RungCost
    from tare.results.statistics.estimates import Estimate

_MOST_CASES = 3
"""Panels side by side; the tables have all."""
_ROW, _BETWEEN = 24, 22
_BEYOND = 1.5
"""Times the length of all bars together that an interval may reach beyond them; what is longer ends in an arrow."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Hold one bar: where it begins and ends, and where the interval of what it adds does."""

    rung: RungCost
    begin: float
    end: float
    low: float | None
    high: float | None
    color: str
    text: str


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if the run measured fewer than two rungs."""
    cases = list(summary.ladder.items())[:_MOST_CASES]
    if not cases:
        return None
    labels = {rung.runner: rung_name(words, rung) for _case, rungs in cases for rung in rungs}
    rows = {runner: at for at, runner in enumerate(labels, start=1)}
    base = cases[0][1][0].below
    made = Canvas(width)
    marks = [
        Sign(words("verdict.worse"), style.WORSE),
        Sign(words("verdict.better"), style.BETTER),
        Sign(words("figure.ladder.unclear"), style.UNCLEAR),
    ]
    whisker = Sign(
        words("figure.ladder.interval"), draw=lambda on, x, y: on.line((x - 7, y), (x + 7, y), "i")
    )
    legend(made, [*marks, whisker])
    columns = 1 if made.narrow else len(cases)
    named = label_room([base, *labels.values()], most=150 if made.narrow else 230)
    room = (width - named - _BETWEEN * (columns - 1)) / columns
    top = made.height
    for at, (case, rungs) in enumerate(cases):
        left = named + (0 if made.narrow else (room + _BETWEEN) * at)
        made.height = made.height if made.narrow else top
        title(made, 0 if made.narrow else left, names.case_name(case, words), width if made.narrow else room)
        made.height += LINE + 6
        if made.narrow or at == 0:
            for y, label in enumerate((base, *labels.values())):
                made.text(named - 8, made.height + _ROW * (y + 0.5) + 4, fitted(label, named - 10), "e")
        _flight(made, rungs, rows, (left, left + room), words)
    return made


def _flight(
    made: Canvas, rungs: Sequence[RungCost], rows: dict[str, int], span: tuple[float, float], words: Words
) -> None:
    absolute = all(rung.difference is not None for rung in rungs) and rungs[0].unit == "s"
    first = rungs[0]
    start = first.value.value - first.difference.value if absolute and first.difference else 1.0
    steps = _steps(rungs, start, absolute=absolute)
    low, high = _shown(steps)
    texts = 6 + max(text_width(one.text, SMALL) for one in steps)
    room = 0.04 * (high - low) or 0.01
    scale = Scale(low - room, high + room, span[0], max(span[1] - texts, span[0] + 40))
    top, bottom = made.height, made.height + _ROW * (len(rows) + 1)

    def y(runner: str) -> float:
        return top + _ROW * (rows.get(runner, 0) + 0.5)

    unit = "s" if absolute else ""
    label = words("figure.ladder.seconds" if absolute else "figure.ladder.ratio")
    bottom_axis(made, scale, (top, bottom), lambda v: style.tick(v, unit), label)
    made.line((scale(start), top), (scale(start), bottom), "i")
    for one in steps:
        here, x = y(one.rung.runner), scale(one.begin)
        made.line((x, y(one.rung.below)), (x, here), "g")
        left, right = sorted((x, scale(one.end)))
        with made.group(one.color, f"{one.rung.rung}: {_told(one, absolute=absolute)}"):
            made.rectangle(left, here - 7, (max(right - left, 0.5), 14))
            if one.low is not None and one.high is not None:
                whisker(made, scale, (one.low, one.high), here, look="i")
        made.text(span[1], here + 4, one.text, "e m s")
    made.height = bottom + 2 * LINE + 6


def _shown(steps: Sequence[_Step]) -> tuple[float, float]:
    """Choose the ends of the axis: all bars, and of the intervals what leaves something to see of the bars."""
    bars = [v for one in steps for v in (one.begin, one.end)]
    low, high = min(bars), max(bars)
    beyond = _BEYOND * (high - low)
    edges = [v for one in steps for v in (one.low, one.high) if v is not None]
    return max(min([low, *edges]), low - beyond), min(max([high, *edges]), high + beyond)


def _steps(rungs: Sequence[RungCost], start: float, *, absolute: bool) -> list[_Step]:
    """Put each rung's addition on the end of the rung below it."""
    ends = {rungs[0].below: start}
    found = []
    for rung in rungs:
        begin = ends.get(rung.below, start)
        added = rung.difference if absolute and rung.difference is not None else rung.cost
        ends[rung.runner] = _after(begin, added.value, absolute=absolute)
        low, high = (
            None if edge is None else _after(begin, edge, absolute=absolute)
            for edge in (added.low, added.high)
        )
        color = {"worse": style.WORSE, "better": style.BETTER}.get(
            classify(added, 0.0 if absolute else 1.0), style.UNCLEAR
        )
        text = f"{_text(rung, added, absolute=absolute)}  n={rung.cost.n}"
        found.append(_Step(rung, begin, ends[rung.runner], low, high, color, text))
    return found


def _after(begin: float, added: float, *, absolute: bool) -> float:
    return begin + added if absolute else begin * added


def _told(step: _Step, *, absolute: bool) -> str:
    """Tell what a rung adds, with its interval."""
    rung = step.rung
    if absolute and rung.difference is not None:
        return f"{numbers.estimate(rung.difference, 's')}, n={rung.cost.n}"
    return f"{numbers.changed(rung.cost)}, n={rung.cost.n}"


def _text(rung: RungCost, added: Estimate, *, absolute: bool) -> str:
    if not absolute:
        return numbers.change(rung.cost.value)
    return ("+" if added.value > 0 else "") + numbers.quantity(added.value, "s")
