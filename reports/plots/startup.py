"""Draw the start-up of each runner: shares of the phases on the left, durations on a log scale on the right.

A container starts in a millisecond, an emulated guest in seconds. Stacked on one linear axis the former would vanish;
on a log axis stacked lengths mislead. So the phases are drawn as shares with their durations written into them, and
the totals are drawn separately.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.plots import style
from tare.reports.plots.axes import Scale, Sign, bottom_axis, dashes, label_room, legend, title
from tare.reports.plots.canvas import LINE, SMALL, Canvas, fitted, text_width
from tare.reports.summaries import names
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.summaries.run import Summary
    from tare.reports.summaries.startup import Phases
    from tare.reports.text.words import Words

_BAR, _ROW, _GAP = 20, 32, 24
"""Pixels: height of a bar and of its row; width of the space between the panels."""
_MOST_CASES = 6
"""A figure with more panels is too long to read; the tables have all cases."""


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if no trial launched a place of its own."""
    cases = list(summary.startup.items())[:_MOST_CASES]
    if not cases:
        return None
    made = Canvas(width)
    _legend(made, summary, words)
    for case, by_runner in cases:
        name = names.case_name(case, words)
        if made.narrow:
            _shares(made, by_runner, name, (0.0, width), words)
            _sizes(made, by_runner, (70.0, width - 70), summary, words)
            continue
        left, top = label_room(by_runner), made.height
        middle = left + (width - left) * 0.56
        _shares(made, by_runner, name, (left, middle), words)
        below, made.height = made.height, top
        _sizes(made, by_runner, (middle + _GAP + 62, width - 62), summary, words)
        made.height = max(below, made.height)
    return made


def _lines(made: Canvas, by_runner: Mapping[str, Phases], words: Words, labels: float) -> list[float]:
    """Write the runners' names, and give the y of each row's middle; on a narrow figure a name stands above its row.

    ``labels`` is the width of the names' column on a wide figure; 0: the panel beside has them.
    """
    places, y = [], made.height
    for runner, found in by_runner.items():
        count = words("figure.n", n=found.n)
        if made.narrow:
            made.text(0, y + LINE - 4, f"{fitted(runner, made.width - 70)} · {count}")
            y += LINE
        elif labels:
            made.text(labels - 10, y + _ROW / 2 - 1, fitted(runner, labels - 12), "e")
            made.text(labels - 10, y + _ROW / 2 + 11, count, "e m s")
        places.append(y + _ROW / 2)
        y += _ROW
    made.height = y
    return places


def _shares(
    made: Canvas, by_runner: Mapping[str, Phases], name: str, span: tuple[float, float], words: Words
) -> None:
    title(made, 0, name, span[1])
    made.height += LINE + 4
    top = made.height
    scale = Scale(0, 1, *span)
    for y, (runner, found) in zip(_lines(made, by_runner, words, span[0]), by_runner.items(), strict=True):
        whole = sum(found.marks.values())
        left = 0.0
        for mark, seconds in found.marks.items():
            share = seconds / whole if whole else 0.0
            color, text = style.PHASE_COLORS[mark], numbers.quantity(seconds, "s")
            x, wide = scale(left), scale(left + share) - scale(left)
            with made.group(color, f"{runner}: {words(f'phase.{mark}')} {text}"):
                made.rectangle(x, y - _BAR / 2, (max(wide - 0.8, 0.4), _BAR))
            if wide > text_width(text, SMALL) + 2:
                made.text(x + wide / 2, y + 4, text, f"c s {letters(color)}")
            left += share
    bottom_axis(made, scale, (made.height, made.height), words.percent, words("figure.startup.share_axis"))
    made.line((span[0], top), (span[0], made.height), "g")
    made.height += 2 * LINE + 6


def _sizes(
    made: Canvas, by_runner: Mapping[str, Phases], span: tuple[float, float], summary: Summary, words: Words
) -> None:
    title(made, 0 if made.narrow else span[0] - 62, words("figure.startup.sizes"), made.width)
    made.height += LINE + 4
    top = made.height
    places = _lines(made, by_runner, words, 0)
    low = min(p.inside for p in by_runner.values())
    high = max(p.end_to_end for p in by_runner.values())
    scale = Scale(low / 1.2, max(high, low * 4) * 1.2, *span, log=True)
    bottom_axis(
        made, scale, (top, made.height), lambda v: style.tick(v, "s"), words("figure.startup.size_axis")
    )
    if (seconds := _baseline(summary)) is not None:
        made.line((scale(seconds), top), (scale(seconds), made.height), "t")
    for y, (runner, found) in zip(places, by_runner.items(), strict=True):
        begin, end = scale(found.inside), scale(found.end_to_end)
        inside, whole = numbers.quantity(found.inside, "s"), found.whole
        hint = f"{runner}: {words('figure.startup.end_to_end')} {whole}, {words('figure.startup.inside')} {inside}"
        with made.group(summary.display.color(runner), hint):
            made.line((begin, y), (end, y))
            made.dot(begin, y, 4, "h")
            made.dot(end, y, 4.5)
        made.rectangle(end + 7, y - 8, (text_width(whole), 15), "y")  # no grid line runs through a number
        made.text(end + 8, y + 4, whole, "b")
        made.text(begin - 8, y + 4, inside, "e m s")
    made.height += 2 * LINE + 6


def _baseline(summary: Summary) -> float | None:
    """Give the KVM baseline cost of a start, in seconds, where guests were started; no guest of this host can start faster."""
    found = [p for by_runner in summary.startup.values() for p in by_runner.values()]
    guests = any({"kernel", "restored"} & one.marks.keys() for one in found)
    baseline = summary.kvm_baseline if guests else None
    return (baseline.figures.get("open_to_first_exit_seconds") or None) if baseline else None


def letters(color: str) -> str:
    """Choose white or black letters, whichever read better on ``color`` (relative luminance, WCAG 2), as a class."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "w" if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.3 else "d"


def _legend(made: Canvas, summary: Summary, words: Words) -> None:
    found = [p for by_runner in summary.startup.values() for p in by_runner.values()]
    used = [mark for mark in style.PHASE_COLORS if any(mark in p.marks for p in found)]
    signs = [Sign(words(f"phase.{mark}"), style.PHASE_COLORS[mark]) for mark in used]
    signs += [
        Sign(words("figure.startup.inside"), style.UNCLEAR, lambda on, x, y: on.dot(x, y, 4, "h")),
        Sign(words("figure.startup.end_to_end"), style.UNCLEAR, lambda on, x, y: on.dot(x, y, 4.5)),
    ]
    if (seconds := _baseline(summary)) is not None:
        text = words("figure.startup.baseline", seconds=numbers.quantity(seconds, "s"))
        signs.append(Sign(text, draw=dashes))
    legend(made, signs)
