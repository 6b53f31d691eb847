"""Define the look of all figures: colours, fonts, sizes. Matplotlib's global state is left as it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tare.reports.plots.fonts import cjk_font, quiet
from tare.results.printable import legible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

INK, MUTED, GRID, BAND, PAPER = "#1b2027", "#454d56", "#d9dee5", "#e9edf2", "#ffffff"
"""Colours of ink, secondary ink, grid lines, bands and background.

The page replaces these five values with those of its light or dark theme, so nothing else in a figure may use them."""

WORSE, BETTER, UNCLEAR = "#c2553a", "#2b8a5f", "#8fa3b8"
"""Colours of higher cost, lower cost, and a difference that cannot be told from none."""

WIDTH_INCHES = 10.0

PHASE_COLORS = {
    "spawned": "#123c69",
    "created": "#2b7a9b",
    "entered": "#3f5fa0",
    "kernel": "#6a51a3",
    "restored": "#8c6bb1",
    "agent": "#c0498a",
    "ready": "#e8875b",
    "started": "#f3c14b",
    "finished": "#4daf8c",
    "ended": "#7fa7a0",
    "gone": "#9aa5b1",
}
"""Phase, named by the mark that ends it → colour, from dark to light in the order of time."""

_LABEL_CHARACTERS = 34


def short(label: str) -> str:
    """Shorten a label so that it fits beside an axis."""
    clean = legible(label)
    return clean if len(clean) <= _LABEL_CHARACTERS else clean[: _LABEL_CHARACTERS - 1] + "…"


@contextmanager
def styled() -> Iterator[None]:
    """Apply the reports' style to the figures that are made and saved in the context; nothing is logged meanwhile."""
    font = cjk_font()
    settings: Any = {
        "font.family": ["DejaVu Sans", *([font] if font else [])],
        "font.size": 10.5,
        "text.color": INK,
        "text.parse_math": False,  # labels come from the record: a "$" in them is a "$"
        "axes.edgecolor": GRID,
        "axes.facecolor": PAPER,
        "axes.labelcolor": INK,
        "axes.titlesize": 11.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titley": 1.0,  # there are no ticks above: without a search for them, a figure is drawn faster
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "xtick.color": MUTED,
        "ytick.color": INK,
        "ytick.left": False,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "figure.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "legend.frameon": False,
    }
    with quiet():
        import matplotlib as mpl  # noqa: PLC0415

        with mpl.rc_context(settings):
            yield


def figure(height_inches: float) -> Figure:
    """Make an empty figure of the page's width for the Agg backend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    made = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasAgg(made)
    return made


def tick(value: float, unit: str) -> str:
    """Format a round value on an axis: ``20 ms``, ``1.5×``."""
    from tare.reports.text import numbers  # noqa: PLC0415

    text = f"{value:,.6g}{numbers.TIMES}" if unit == "" else numbers.quantity(value, unit, width=value / 2)
    number, space, symbol = text.partition(" ")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + space + symbol
