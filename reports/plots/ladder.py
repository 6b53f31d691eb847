"""Draw the isolation ladder as a flight of steps: each bar begins where the rung below ends and shows what it adds.

Start-up is drawn in time, everything else as cost relative to the base. The end of a bar is the sum of the paired
differences (or the product of the ratios), so it may differ slightly from the rung's own median in the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.summaries import names
from tare.reports.summaries.ladder import classify, rung_name
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.cases import CaseKey
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words
    from tare.results.judgement.rungs import RungCost
    from tare.results.statistics.estimates import Estimate

_MOST_CASES = 3
"""Panels side by side; the tables have all."""
_ROW_INCHES = 0.33


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if the run measured fewer than two rungs."""
    cases = list(summary.ladder.items())[:_MOST_CASES]
    if not cases:
        return None
    names: dict[str, str] = {}
    for _case, rung_costs in cases:
        names |= {rung.runner: rung_name(words, rung) for rung in rung_costs}
    rows = {runner: y for y, runner in enumerate(dict.fromkeys(names), start=1)}
    made = style.figure(1.5 + _ROW_INCHES * (len(rows) + 1))
    grid: Any = made.subplots(1, len(cases), squeeze=False, sharey=True)
    for axes, (case, rung_costs) in zip(grid[0], cases, strict=True):
        _flight(axes, case, rung_costs, rows, words)
    first = grid[0][0]
    first.set_yticks(range(len(rows) + 1), [rung_costs[0].below, *(names[runner] for runner in rows)])
    first.set_ylim(len(rows) + 0.6, -0.6)
    _legend(made, words)
    return made


def _flight(
    axes: Axes, case: CaseKey, rung_costs: Sequence[RungCost], rows: dict[str, int], words: Words
) -> None:
    absolute = all(rung.difference is not None for rung in rung_costs) and rung_costs[0].unit == "s"
    start = (
        rung_costs[0].value.value - rung_costs[0].difference.value
        if absolute and rung_costs[0].difference
        else 1.0
    )
    ends = {rung_costs[0].below: start}
    axes.axvline(start, color=style.INK, linewidth=1.1)
    axes.plot([start], [0], marker="D", color=style.INK, markersize=6)
    for rung in rung_costs:
        begin, y = ends.get(rung.below, start), rows[rung.runner]
        added = rung.difference if absolute and rung.difference is not None else rung.cost
        end = _after(begin, added.value, absolute=absolute)
        ends[rung.runner] = end
        color = {"worse": style.WORSE, "better": style.BETTER}.get(
            classify(added, 0.0 if absolute else 1.0), style.UNCLEAR
        )
        axes.barh(y, end - begin, left=begin, height=0.6, color=color, zorder=2)
        axes.plot([begin, begin], [rows.get(rung.below, 0), y], color=style.GRID, linewidth=1.4, zorder=1)
        _whisker(axes, added, begin, y, absolute=absolute)
    axes.set_title(style.short(names.case_name(case, words)))
    axes.grid(axis="x")
    _axis(axes, words, absolute=absolute)
    _texts(axes, rung_costs, rows, absolute=absolute)


def _after(begin: float, added: float, *, absolute: bool) -> float:
    return begin + added if absolute else begin * added


def _whisker(axes: Axes, added: Estimate, begin: float, y: float, *, absolute: bool) -> None:
    if added.low is None or added.high is None:
        return
    low, high = (_after(begin, edge, absolute=absolute) for edge in (added.low, added.high))
    axes.plot([low, high], [y, y], color=style.INK, linewidth=1.3, zorder=3)
    for edge in (low, high):
        axes.plot([edge], [y], marker="|", markersize=6, color=style.INK, zorder=3)


def _axis(axes: Axes, words: Words, *, absolute: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    unit = "s" if absolute else ""
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: style.tick(value, unit)))
    axes.set_xlabel(words("figure.ladder.seconds" if absolute else "figure.ladder.ratio"))


def _texts(axes: Axes, rung_costs: Sequence[RungCost], rows: dict[str, int], *, absolute: bool) -> None:
    for rung in rung_costs:
        if absolute and rung.difference is not None:
            sign = "+" if rung.difference.value > 0 else ""
            text = sign + numbers.quantity(rung.difference.value, "s")
        else:
            text = numbers.change(rung.cost.value)
        axes.text(
            1.0,
            rows[rung.runner],
            f"{text}  n={rung.cost.n}",
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=8.5,
            color=style.MUTED,
            zorder=4,
        )
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.7 * (high - low))  # room for the texts


def _legend(made: Figure, words: Words) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    handles: list[Any] = [
        Patch(color=color, label=words(key))
        for key, color in (
            ("verdict.worse", style.WORSE),
            ("verdict.better", style.BETTER),
            ("figure.ladder.unclear", style.UNCLEAR),
        )
    ]
    handles.append(Line2D([], [], color=style.INK, linewidth=1.3, label=words("figure.ladder.interval")))
    made.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9.5)
