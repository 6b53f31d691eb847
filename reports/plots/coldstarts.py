"""Draw the distribution of cold starts: every trial on a log scale, and each runner's spread about its own median."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.summaries import names
from tare.reports.summaries.startup import tail
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.run import Summary
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.summaries.startup import Phases
    from tare.reports.text.words import Words

_ROW_INCHES = 0.5
_MOST_CASES = 4
_MOST_POINTS = 500
"""Figures with more points store them as an image instead of shapes, which keeps the file small."""


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if no trial launched a place of its own."""
    cases = list(summary.startup.items())[:_MOST_CASES]
    if not cases:
        return None
    rows = [len(by_runner) for _case, by_runner in cases]
    made = style.figure(0.85 + sum(0.75 + max(1.7, _ROW_INCHES * n) for n in rows))
    grid: Any = made.subplots(
        len(cases),
        2,
        squeeze=False,
        width_ratios=[3, 2],
        height_ratios=[max(1.7, _ROW_INCHES * n) for n in rows],
    )
    for (case, by_runner), (left, right) in zip(cases, grid, strict=True):
        _strip(left, by_runner, summary.display, words)
        _spread(right, by_runner, summary.display, words)
        left.set_title(style.short(names.case_name(case, words)))
    grid[0][1].set_title(words("figure.coldstarts.spread"))
    grid[-1][0].set_xlabel(words("figure.coldstarts.axis"))
    grid[-1][1].set_xlabel(words("figure.coldstarts.spread_axis"))
    return made


def _strip(axes: Axes, by_runner: Mapping[str, Phases], display: RunnerDisplay, words: Words) -> None:
    axes.set_xscale("log")
    for y, (runner, found) in enumerate(by_runner.items()):
        color = display.color(runner)
        # Points are spread over the row in the order of measurement: it needs no random numbers and shows drift.
        step = 0.5 / max(1, len(found.totals) - 1)
        heights = [y - 0.2 + step * i for i in range(len(found.totals))]
        many = sum(p.n for p in by_runner.values()) > _MOST_POINTS
        axes.scatter(found.totals, heights, s=14, color=color, alpha=0.55, linewidths=0, rasterized=many)
        median = statistics.median(found.totals)
        name, end = tail(found.totals)
        for begin in (y - 0.36, y + 0.34):  # beside the points, not over them
            axes.plot(
                [median] * 2, [begin, begin + 0.12], color=style.INK, linewidth=2, solid_capstyle="butt"
            )
        axes.plot([end] * 2, [y - 0.36, y + 0.4], color=style.INK, linewidth=1, linestyle=(0, (2, 1.5)))
        text = f"p50 {numbers.quantity(median, 's')} · {name} {numbers.quantity(end, 's')}"
        axes.text(
            1.0,
            y - 0.39,
            text,
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="bottom",
            fontsize=8.5,
            color=style.MUTED,
        )
    low = min(min(p.totals) for p in by_runner.values())
    high = max(max(p.totals) for p in by_runner.values())
    axes.set_xlim(low / 1.3, high * 1.3)
    axes.set_yticks(
        range(len(by_runner)), [f"{style.short(r)}\n{words('figure.n', n=p.n)}" for r, p in by_runner.items()]
    )
    axes.set_ylim(len(by_runner) - 0.5, -0.72)
    axes.grid(axis="x")
    style.log_ticks(axes, "s")


def _spread(axes: Axes, by_runner: Mapping[str, Phases], display: RunnerDisplay, words: Words) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter  # noqa: PLC0415

    for runner, found in by_runner.items():
        median = statistics.median(found.totals)
        ordered = sorted(value / median for value in found.totals)
        shares = [(i + 1) / len(ordered) for i in range(len(ordered))]
        axes.step(
            [ordered[0], *ordered],
            [0, *shares],
            where="post",
            color=display.color(runner),
            linewidth=1.8,
        )
    axes.grid()
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: style.tick(value, "")))
    axes.set_ylabel(words("figure.coldstarts.share"), fontsize=9.5)
