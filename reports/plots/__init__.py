"""List the figures of a report.

Each module has ``draw(summary, words, width) -> Canvas | None``; a new figure is one module and one entry here. It is drawn
for a wide page and for a phone's (:data:`tare.reports.plots.canvas.WIDE` and ``NARROW``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.plots import coldstarts, cpu, density, drift, ladder, overhead, scaling, starts, startup
from tare.reports.plots.canvas import NARROW, WIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.reports.plots.canvas import Canvas
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


@dataclass(frozen=True, slots=True)
class Plot:
    """Pair a figure's name, which its files and its texts ``figure.<name>.…`` bear, with the function that draws it."""

    name: str
    draw: Callable[[Summary, Words, float], Canvas | None]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Hold a figure as it was drawn for a wide page and for a phone's."""

    wide: Canvas
    narrow: Canvas


def drawn_twice(plot: Plot, summary: Summary, words: Words) -> Drawing | None:
    """Draw a figure in both widths; ``None`` where the run has no data for it."""
    wide, narrow = (plot.draw(summary, words, width) for width in (WIDE, NARROW))
    return None if wide is None or narrow is None else Drawing(wide, narrow)


PLOTS = (
    Plot("overhead", overhead.draw),
    Plot("startup", startup.draw),
    Plot("coldstarts", coldstarts.draw),
    Plot("ladder", ladder.draw),
    Plot("scaling", scaling.draw),
    Plot("starts", starts.draw),
    Plot("density", density.draw),
    Plot("cpu", cpu.draw),
    Plot("drift", drift.draw),
)
