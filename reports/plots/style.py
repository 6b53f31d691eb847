"""How all figures look: colours, fonts, sizes. No global state of matplotlib is left changed."""

from __future__ import annotations

import math
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK, MUTED, GRID, BAND, PAPER = "#1b2027", "#59636f", "#d9dee5", "#e9edf2", "#ffffff"
"""Ink, secondary ink, grid lines, bands and background. The page swaps them for its theme's; nothing else
in a figure may use these five values."""

WIDTH_INCHES = 10.0

_COLORS = {
    "bare": "#7a828e",
    "bare-again": "#a9b0ba",
    "namespaces": "#1a83c9",
    "qemu-microvm": "#d55e00",
    "qemu-microvm(tcg)": "#d55e00",
    "qemu-q35": "#c2599b",
    "qemu-q35(tcg)": "#c2599b",
    "runc": "#009e73",
    "crun": "#3fb2e3",
    "docker": "#c98a00",
    "podman": "#8a5fbf",
    "bubblewrap": "#7f8f1a",
    "containerd": "#8c5a3c",
    "kubernetes": "#4a63c9",
    "systemd-nspawn": "#5f9ea0",
    "lxc": "#b0475c",
    "firecracker": "#e0402f",
    "cloud-hypervisor": "#2f8f8f",
}
"""Okabe and Ito's palette (2008) first, then colours of like lightness. A runner has the same one in every figure
of every report."""

_OTHERS = ("#6b8e23", "#b8860b", "#9467bd", "#20948b", "#c06c84", "#5b7db1", "#a0522d", "#7b6fb0")

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
"""Phase (by the mark that ends it) → colour; from dark to light in the order of time."""

_CJK_FONTS = (
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans KR",
    "NanumGothic",
    "Malgun Gothic",
    "UnDotum",
    "Baekmuk Dotum",
)
_LABEL_CHARACTERS = 34


def runner_color(runner: str) -> str:
    """The runner's one colour. Unknown names get one that depends on nothing but the name."""
    for name in (runner, runner.partition(":")[0], runner.partition("(")[0]):
        if name in _COLORS:
            return _COLORS[name]
    return _OTHERS[sum(runner.encode()) % len(_OTHERS)]


def short(label: str) -> str:
    """A label that fits beside an axis."""
    clean = "".join(c if c.isprintable() else "�" for c in label)
    return clean if len(clean) <= _LABEL_CHARACTERS else clean[: _LABEL_CHARACTERS - 1] + "…"


@cache
def cjk_font() -> str | None:
    """An installed font that has Hangul, if there is one."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415

    installed = set(fontManager.get_font_names())
    return next((name for name in _CJK_FONTS if name in installed), None)


@contextmanager
def styled() -> Iterator[None]:
    """Inside, figures are made and saved in the reports' style."""
    import matplotlib as mpl  # noqa: PLC0415

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
        "svg.hashsalt": "tare",
        "svg.fonttype": "path",
    }
    with mpl.rc_context(settings):
        yield


def figure(height_inches: float) -> Figure:
    """An empty figure of the page's width, to be drawn with the Agg backend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    made = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasAgg(made)
    return made


def log_ticks(axes: Axes, unit: str = "", *, most: int = 6) -> None:
    """At most about ``most`` readable ticks on a logarithmic x axis: values as :mod:`tare.reports.text.numbers` prints them."""
    _log_ticks(axes.xaxis, axes.get_xlim(), unit, most)


def log_ticks_up(axes: Axes, unit: str = "", *, most: int = 7) -> None:
    """As :func:`log_ticks`, on the y axis."""
    _log_ticks(axes.yaxis, axes.get_ylim(), unit, most)


def _log_ticks(axis: Axis, limits: tuple[float, float], unit: str, most: int) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator  # noqa: PLC0415

    low, high = limits
    decades = math.log10(high / low)
    steps: Sequence[float] = (1.0,) if decades * 3 > most else (1.0, 2.0, 5.0)
    every = max(1, math.ceil(decades / most)) if len(steps) == 1 else 1
    axis.set_major_locator(LogLocator(base=10.0**every, subs=steps, numticks=99))
    fine = (
        LogLocator(base=10, subs=range(1, 10), numticks=99)
        if every == 1
        else LogLocator(base=10, numticks=99)
    )
    axis.set_minor_locator(fine if len(steps) == 1 else NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _at: tick(value, unit)))


def tick(value: float, unit: str) -> str:
    """A round axis value: ``20 ms``, ``1.5×``."""
    from tare.reports.text import numbers  # noqa: PLC0415

    text = f"{value:.6g}{numbers.TIMES}" if unit == "" else numbers.quantity(value, unit, width=value / 2)
    number, space, symbol = text.partition(" ")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + space + symbol
