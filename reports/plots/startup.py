"""Draw the start-up of each runner: shares of the phases on the left, durations on a log scale on the right.

A container starts in a millisecond, an emulated guest in seconds. Stacked on one linear axis the former would vanish;
on a log axis stacked lengths mislead. So the phases are drawn as shares with their durations written into them, and
the totals are drawn separately.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.plots import style
from tare.reports.summaries import names
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tare.reports.summaries.run import Summary
    from tare.reports.summaries.runners import RunnerDisplay
    from tare.reports.summaries.startup import Phases
    from tare.reports.text.words import Words

_ROW_INCHES = 0.46
_WHITE = "#fffffe"
"""White that stays white on a dark page, where :data:`style.PAPER` does not."""
_MOST_CASES = 6
"""A figure with more panels is too long to read; the tables have all cases."""


def draw(summary: Summary, words: Words) -> Figure | None:
    """Draw the figure; ``None`` if no trial launched a place of its own."""
    cases = list(summary.startup.items())[:_MOST_CASES]
    if not cases:
        return None
    rows = [len(by_runner) for _case, by_runner in cases]
    made = style.figure(1.35 + sum(0.62 + _ROW_INCHES * n for n in rows))
    grid: Any = made.subplots(
        len(cases), 2, squeeze=False, width_ratios=[5, 3], height_ratios=[n + 1 for n in rows]
    )
    for (case, by_runner), (left, right) in zip(cases, grid, strict=True):
        _shares(left, by_runner, words)
        _sizes(right, by_runner, summary.display)
        _baseline(right, by_runner, summary, words)
        left.set_title(style.short(names.case_name(case, words)))
    grid[0][1].set_title(words("figure.startup.sizes"))
    grid[-1][0].set_xlabel(words("figure.startup.share_axis"))
    grid[-1][1].set_xlabel(words("figure.startup.size_axis"))
    _legend(made, [p for _case, by_runner in cases for p in by_runner.values()], words)
    return made


def _shares(axes: Axes, by_runner: Mapping[str, Phases], words: Words) -> None:
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    for y, found in enumerate(by_runner.values()):
        whole = sum(found.marks.values())
        left = 0.0
        for mark, seconds in found.marks.items():
            share = seconds / whole if whole else 0.0
            color = style.PHASE_COLORS[mark]
            axes.barh(y, share, left=left, height=0.68, color=color, edgecolor=style.PAPER, linewidth=0.8)
            text = numbers.quantity(seconds, "s")
            if share * 62 > len(text) + 1:
                axes.text(left + share / 2, y, text, ha="center", va="center", fontsize=9, color=_on(color))
            left += share
    _name_rows(axes, by_runner, words)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.spines["left"].set_visible(False)


def _sizes(axes: Axes, by_runner: Mapping[str, Phases], display: RunnerDisplay) -> None:
    axes.set_xscale("log")
    for y, (runner, found) in enumerate(by_runner.items()):
        color = display.color(runner)
        axes.plot([found.inside, found.end_to_end], [y, y], color=color, linewidth=2)
        axes.plot(
            [found.inside],
            [y],
            marker="o",
            markersize=7,
            color=color,
            markerfacecolor=style.PAPER,
            markeredgewidth=1.7,
        )
        axes.plot([found.end_to_end], [y], marker="o", markersize=8, color=color)
        axes.annotate(
            numbers.quantity(found.end_to_end, "s"),
            (found.end_to_end, y),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            fontweight="bold",
        )
        axes.annotate(
            numbers.quantity(found.inside, "s"),
            (found.inside, y),
            xytext=(-8, 0),
            textcoords="offset points",
            va="center",
            ha="right",
            fontsize=9,
            color=style.MUTED,
        )
    low = min(p.inside for p in by_runner.values())
    high = max(p.end_to_end for p in by_runner.values())
    decades = max(high / low, 10.0)
    axes.set_xlim(low / decades**0.36, high * decades**0.36)
    axes.set_ylim(len(by_runner) - 0.4, -0.6)
    axes.set_yticks([])
    axes.grid(axis="x")
    style.log_ticks(axes, "s", most=5)


def _baseline(axes: Axes, by_runner: Mapping[str, Phases], summary: Summary, words: Words) -> None:
    """Draw the KVM baseline cost of a start where guests are drawn; no guest of this host can start faster."""
    baseline = summary.kvm_baseline
    seconds = baseline.figures.get("open_to_first_exit_seconds") if baseline else None
    if not seconds or not any({"kernel", "restored"} & found.marks.keys() for found in by_runner.values()):
        return
    axes.axvline(seconds, color=style.MUTED, linestyle=":", linewidth=1.2, zorder=0)
    axes.annotate(
        words("figure.startup.baseline", seconds=numbers.quantity(seconds, "s")),
        (seconds, 0),
        xycoords=("data", "axes fraction"),
        xytext=(3, 3),
        textcoords="offset points",
        fontsize=8,
        color=style.MUTED,
    )


def _name_rows(axes: Axes, by_runner: Mapping[str, Phases], words: Words) -> None:
    labels = [f"{style.short(r)}\n{words('figure.n', n=p.n)}" for r, p in by_runner.items()]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _on(color: str) -> str:
    """Choose black or white, whichever reads better on ``color`` (relative luminance, WCAG 2)."""
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return _WHITE if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.3 else "#000000"


def _legend(made: Figure, found: list[Phases], words: Words) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    used = [mark for mark in style.PHASE_COLORS if any(mark in p.marks for p in found)]
    handles: list[Any] = [
        Patch(color=style.PHASE_COLORS[mark], label=words(f"phase.{mark}")) for mark in used
    ]
    for key, face in (("inside", style.PAPER), ("end_to_end", style.MUTED)):
        handles.append(
            Line2D(
                [],
                [],
                marker="o",
                linestyle="",
                color=style.MUTED,
                markerfacecolor=face,
                label=words(f"figure.startup.{key}"),
            )
        )
    made.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9.5)
