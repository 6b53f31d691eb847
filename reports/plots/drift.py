"""Draw each workload's values in the order of measurement, which shows drift, two modes and outliers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.summaries import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.run import PrimaryValues, Summary
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.text.words import Words

_PANEL_INCHES = 1.75
_MOST_PANELS = 24
_MOST_BLOCKS = 100
"""Beyond this many, shaded blocks would be thinner than a line."""
_MOST_MARKED = 60
"""Longer series are lines without markers: those would lie on each other, and are most of the figure's bytes."""


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if nothing was measured."""
    cases = list(summary.primary_values.items())[:_MOST_PANELS]
    if not cases:
        return None
    columns = min(2, len(cases))
    rows = math.ceil(len(cases) / columns)
    made = style.figure(0.95 + _PANEL_INCHES * rows)
    grid: Any = made.subplots(rows, columns, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    for axes, (case, by_runner) in zip(panels, cases, strict=False):
        _panel(axes, by_runner, summary.display)
        axes.set_title(style.short(names.case_name(case, words)), fontsize=10.5)
    for spare in panels[len(cases) :]:
        spare.remove()
    made.supylabel(words("figure.drift.axis"), fontsize=10)
    made.supxlabel(words("figure.drift.order"), fontsize=10)
    _legend(made, cases, summary.display, words)
    return made


def _panel(axes: Axes, by_runner: Mapping[str, PrimaryValues], display: RunnerDisplay) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    spans: dict[int, tuple[int, int]] = {}
    for runner, series in by_runner.items():
        median = series.median
        if median == 0:
            continue
        xs = [sample.number for sample in series.samples]
        ys = [sample.value / median for sample in series.samples]
        axes.plot(
            xs,
            ys,
            marker="o" if len(xs) <= _MOST_MARKED else "",
            markersize=3.6,
            linewidth=0.8,
            alpha=0.9,
            color=display.color(runner),
        )
        for sample in series.samples:
            first, last = spans.get(sample.block, (sample.number, sample.number))
            spans[sample.block] = (min(first, sample.number), max(last, sample.number))
    for block, (first, last) in spans.items():
        if block % 2 and len(spans) <= _MOST_BLOCKS:
            axes.axvspan(first - 0.5, last + 0.5, color=style.BAND, linewidth=0, zorder=0)
    axes.axhline(1, color=style.MUTED, linewidth=0.8)
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: style.tick(value, "")))
    axes.tick_params(axis="y", labelcolor=style.MUTED)
    style.unlabelled(axes)


def _legend(made: Figure, cases: list[Any], display: RunnerDisplay, words: Words) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    runners = sorted({runner for _case, by_runner in cases for runner in by_runner}, key=display.rank)
    handles = [
        Line2D(
            [],
            [],
            color=display.color(r),
            marker="o",
            markersize=5,
            label=style.short(names.runner_name(r, words)),
        )
        for r in runners
    ]
    made.legend(handles=handles, loc="outside upper center", ncols=min(5, len(handles)), fontsize=9.5)
