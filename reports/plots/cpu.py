"""Where the CPU time of a job went: as the job's own accounting saw it, and as its surroundings did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from tare.reports.plots import style
from tare.reports.summaries.run import CONTROL, PLACE_CPU
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.run import Case, Summary
    from tare.reports.text.words import Words

INSIDE = "cpu"

VIEWS = {
    INSIDE: ("user", "system"),
    PLACE_CPU: ("user", "system"),
    "vmm.cpu": ("vcpu", "io", "other"),
    "cgroup.cpu": ("user", "system"),
    "processes.cpu": ("user", "system"),
    "host.cpu": ("user", "system"),
}
"""Vantage point → its parts; the metrics are ``<vantage>.<part>``, and ``<vantage>`` or ``<vantage>.total`` for their
sum. The job's own accounting first, then views from outside, the closest one first."""

_WIDEST = "host.cpu"
"""Has the load of everything else in it, so it is in the table only."""

_UNRESOLVED = 0.1
"""Parts that miss more than this share of the total are not shown: the kernel counts some of them in ticks of
10 ms, which says nothing about a job of one."""

PARTS = ("user", "system", "vcpu", "io", "other", "total")
_SHADES = {
    "user": "#2a78b5",
    "system": "#e08a1e",
    "vcpu": "#7a5195",
    "io": "#3f9b8b",
    "other": "#b0a08a",
    "total": "#7d8894",
}
_BAR_INCHES = 0.2
_MOST_PANELS = 24


class Bar(NamedTuple):
    """CPU time of one job under one runner, seen from one vantage point, in seconds."""

    runner: str
    vantage: str
    parts: Mapping[str, float]


def draw(summary: Summary, words: Words) -> Figure | None:
    """The figure, or ``None`` if no trial recorded CPU time."""
    panels = [(case, chosen(bars(summary, case))) for case in summary.series]
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
        axes.set_title(style.short(case.label), fontsize=10.5)
    for spare in spots[len(panels) :]:
        spare.remove()
    made.supxlabel(words("figure.cpu.axis"), fontsize=10)
    _legend(made, [bar for _case, found in panels for bar in found], words)
    return made


def bars(summary: Summary, case: Case) -> list[Bar]:
    """The bars of a case: per runner the inside view first."""
    found = []
    for runner in summary.series[case]:
        seconds = summary.cpu_seconds.get((case, runner), {})
        for vantage, names in VIEWS.items():
            parts = {name: seconds[f"{vantage}.{name}"] for name in names if f"{vantage}.{name}" in seconds}
            total = seconds.get(vantage, seconds.get(f"{vantage}.total"))
            if total is not None and abs(total - sum(parts.values())) > _UNRESOLVED * total:
                parts = {"total": total}
            if parts:
                found.append(Bar(runner, vantage, parts))
    return found


def chosen(found: list[Bar]) -> list[Bar]:
    """What is drawn: per runner the inside view and the closest outside one. The table has all.

    The control shows what the base shows, so it is not drawn.
    """
    kept: list[Bar] = []
    for bar in found:
        outside = any(k.runner == bar.runner and k.vantage != INSIDE for k in kept)
        if bar.runner != CONTROL and bar.vantage != _WIDEST and not (bar.vantage != INSIDE and outside):
            kept.append(bar)
    return kept


def vantage_label(vantage: str, words: Words) -> str:
    """What a vantage point is called; unknown ones by the metrics' own name."""
    key = f"vantage.{vantage}"
    return words(key) if words.has(key) else vantage


def _panel(axes: Axes, found: list[Bar], words: Words) -> None:
    longest = max(sum(bar.parts.values()) for bar in found) or 1.0
    places, labels, y, previous = [], [], 0.0, ""
    for bar in found:
        y += 0.45 if previous and bar.runner != previous else 0
        left = 0.0
        for part, seconds in bar.parts.items():
            alpha = 1.0 if bar.vantage == INSIDE else 0.62
            axes.barh(y, seconds, left=left, height=0.82, color=_SHADES[part], alpha=alpha, linewidth=0)
            left += seconds
        axes.text(
            left + longest * 0.015,
            y,
            numbers.quantity(left, "s"),
            va="center",
            fontsize=8.5,
            color=style.MUTED,
        )
        places.append(y)
        name = vantage_label(bar.vantage, words)
        labels.append(f"{style.short(bar.runner)} · {name}" if bar.runner != previous else name)
        previous = bar.runner
        y += 1
    axes.set_yticks(places, labels, fontsize=8.5)
    axes.set_ylim(y - 0.3, -0.7)
    axes.set_xlim(0, longest * 1.2)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _legend(made: Figure, found: list[Bar], words: Words) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415

    used = [part for part in PARTS if any(part in bar.parts for bar in found)]
    handles = [Patch(color=_SHADES[part], label=words(f"figure.cpu.{part}")) for part in used]
    made.legend(handles=handles, loc="outside upper right", ncols=6, fontsize=9.5)
