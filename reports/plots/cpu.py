"""Draw the CPU time of each job, as its own accounting counted it and as its surroundings did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.summaries import names
from tare.reports.summaries.cpu import INSIDE, PARTS, Bar, bars, chosen, vantage_name
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


_SHADES = {
    "user": "#2a78b5",
    "system": "#e08a1e",
    "vcpu": "#7a5195",
    "io": "#3f9b8b",
    "other": "#b0a08a",
    "total": "#7d8894",
}
_BAR_INCHES = 0.2
_FAR = 12.0
"""Bars this many times as long as a panel's shortest one would leave nothing to see of that: they end at its edge."""
_MOST_PANELS = 24


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if no trial recorded CPU time."""
    panels = [(case, chosen(bars(summary, case))) for case in summary.primary_values]
    panels = [(case, found) for case, found in panels if found][:_MOST_PANELS]
    if not panels:
        return None
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    tallest = [
        max(len(found) for _case, found in panels[r * columns : (r + 1) * columns]) for r in range(rows)
    ]
    made = style.figure(0.7 + sum(0.75 + _BAR_INCHES * n for n in tallest))
    grid: Any = made.subplots(rows, columns, squeeze=False, height_ratios=[n + 2 for n in tallest])
    spots: list[Axes] = list(grid.flat)
    for axes, (case, found) in zip(spots, panels, strict=False):
        _panel(axes, found, words)
        axes.set_title(style.short(names.case_name(case, words)), fontsize=10.5)
    for spare in spots[len(panels) :]:
        spare.remove()
    made.supxlabel(words("figure.cpu.axis"), fontsize=10)
    _legend(made, [bar for _case, found in panels for bar in found], words)
    return made


def edge(totals: Sequence[float]) -> float:
    """Choose the length at which a panel ends: its longest bar, of those that leave something to see of the shortest."""
    shortest = min((one for one in totals if one > 0), default=1.0)
    return max((one for one in totals if one <= _FAR * shortest), default=1.0) or 1.0


def _panel(axes: Axes, found: list[Bar], words: Words) -> None:
    longest = edge([sum(bar.parts.values()) for bar in found])
    places, labels, y, previous = [], [], 0.0, ""
    for bar in found:
        y += 0.45 if previous and bar.runner != previous else 0
        total = sum(bar.parts.values())
        shrunk = min(1.0, longest / total) if total else 1.0
        left = 0.0
        for part, seconds in bar.parts.items():
            alpha = 1.0 if bar.vantage == INSIDE else 0.62
            width = seconds * shrunk
            axes.barh(y, width, left=left, height=0.82, color=_SHADES[part], alpha=alpha, linewidth=0)
            left += width
        axes.text(
            left + longest * 0.015,
            y,
            f"{'→ ' if shrunk < 1 else ''}{numbers.quantity(total, 's')}",
            va="center",
            fontsize=8.5,
            color=style.MUTED,
        )
        places.append(y)
        name = vantage_name(bar.vantage, words)
        labels.append(f"{style.short(bar.runner)} · {name}" if bar.runner != previous else name)
        previous = bar.runner
        y += 1
    axes.set_yticks(places, labels, fontsize=8.5)
    axes.set_ylim(y - 0.3, -0.7)
    axes.set_xlim(0, longest * 1.25)
    axes.set_xticks([])
    style.unlabelled(axes)
    axes.spines["bottom"].set_visible(False)


def _legend(made: Figure, found: list[Bar], words: Words) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415

    used = [part for part in PARTS if any(part in bar.parts for bar in found)]
    handles = [Patch(color=_SHADES[part], label=words(f"figure.cpu.{part}")) for part in used]
    made.legend(handles=handles, loc="outside upper right", ncols=6, fontsize=9.5)
