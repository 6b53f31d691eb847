"""N cold starts at once: how long each takes, and how many come up in a second, as N grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.summaries import crowd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.crowd import Starts
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


def draw(summary: Summary, words: Words) -> Figure | None:
    """The figure, or ``None`` if nothing was started at once."""
    found = crowd.starts(summary.measured)
    if not found:
        return None
    made = style.figure(4.6)
    grid: Any = made.subplots(1, 2)
    _latency(grid[0], found)
    _rate(grid[1], found)
    grid[0].set_title(words("figure.starts.latency"))
    grid[1].set_title(words("figure.starts.rate"))
    counts = sorted({point.count for points in found.values() for point in points})
    for axes, unit in zip(grid, ("s", "count"), strict=True):
        number_axis(axes, counts)
        axes.set_xlabel(words("figure.starts.axis"))
        style.log_ticks_up(axes, unit)
    made.legend(handles=runner_handles(found), loc="outside lower center", ncols=4, fontsize=9.5)
    return made


def runner_handles(runners: Mapping[str, object]) -> list[Any]:
    """One legend entry for each runner."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return [
        Line2D([], [], color=style.runner_color(runner), marker="o", linewidth=2, label=style.short(runner))
        for runner in runners
    ]


def number_axis(axes: Axes, counts: Sequence[int]) -> None:
    """A logarithmic axis of whole numbers, with a tick at each of these."""
    from matplotlib.ticker import NullLocator  # noqa: PLC0415

    axes.set_xscale("log", base=2)
    axes.set_xticks(list(counts), [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid()


def _latency(axes: Axes, found: Mapping[str, Sequence[Starts]]) -> None:
    """Medians, and in pale the middle nine tenths of all starts."""
    axes.set_yscale("log")
    for runner, points in found.items():
        color = style.runner_color(runner)
        at = [point.count for point in points]
        axes.fill_between(
            at,
            [p.rank(0.05) for p in points],
            [p.rank(0.95) for p in points],
            color=color,
            alpha=0.16,
            linewidth=0,
        )
        axes.plot(at, [p.median for p in points], color=color, marker="o", linewidth=2)


def _rate(axes: Axes, found: Mapping[str, Sequence[Starts]]) -> None:
    """Medians over the trials, and every trial as a small point."""
    axes.set_yscale("log")
    for runner, points in found.items():
        color = style.runner_color(runner)
        axes.plot([p.count for p in points], [p.rate for p in points], color=color, marker="o", linewidth=2)
        for point in points:
            axes.scatter(
                [point.count] * len(point.rates), point.rates, s=12, color=color, alpha=0.5, linewidths=0
            )
