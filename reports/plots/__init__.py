"""List the figures of a report.

Each module has ``draw(summary, words) -> Figure | None``; a new figure is one module and one entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.plots import coldstarts, cpu, density, drift, ladder, overhead, scaling, starts, startup

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


@dataclass(frozen=True, slots=True)
class Plot:
    """Pair a figure's name, which its files and its texts ``figure.<name>.…`` bear, with the function that draws it."""

    name: str
    draw: Callable[[Summary, Words], Figure | None]


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
