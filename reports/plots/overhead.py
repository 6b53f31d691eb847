"""Draw the cost of each workload under each runner: ratios to the base with intervals and the noise floor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.summaries import names
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.run import Summary
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.text.words import Words
    from tare.results.judgement.comparison import Comparison

MARKERS = {"better": "<", "worse": ">", "same": "D", "undecided": "o"}
"""Verdict → marker; an undecided one is hollow too, so that no verdict is told by colour alone."""

_NEAR = 1.6
"""Ratios up to here get a linear panel of their own when others go far beyond it."""
_FAR = 2.5
_ROW_INCHES, _GAP_ROWS = 0.235, 0.7


def draw(summary: Summary, words: Words) -> Figure | None:
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
    places, bands, bottom = _rows(found)
    top_cost = max(_reach(c)[1] for c in found)
    low_cost = min(_reach(c)[0] for c in found)
    split = (top_cost > _FAR or low_cost < 1 / _FAR) and any(1 / _NEAR < c.cost.value < _NEAR for c in found)
    made = style.figure(1.75 + _ROW_INCHES * bottom)
    columns: Any = made.subplots(
        1, 2 if split else 1, sharey=True, squeeze=False, width_ratios=[3, 2] if split else [1]
    )
    panels: list[Axes] = list(columns[0])
    for axes in panels:
        _backdrop(axes, bands)
        for comparison, y in zip(found, places, strict=True):
            _point(axes, comparison, y, summary.display.color(comparison.runner))
    first = panels[0]
    first.set_ylim(bottom - 0.2, -0.75)
    first.set_yticks(
        [middle for _low, middle, _high, _group in bands],
        [style.short(names.case_name(case_of(g[0]), words)) for *_x, g in bands],
    )
    near = [c for c in found if 1 / _NEAR < c.cost.value < _NEAR]
    _linear(first, near if split else found, words, capped=split)
    if split:
        _overflow(first, found, places, summary.display)
        _logarithmic(panels[1], found, words)
    elif top_cost > _FAR or low_cost < 1 / _FAR:
        _logarithmic(first, found, words)
    _counts(panels[-1], found, places)
    _legend(made, found, summary.display, words)
    return made


def _rows(
    found: Sequence[Comparison],
) -> tuple[list[float], list[tuple[float, float, float, list[Comparison]]], float]:
    """Give each comparison's y, the cases' bands as (from, middle, to, comparisons), and the y at which rows end."""
    places, bands, y = [], [], 0.0
    groups: list[list[Comparison]] = []
    for comparison in found:
        if (
            groups
            and case_of(groups[-1][0]) == case_of(comparison)
            and groups[-1][0].metric == comparison.metric
        ):
            groups[-1].append(comparison)
        else:
            groups.append([comparison])
    for group in groups:
        begin = y
        for _ in group:
            places.append(y)
            y += 1
        bands.append((begin - 0.5, (begin + y - 1) / 2, y - 0.5, group))
        y += _GAP_ROWS
    return places, bands, y - _GAP_ROWS


def _reach(comparison: Comparison) -> tuple[float, float]:
    cost = comparison.cost
    return (cost.value if cost.low is None else cost.low, cost.value if cost.high is None else cost.high)


def _backdrop(axes: Axes, bands: Sequence[tuple[float, float, float, list[Comparison]]]) -> None:
    axes.grid(axis="x")
    axes.axvline(1, color=style.INK, linewidth=1.1)
    for begin, _middle, end, group in bands:
        floor = group[0].floor
        if floor is not None and floor.low is not None and floor.high is not None:
            axes.fill_betweenx([begin, end], floor.low, floor.high, color=style.BAND, zorder=0.6)
            axes.plot(
                [floor.value] * 2, [begin, end], color=style.MUTED, linewidth=0.7, linestyle=":", zorder=0.7
            )
        for threshold in {c.threshold for c in group}:
            for edge in (1 - threshold, 1 + threshold):
                axes.plot(
                    [edge] * 2,
                    [begin, end],
                    color=style.MUTED,
                    linewidth=0.9,
                    linestyle=(0, (4, 3)),
                    zorder=0.8,
                )


def _point(axes: Axes, comparison: Comparison, y: float, color: str) -> None:
    low, high = _reach(comparison)
    axes.plot([low, high], [y, y], color=color, linewidth=2.2, solid_capstyle="butt", zorder=2)
    for end in (low, high):
        axes.plot([end], [y], marker="|", markersize=7, color=color, markeredgewidth=1.6, zorder=2)
    hollow = comparison.verdict == "undecided"
    axes.plot(
        [comparison.cost.value],
        [y],
        marker=MARKERS[comparison.verdict],
        markersize=7.5,
        color=color,
        markerfacecolor=style.PAPER if hollow else color,
        markeredgewidth=1.6,
        zorder=3,
    )


def _linear(axes: Axes, shown: Sequence[Comparison], words: Words, *, capped: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    edges = [end for c in shown for end in (*_reach(c), 1 - c.threshold, 1 + c.threshold)]
    edges += [end for c in shown if c.floor for end in (c.floor.low, c.floor.high) if end is not None]
    low, high = min(edges), max(edges)
    if capped:
        low, high = max(low, 1 / _NEAR), min(high, _NEAR)
    room = 0.08 * (high - low)
    axes.set_xlim(low - room, high + room * (2.2 if capped else 1))
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: style.tick(value, "")))
    axes.set_xlabel(words("figure.overhead.axis"))
    if capped:
        axes.set_title(words("figure.overhead.near"))


def _logarithmic(axes: Axes, found: Sequence[Comparison], words: Words) -> None:
    low, high = min(_reach(c)[0] for c in found), max(_reach(c)[1] for c in found)
    axes.set_xscale("log")
    axes.set_xlim(min(low, 1) / 1.25, max(high, 1) * 1.35)
    style.log_ticks(axes)
    axes.set_xlabel(words("figure.overhead.axis_log"))
    axes.set_title(words("figure.overhead.all"))


def _overflow(
    axes: Axes, found: Sequence[Comparison], places: Sequence[float], display: RunnerDisplay
) -> None:
    """Print the ratios that lie beyond the edge of the linear panel at that edge."""
    low, high = axes.get_xlim()
    for comparison, y in zip(found, places, strict=True):
        value = comparison.cost.value
        if low <= value <= high:
            continue
        right = value > high
        color = display.color(comparison.runner)
        text = f"{numbers.ratio(value)} →" if right else f"← {numbers.ratio(value)}"
        x = high if right else low
        axes.text(
            x,
            y,
            text,
            ha="right" if right else "left",
            va="center",
            color=color,
            fontsize=9.5,
            fontweight="bold",
            # The line of its interval may reach into the panel and would strike through the number.
            bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.5},
            zorder=2.5,
        )


def _counts(axes: Axes, found: Sequence[Comparison], places: Sequence[float]) -> None:
    for comparison, y in zip(found, places, strict=True):
        axes.text(
            1.012,
            y,
            f"n={comparison.cost.n}",
            transform=axes.get_yaxis_transform(),
            va="center",
            color=style.MUTED,
            fontsize=9,
        )


def _legend(made: Figure, found: Sequence[Comparison], display: RunnerDisplay, words: Words) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    runners = sorted({c.runner for c in found}, key=display.rank)
    handles: list[Any] = [
        Line2D([], [], color=display.color(r), linewidth=5, label=style.short(r)) for r in runners
    ]
    for verdict, marker in MARKERS.items():
        face = style.PAPER if verdict == "undecided" else style.MUTED
        handles.append(
            Line2D(
                [],
                [],
                marker=marker,
                linestyle="",
                color=style.MUTED,
                markerfacecolor=face,
                label=words(f"verdict.{verdict}"),
            )
        )
    handles.append(
        Line2D([], [], color=style.MUTED, linestyle=(0, (4, 3)), label=words("figure.overhead.threshold"))
    )
    if any(c.floor for c in found):
        handles.append(Patch(color=style.BAND, label=words("figure.overhead.floor")))
    made.legend(
        handles=handles, loc="outside lower center", ncols=min(4, math.ceil(len(handles) / 2)), fontsize=9.5
    )
