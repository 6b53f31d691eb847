"""Many places at once: starts together, and idle places under a memory budget."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Node, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries import crowd
from tare.reports.summaries.startup import LEAST_FOR_P99
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.crowd import Ramp, Starts
    from tare.reports.text.words import Words

_MEMORY = (
    "density.pss",
    "density.cgroups",
    "density.attendants",
    "density.host",
    "density.daemons.idle",
    "density.daemons",
)


def section(page: Page) -> Section | None:
    """Figures and tables; nothing where no crowd was measured."""
    words, trials = page.words, page.summary.measured
    starts, ramps = crowd.starts(trials), crowd.ramps(trials)
    body: list[Node] = []
    if starts:
        body += [Paragraph(words("crowd.starts_intro")), *page.picture("starts"), _starts(words, starts)]
        body.append(Paragraph(words("crowd.ceiling", base=page.base), kind="muted"))
    if ramps:
        body += [Paragraph(words("crowd.density_intro")), *page.picture("density"), _density(words, ramps)]
        body.append(Paragraph(words("crowd.density_note"), kind="muted"))
    return Section("crowd", words("crowd.title"), tuple(body)) if body else None


def _starts(words: Words, found: Mapping[str, Sequence[Starts]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    breaks, keys = [], []
    for runner, points in found.items():
        breaks.append(len(rows))
        for point in points:
            keys.append(f"starts-{point.count}|{runner}|starts.latency")
            rows.append(_start(words, runner, point))
    names = tuple(
        words(f"crowd.{name}")
        for name in ("runner", "at_once", "n", "p50", "p99", "slowest", "rate", "harness")
    )
    return Table(
        words("crowd.starts_caption"), names, tuple(rows), numeric=tuple(range(1, 8)), keys=tuple(keys),
        breaks=tuple(breaks[1:]),
    )  # fmt: skip


def _start(words: Words, runner: str, point: Starts) -> tuple[Cell, ...]:
    n = len(point.latencies)
    p99 = (
        _seconds(point.rank(0.99))
        if n >= LEAST_FOR_P99
        else Cell(words("startup.no_p99", n=LEAST_FOR_P99), kind="muted")
    )
    return (
        Cell(runner, color=runner_color(runner)),
        Cell(str(point.count), value=point.count),
        Cell(str(n), detail=words("crowd.trials", n=len(point.rates)), value=n),
        _seconds(point.median),
        p99,
        _seconds(point.latencies[-1]),
        _spread(point.rates, "ops/s"),
        _seconds(statistics.median(point.spreads)),
    )


def _density(words: Words, found: Mapping[str, Sequence[Ramp]]) -> Table:
    shown = [
        name for name in _MEMORY if any(name in ramp.metrics for ramps in found.values() for ramp in ramps)
    ]
    rows = []
    for runner, ramps in found.items():
        rows.append(
            (
                Cell(runner, detail=words("crowd.trials", n=len(ramps)), color=runner_color(runner)),
                Cell(
                    _extent([len(ramp.details.start_seconds) for ramp in ramps]),
                    detail=ramps[-1].details.stopped,
                    recorded=True,
                ),
                *(_spread([r.metrics[name] for r in ramps if name in r.metrics], "bytes") for name in shown),
                *(
                    _spread([r.metrics[name] for r in ramps if name in r.metrics], "s")
                    for name in ("density.start.first_quarter", "density.start.last_quarter")
                ),
            )
        )
    names = ("runner", "places", *(name.replace("density.", "").replace(".", "_") for name in shown))
    heads = (*(words(f"crowd.{name}") for name in (*names, "first_quarter", "last_quarter")),)
    return Table(
        words("crowd.density_caption"), heads, tuple(rows), numeric=tuple(range(2, len(heads))),
        keys=tuple(f"density|{runner}|density.pss" for runner in found),
    )  # fmt: skip


def _seconds(value: float) -> Cell:
    return Cell(numbers.quantity(value, "s"), value=value)


def _extent(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"


def _spread(values: Sequence[float], unit: str) -> Cell:
    """Median over the trials, and below it the least and the most."""
    if not values:
        return Cell(DASH, kind="muted")
    middle, low, high = statistics.median(values), min(values), max(values)
    detail = f"{numbers.quantity(low, unit)} – {numbers.quantity(high, unit)}" if len(values) > 1 else ""
    return Cell(numbers.quantity(middle, unit), detail=detail, value=middle, low=low, high=high)
