"""Draw each workload's values in the order of measurement, which shows drift, two modes and outliers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tare.reports.plots.axes import Scale, Sign, bottom_axis, left_axis, legend, ratio_text, title
from tare.reports.plots.canvas import LINE, Canvas, number, track
from tare.reports.plots.panels import in_columns
from tare.reports.summaries import names
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tare.reports.summaries.run import PrimaryValues, Summary
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.text.words import Words

_HEIGHT, _LEFT = 100, 44
"""Pixels: height of a panel's axes, and width of the labels beside them."""
_MOST_PANELS = 24
_EVERY, _EVERY_NARROW = 2, 4
"""Pixels of which a line has four values at most, on a wide page and on a phone's."""
_MOST_BLOCKS = 100
"""Beyond this many, shaded blocks would be thinner than a line."""
_APART, _USUAL = 0.12, 4
"""A line is cut where it would cross this share of its panel, and this many times the mean distance of its values."""
MOST_RUNNERS = 8
"""Runners whose lines one can tell apart; of more, the first ones are drawn."""
MOST_MARKED = 30
"""Longer series are lines without points, but for the least and the greatest value: points would lie on each other."""


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if nothing was measured."""
    # Of one value for each runner, all are their own median.
    told = [
        (case, by)
        for case, by in summary.primary_values.items()
        if any(len(one.samples) > 1 for one in by.values())
    ]
    cases = told[:_MOST_PANELS]
    if not cases:
        return None
    made = Canvas(width)
    axes = f"{words('figure.drift.axis')} · {words('figure.drift.order')} →"
    made.text(0, LINE - 4, axes, "m s")
    made.height = LINE
    found = sorted({runner for _case, by in cases for runner in by}, key=summary.display.rank)
    runners = found[:MOST_RUNNERS]
    legend(made, [Sign(names.runner_name(one, words), summary.display.color(one)) for one in runners])
    if rest := len(found) - len(runners):
        made.text(0, made.height + LINE - 4, words("figure.drift.rest", n=rest), "m s")
        made.height += LINE
    for (case, by_runner), left, room in in_columns(made, cases):
        named = names.case_name(case, words)
        title(made, left, named, room)
        made.height += LINE + 8
        drawn = {runner: series for runner, series in by_runner.items() if runner in runners}
        _panel(made, named, drawn, (left + _LEFT, left + room - 6), summary.display, words)
    return made


def _panel(
    made: Canvas,
    case: str,
    by_runner: Mapping[str, PrimaryValues],
    span: tuple[float, float],
    display: RunnerDisplay,
    words: Words,
) -> None:
    top, bottom = made.height, made.height + _HEIGHT
    made.height = bottom + LINE + 8
    medians = {runner: series.median for runner, series in by_runner.items()}
    shown = {runner: series for runner, series in by_runner.items() if medians[runner]}
    order = [sample.number for series in shown.values() for sample in series.samples]
    ratios = {
        runner: [one.value / medians[runner] for one in series.samples] for runner, series in shown.items()
    }
    if not order:
        return
    across = Scale(min(order) - 0.5, max(order) + 0.5, *span)
    low, high = min(map(min, ratios.values())), max(map(max, ratios.values()))
    room = 0.05 * (high - low) or 0.01
    up = Scale(low - room, high + room, bottom, top)
    _blocks(made, shown, across, (top, bottom))
    left_axis(made, up, span, ratio_text)
    bottom_axis(made, across, (bottom, bottom), lambda v: numbers.quantity(v, "count"))
    made.line((span[0], up(1)), (span[1], up(1)), "v")
    for runner, series in shown.items():
        points = [
            (across(one.number), up(ratio)) for one, ratio in zip(series.samples, ratios[runner], strict=True)
        ]
        name = f"{case} · {names.runner_name(runner, words)}"
        with made.group(display.color(runner), _told(name, series, words)):
            pieces = stretches([x for x, _y in points], span[1] - span[0])
            for piece in pieces:
                kept = thinned(points[piece], _EVERY_NARROW if made.narrow else _EVERY)
                made.path(track(kept), "n")
            alone = {piece.start for piece in pieces if piece.stop - piece.start == 1}
            _points(made, points, series, name, ratios[runner], alone)


def _told(name: str, series: PrimaryValues, words: Words) -> str:
    """Tell a runner's line in words."""
    values = series.values
    least, middle, most = (
        numbers.quantity(value, series.unit) for value in (min(values), series.median, max(values))
    )
    return f"{name}: {middle} ({least} – {most}), {words('figure.n', n=len(values))}"


def _points(
    made: Canvas,
    points: Sequence[tuple[float, float]],
    series: PrimaryValues,
    name: str,
    ratios: Sequence[float],
    alone: Collection[int],
) -> None:
    """Draw a short series' points, and of a long one the least and the greatest value and those that no line reaches."""
    marked = range(len(points))
    if len(points) > MOST_MARKED:
        marked = sorted({ratios.index(min(ratios)), ratios.index(max(ratios)), *alone})  # type: ignore[assignment]
    if made.narrow:
        made.path("".join(f"M{points[at][0]:.0f} {points[at][1]:.0f}h0" for at in marked), "u")
        return
    for at in marked:
        sample = series.samples[at]
        told = f"{numbers.quantity(sample.value, series.unit)} ({numbers.ratio(ratios[at])})"
        hint = f"{name} #{sample.number}: {told}"
        made.dot(*points[at], 2, hint=hint)


def stretches(places: Sequence[float], width: float) -> list[slice]:
    """Cut a series where it was not measured for long: a line across would show a slope that nobody measured.

    ``places`` are the pixels of its values across a panel of that width.
    """
    steps = [after - before for before, after in pairwise(places)]
    if not steps:
        return [slice(0, len(places))]
    far = max(_APART * width, _USUAL * (places[-1] - places[0]) / len(steps))
    cuts = [0, *(at + 1 for at, step in enumerate(steps) if step > far), len(places)]
    return [slice(begin, end) for begin, end in pairwise(cuts)]


def thinned(points: Sequence[tuple[float, float]], every: int) -> list[tuple[float, float]]:
    """Keep, of the points within every few pixels across, the first, the least, the greatest and the last one.

    The line looks as it would with all of them: between those four it would only go over itself.
    """
    kept: list[tuple[float, float]] = []
    column: list[tuple[float, float]] = []
    for point in points:
        if column and int(point[0] / every) != int(column[0][0] / every):
            kept += _ends(column)
            column = []
        column.append(point)
    return kept + _ends(column)


def _ends(column: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(column) <= 4:
        return list(column)
    heights = [y for _x, y in column]
    wanted = {0, heights.index(min(heights)), heights.index(max(heights)), len(column) - 1}
    return [column[at] for at in sorted(wanted)]


def _blocks(
    made: Canvas, shown: Mapping[str, PrimaryValues], across: Scale, edges: tuple[float, float]
) -> None:
    """Shade every other block of the run."""
    spans: dict[int, tuple[int, int]] = {}
    for series in shown.values():
        for sample in series.samples:
            first, last = spans.get(sample.block, (sample.number, sample.number))
            spans[sample.block] = (min(first, sample.number), max(last, sample.number))
    if len(spans) > _MOST_BLOCKS:
        return
    height = round(edges[1] - edges[0])
    shaded = [
        f"M{number(across(first - 0.5))} {number(edges[0])}v{height}H{number(across(last + 0.5))}v{-height}"
        for block, (first, last) in spans.items()
        if block % 2
    ]
    if shaded:
        made.path("".join(shaded), "k")
