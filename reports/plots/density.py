"""Draw the memory per idle place and the duration of each start, by the number of places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.plots.starts import number_axis, runner_handles
from tare.reports.summaries import crowd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.crowd import Ramp
    from tare.reports.summaries.run import Summary
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.text.words import Words


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if density was not measured."""
    found = {
        runner: ramps
        for runner, ramps in crowd.ramps(summary).items()
        if any(r.details.start_seconds for r in ramps)
    }
    if not found:
        return None
    made = style.figure(4.6)
    grid: Any = made.subplots(1, 2)
    _memory(grid[0], found, summary.display)
    _starts(grid[1], found, summary.display)
    grid[0].set_title(words("figure.density.memory"))
    grid[1].set_title(words("figure.density.start"))
    most = max(len(ramp.details.start_seconds) for ramps in found.values() for ramp in ramps)
    counts = [1 << power for power in range(most.bit_length())]
    for axes, label in zip(grid, ("places", "number"), strict=True):
        number_axis(axes, counts)
        axes.set_xlabel(words(f"figure.density.{label}"))
    _byte_ticks(grid[0])
    style.log_ticks_up(grid[1], "s")
    made.legend(
        handles=runner_handles(found, summary.display), loc="outside lower center", ncols=4, fontsize=9.5
    )
    return made


def _memory(axes: Axes, found: Mapping[str, Sequence[Ramp]], display: RunnerDisplay) -> None:
    """Draw PSS per place (filled) and the cgroups' charge (hollow, dashed), one line for each trial."""
    axes.set_yscale("log")
    for runner, ramps in found.items():
        color = display.color(runner)
        for ramp in ramps:
            memory = [one for one in ramp.details.memory if one.places]
            pss = [(one.places, one.pss_bytes / one.places) for one in memory if one.pss_bytes]
            charged = [(one.places, one.cgroups_bytes / one.places) for one in memory if one.cgroups_bytes]
            for seen, line, face in ((pss, "-", color), (charged, "--", style.PAPER)):
                if seen:
                    axes.plot(
                        *zip(*seen, strict=True), color=color, linestyle=line, marker="o", markersize=5,
                        markerfacecolor=face, linewidth=1.4, alpha=0.8,
                    )  # fmt: skip


def _byte_ticks(axes: Axes) -> None:
    """Set ticks at powers of 16 on long axes, of 4 or 2 on shorter ones: 64 KiB, 1 MiB, 16 MiB."""
    from matplotlib.ticker import NullLocator  # noqa: PLC0415

    low, high = axes.get_ylim()
    span = math.log2(high / low)
    step = 4 if span > 12 else 2 if span > 5 else 1
    ticks = [1 << power for power in range(0, 62, step) if low <= 1 << power <= high]
    axes.set_yticks(ticks, [style.tick(value, "bytes") for value in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


def _starts(axes: Axes, found: Mapping[str, Sequence[Ramp]], display: RunnerDisplay) -> None:
    axes.set_yscale("log")
    for runner, ramps in found.items():
        color = display.color(runner)
        for ramp in ramps:
            seconds = ramp.details.start_seconds
            axes.scatter(range(1, len(seconds) + 1), seconds, s=12, color=color, alpha=0.55, linewidths=0)
