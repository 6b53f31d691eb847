"""Draw the memory per idle place and the duration of each start, by the number of places."""

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
    """Draw the figure; ``None`` if density was not measured.

    Memory is PSS per place (filled) and the cgroups' charge (hollow, dashed), one line for each trial.
    """
    found = [
        (runner, ramp.details)
        for runner, ramps in crowd.ramps(summary).items()
        if any(one.details.start_seconds for one in ramps)
        for ramp in ramps
    ]
    if not found:
        return None
    memory, starts = [], []
    for runner, details in found:
        seen = [one for one in details.memory if one.places]
        pss = [(one.places, one.pss_bytes / one.places) for one in seen if one.pss_bytes]
        charged = [(one.places, one.cgroups_bytes / one.places) for one in seen if one.cgroups_bytes]
        memory += [Curve(runner, pss), Curve(runner, charged, "dashed")]
        starts.append(Curve(runner, list(enumerate(details.start_seconds, start=1)), "cloud"))
    counts = curves.powers_of_two(max(len(details.start_seconds) for _runner, details in found))
    panels = (
        Panel(
            words("figure.density.memory"), words("figure.density.places"), counts, memory,
            lambda v: numbers.quantity(v, "bytes"), log=True,
        ),
        Panel(
            words("figure.density.start"), words("figure.density.number"), counts, starts,
            lambda v: numbers.quantity(v, "s"), log=True,
        ),
    )  # fmt: skip
    return curves.draw(width, panels, summary.display)
