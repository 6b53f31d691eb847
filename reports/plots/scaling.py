"""Draw the speed-up of N busy threads over one, by N."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.plots.starts import number_axis, runner_handles
from tare.reports.summaries import scaling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.run import Summary
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.summaries.scaling import ThreadScaling
    from tare.reports.text.words import Words


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if fewer than two numbers of threads were measured."""
    found = scaling.thread_scaling(summary)
    counts = sorted({point.count for points in found.values() for point in points})
    if len(counts) < 2:
        return None
    made = style.figure(4.4)
    grid: Any = made.subplots(1, 2)
    _speedup(grid[0], found, counts, summary.display)
    _efficiency(grid[1], found, summary.display)
    grid[0].set_title(words("figure.scaling.speedup"))
    grid[1].set_title(words("figure.scaling.efficiency"))
    for axes in grid:
        number_axis(axes, counts)
        axes.set_xlabel(words("figure.scaling.axis"))
    handles = [*runner_handles(found, summary.display), _ideal_handle(words)]
    made.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9.5)
    return made


def _ideal_handle(words: Words) -> Any:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return Line2D([], [], color=style.MUTED, linestyle="--", linewidth=1, label=words("figure.scaling.ideal"))


def _speedup(
    axes: Axes, found: Mapping[str, Sequence[ThreadScaling]], counts: Sequence[int], display: RunnerDisplay
) -> None:
    """Draw medians as lines and single trials as small points."""
    axes.plot(counts, counts, color=style.MUTED, linestyle="--", linewidth=1)
    for runner, points in found.items():
        color = display.color(runner)
        axes.plot(
            [p.count for p in points], [p.speedup for p in points], color=color, marker="o", linewidth=2
        )
        for point in points:
            axes.scatter(
                [point.count] * len(point.speedups),
                point.speedups,
                s=12,
                color=color,
                alpha=0.5,
                linewidths=0,
            )
    axes.set_ylim(bottom=0)


def _efficiency(axes: Axes, found: Mapping[str, Sequence[ThreadScaling]], display: RunnerDisplay) -> None:
    axes.axhline(1, color=style.MUTED, linestyle="--", linewidth=1)
    for runner, points in found.items():
        color = display.color(runner)
        axes.plot(
            [p.count for p in points], [p.efficiency for p in points], color=color, marker="o", linewidth=2
        )
    axes.set_ylim(bottom=0)
