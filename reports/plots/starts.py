"""Draw the latency of simultaneous cold starts and the starts per second, by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.plots import curves
from tare.reports.plots.curves import Curve, Panel
from tare.reports.summaries import crowd
from tare.reports.text import numbers

if TYPE_CHECKING:
    from tare.reports.plots.canvas import Canvas
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if simultaneous starts were not measured.

    Medians are lines; the middle nine tenths of all starts are pale bands, and single trials' rates small points.
    """
    found = crowd.starts(summary)
    if not found:
        return None
    counts = sorted({point.count for points in found.values() for point in points})
    latency, rate = [], []
    for runner, points in found.items():
        there = [(p.count, p.rank(0.05)) for p in points]
        back = [(p.count, p.rank(0.95)) for p in reversed(points)]
        latency += [
            Curve(runner, [*there, *back], "band"),
            Curve(runner, [(p.count, p.median) for p in points]),
        ]
        rate += [
            Curve(runner, [(p.count, one) for p in points for one in p.rates], "cloud"),
            Curve(runner, [(p.count, p.rate) for p in points]),
        ]
    axis = words("figure.starts.axis")
    panels = (
        Panel(
            words("figure.starts.latency"),
            axis,
            counts,
            latency,
            lambda v: numbers.quantity(v, "s"),
            log=True,
        ),
        Panel(
            words("figure.starts.rate"), axis, counts, rate, lambda v: numbers.quantity(v, "count"), log=True
        ),
    )
    return curves.draw(width, panels, summary.display)
