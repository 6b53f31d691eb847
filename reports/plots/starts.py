"""Draw the latency of simultaneous cold starts and the starts per second, by their number."""

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
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.text.words import Words


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if simultaneous starts were not measured."""
    found = crowd.starts(summary)
    if not found:
        return None
    made = style.figure(4.6)
    grid: Any = made.subplots(1, 2)
    _latency(grid[0], found, summary.display)
    _rate(grid[1], found, summary.display)
    grid[0].set_title(words("figure.starts.latency"))
    grid[1].set_title(words("figure.starts.rate"))
    counts = sorted({point.count for points in found.values() for point in points})
    for axes, unit in zip(grid, ("s", "count"), strict=True):
        number_axis(axes, counts)
        axes.set_xlabel(words("figure.starts.axis"))
        style.log_ticks_up(axes, unit)
    made.legend(
        handles=runner_handles(found, summary.display), loc="outside lower center", ncols=4, fontsize=9.5
    )
    return made


def runner_handles(runners: Mapping[str, object], display: RunnerDisplay) -> list[Any]:
    """Make one legend entry for each runner."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return [
        Line2D([], [], color=display.color(runner), marker="o", linewidth=2, label=style.short(runner))
        for runner in runners
    ]


def number_axis(axes: Axes, counts: Sequence[int]) -> None:
    """Make the x axis logarithmic, with a tick at each of these whole numbers."""
    from matplotlib.ticker import NullLocator  # noqa: PLC0415

    axes.set_xscale("log", base=2)
    axes.set_xticks(list(counts), [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid()


def _latency(axes: Axes, found: Mapping[str, Sequence[Starts]], display: RunnerDisplay) -> None:
    """Draw medians as lines and the middle nine tenths of all starts as pale bands."""
    axes.set_yscale("log")
    for runner, points in found.items():
        color = display.color(runner)
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


def _rate(axes: Axes, found: Mapping[str, Sequence[Starts]], display: RunnerDisplay) -> None:
    """Draw medians as lines and single trials as small points."""
    axes.set_yscale("log")
    for runner, points in found.items():
        color = display.color(runner)
        axes.plot([p.count for p in points], [p.rate for p in points], color=color, marker="o", linewidth=2)
        for point in points:
            axes.scatter(
                [point.count] * len(point.rates), point.rates, s=12, color=color, alpha=0.5, linewidths=0
            )
