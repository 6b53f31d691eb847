"""Draw histories, one panel per series: medians run by run, levels between change points, first bad runs."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.results.statistics.exponents import exp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.text.words import Words

MOST_PANELS = 24
_PANEL_INCHES = 1.9
_LINE = "#7a828e"


@dataclass(frozen=True, slots=True)
class Panel:
    """Hold the medians of one series and its changes of level."""

    title: str
    unit: str
    medians: tuple[float, ...]
    changes: tuple[tuple[int, bool], ...]
    """Index of the first value of each new level, and whether that level is worse."""


def draw(panels: Sequence[Panel], words: Words) -> Figure:
    """Draw the figure; panels beyond :data:`MOST_PANELS` are left out, and a note gives their number."""
    shown = panels[:MOST_PANELS]
    columns = min(2, len(shown))
    rows = math.ceil(len(shown) / columns)
    made = style.figure(0.9 + _PANEL_INCHES * rows)
    grid: Any = made.subplots(rows, columns, squeeze=False)
    axes_of: list[Axes] = list(grid.flat)
    for axes, panel in zip(axes_of, shown, strict=False):
        _draw(axes, panel)
    for spare in axes_of[len(shown) :]:
        spare.remove()
    more = len(panels) - len(shown)
    axis = words("figure.history.more", n=more) if more else words("figure.history.axis")
    made.supxlabel(axis, fontsize=10)
    return made


def _draw(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    count = len(panel.medians)
    axes.plot(range(count), panel.medians, "o-", markersize=3.6, linewidth=0.8, color=_LINE)
    edges = [0, *(index for index, _ in panel.changes), count]
    for begin, end in itertools.pairwise(edges):
        own = panel.medians[begin:end]
        level = exp(sum(map(math.log, own)) / len(own)) if min(own) > 0 else sum(own) / len(own)
        axes.hlines(level, begin - 0.4, end - 0.6, color=style.MUTED, linewidth=1.6)
    for index, worse in panel.changes:
        axes.axvline(index - 0.5, color=style.WORSE if worse else style.BETTER, linewidth=1.4, linestyle="--")
    axes.set_title(f"{style.short(panel.title)}  n={count}", fontsize=10)
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: style.tick(value, panel.unit)))
