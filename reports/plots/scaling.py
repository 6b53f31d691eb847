"""Draw the speed-up of N busy threads over one, by N."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.plots import curves
from tare.reports.plots.axes import Sign, dashes, ratio_text
from tare.reports.plots.curves import Curve, Panel
from tare.reports.summaries import scaling

if TYPE_CHECKING:
    from tare.reports.plots.canvas import Canvas
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


def draw(summary: Summary, words: Words, width: float) -> Canvas | None:
    """Draw the figure; ``None`` if fewer than two numbers of threads were measured."""
    found = scaling.thread_scaling(summary)
    counts = sorted({point.count for points in found.values() for point in points})
    if len(counts) < 2:
        return None
    speedups = [
        *(
            Curve(runner, [(p.count, one) for p in points for one in p.speedups], "cloud")
            for runner, points in found.items()
        ),
        *(Curve(runner, [(p.count, p.speedup) for p in points]) for runner, points in found.items()),
    ]
    efficiency = [
        Curve(runner, [(p.count, p.efficiency) for p in points]) for runner, points in found.items()
    ]
    axis = words("figure.scaling.axis")
    panels = (
        Panel(
            words("figure.scaling.speedup"), axis, counts, speedups, ratio_text, log=False,
            ideal=[(count, count) for count in counts],
        ),
        Panel(
            words("figure.scaling.efficiency"), axis, counts, efficiency, ratio_text, log=False,
            ideal=[(counts[0], 1), (counts[-1], 1)],
        ),
    )  # fmt: skip
    ideal = Sign(words("figure.scaling.ideal"), draw=dashes)
    return curves.draw(width, panels, summary.display, [ideal])
