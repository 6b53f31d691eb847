from __future__ import annotations

import dataclasses
import io
import math
from typing import Any

import matplotlib as mpl
import msgspec
import pytest

from support.crowds import TRIALS as CROWDS
from support.synthetic import empty_input, make_input
from tare.reports.plots import PLOTS, Plot, coldstarts, cpu, overhead, startup, style
from tare.reports.render.html.svg import THEMED
from tare.reports.summaries.cpu import Bar, bars, chosen, vantage_name
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.record import Metric
from tare.results.statistics.estimates import Estimate

RUN = make_input(blocks=4)
WITH_CROWDS = dataclasses.replace(RUN, trials=(*RUN.trials, *CROWDS))

SOME = {"null", "cpu", "disk-fsync", *(trial.workload for trial in CROWDS)}
SMALL = dataclasses.replace(
    WITH_CROWDS,
    trials=tuple(t for t in WITH_CROWDS.trials if t.workload in SOME),
    comparisons=tuple(c for c in WITH_CROWDS.comparisons if c.workload in SOME),
)
"""As much of it as each figure needs for all of its kinds of marks: drawing takes a while for each panel."""


# The synthetic run climbs no ladder and adds no CPUs; these figures have their tests with the sections.
DRAWN = pytest.mark.parametrize(
    "plot", [p for p in PLOTS if p.name not in {"ladder", "scaling"}], ids=lambda plot: plot.name
)


@DRAWN
def test_every_plot_lays_out_a_small_run(plot: Plot) -> None:
    with style.styled():
        figure = plot.draw(Summary(SMALL), words("en"))
        assert figure is not None
        figure.draw_without_rendering()
    assert all(axes.has_data() for axes in figure.axes)


@pytest.mark.slow
@DRAWN
def test_every_plot_draws_the_run(plot: Plot) -> None:
    with style.styled():
        figure = plot.draw(Summary(WITH_CROWDS), words("en"))
        assert figure is not None
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=40)
    assert target.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_no_data_gives_no_figure(plot: Plot) -> None:
    assert plot.draw(Summary(empty_input()), words("en")) is None


def test_no_text_of_the_overhead_figure_overlaps_another() -> None:
    with style.styled():
        figure = overhead.draw(Summary(RUN), words("en"))
        assert figure is not None
        figure.canvas.draw()
        texts = [t for axes in figure.axes for t in (*axes.texts, *axes.get_yticklabels()) if t.get_text()]
        boxes = [t.get_window_extent().shrunk(0.98, 0.8) for t in texts]
    assert len(boxes) > 20
    for i, box in enumerate(boxes):
        for j in range(i):
            assert not box.overlaps(boxes[j]), f"{texts[i].get_text()!r} overlaps {texts[j].get_text()!r}"


def test_verdicts_are_told_by_shape() -> None:
    assert len(set(overhead.MARKERS.values())) == 4


def test_one_point_per_comparison_at_its_cost() -> None:
    summary = Summary(RUN)
    with style.styled():
        figure = overhead.draw(summary, words("en"))
    assert figure is not None
    shapes = set(overhead.MARKERS.values())
    lines: Any = figure.axes[0].lines
    drawn = [line.get_xdata()[0] for line in lines if line.get_marker() in shapes]
    assert drawn == [c.cost.value for c in summary.primary]


def test_a_plain_run_needs_one_panel() -> None:
    near = tuple(c for c in RUN.comparisons if c.runner == "namespaces" and c.workload != "null")
    with style.styled():
        figure = overhead.draw(Summary(dataclasses.replace(RUN, comparisons=near)), words("en"))
    assert figure is not None
    assert len(figure.axes) == 1


def test_shares_of_phases_fill_each_bar() -> None:
    with style.styled():
        figure = startup.draw(Summary(RUN), words("en"))
    assert figure is not None
    bars: Any = figure.axes[0].patches
    ends = [bar.get_x() + bar.get_width() for bar in bars]
    assert sum(end == pytest.approx(1) for end in ends) == len(
        Summary(RUN).startup[next(iter(Summary(RUN).startup))]
    )


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(mpl.rcParams)
    with style.styled():
        PLOTS[0].draw(Summary(RUN), words("en"))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("label", ["$\\frac{a}$", "x" * 200, "\x1b[31m", "日本語 🦊"])
def test_hostile_labels_are_drawn(label: str) -> None:
    found = tuple(c for c in RUN.comparisons if c.workload == "cpu")
    renamed = tuple(
        type(c)(**{f: getattr(c, f) for f in c.__struct_fields__} | {"workload": label}) for c in found
    )
    with style.styled():
        figure = overhead.draw(Summary(dataclasses.replace(RUN, comparisons=renamed)), words("en"))
    assert figure is not None
    assert all(len(t.get_text()) <= 40 for t in figure.axes[0].get_yticklabels())


def test_a_comparison_without_a_ratio_does_not_spoil_the_others() -> None:
    broken = [
        msgspec.structs.replace(
            c, cost=Estimate(value=math.nan, low=None, high=None, confidence=0.95, n=0, method="no ratio")
        )
        if c.workload == "cpu"
        else c
        for c in RUN.comparisons
    ]
    with style.styled():
        figure = overhead.draw(Summary(dataclasses.replace(RUN, comparisons=tuple(broken))), words("en"))
    assert figure is not None
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert "cpu" not in labels
    assert "cpu-all" in labels


def test_the_total_stands_where_ticks_do_not_resolve_the_parts() -> None:
    summary = Summary(RUN)
    by_name = {case.workload: case for case in summary.primary_values}
    short = {(b.runner, b.vantage): b for b in bars(summary, by_name["null"])}
    long = {(b.runner, b.vantage): b for b in bars(summary, by_name["cpu"])}
    assert set(short["namespaces", "cgroup.cpu"].parts) == {"total"}
    assert set(long["namespaces", "cgroup.cpu"].parts) == {"user", "system"}
    assert set(long["qemu-q35(tcg)", "vmm.cpu"].parts) == {"vcpu", "io", "other"}


def test_only_the_closest_outside_view_is_drawn() -> None:
    summary = Summary(RUN)
    found = chosen(bars(summary, next(iter(summary.primary_values))))
    views = {runner: [b.vantage for b in found if b.runner == runner] for runner in {b.runner for b in found}}
    assert views == {
        "bare": ["cpu", "cgroup.cpu"],
        "namespaces": ["cpu", "cgroup.cpu"],
        "qemu-microvm(tcg)": ["cpu", "vmm.cpu"],
        "qemu-q35(tcg)": ["cpu", "vmm.cpu"],
    }


def test_bars_of_bare_metal_are_seen_beside_an_emulated_guests() -> None:
    assert cpu.edge([0.001, 0.0012, 5.0]) == 0.0012
    assert cpu.edge([1.0, 3.0, 10.0]) == 10.0
    assert cpu.edge([0.0, 0.0]) == cpu.edge([]) == 1.0


def test_a_bar_that_ends_at_the_edge_tells_its_length() -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415

    found = [Bar("bare", "cpu", {"user": 0.001}), Bar("q", "cpu", {"user": 3.0, "system": 1.0})]
    axes = Figure().subplots()
    cpu._panel(axes, found, words("en"))
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["1.00 ms", "→ 4.00 s"]
    bars: Any = axes.patches
    assert [bar.get_width() for bar in bars] == pytest.approx([0.001, 0.00075, 0.00025])


def test_a_places_own_use_is_not_called_the_jobs() -> None:
    start = next(t for t in RUN.trials if t.outcome == "ok" and not t.control)
    used = [
        Metric(
            name=f"cpu.{part}", value=1.0, unit="s", direction="lower", clock="cpu-time", source="launcher"
        )
        for part in ("user", "total")
    ]
    judged = [metric for metric in start.metrics if metric.primary]
    whole = msgspec.structs.replace(start, metrics=(*judged, *used))
    summary = Summary(dataclasses.replace(RUN, trials=(whole,)))
    found = [bar for case in summary.primary_values for bar in bars(summary, case)]
    assert [(bar.vantage, dict(bar.parts)) for bar in found] == [("place.cpu", {"user": 1.0})]
    assert "inside" not in vantage_name("place.cpu", words("en"))


@pytest.mark.parametrize("color", [*style.PHASE_COLORS.values()])
def test_text_on_phases_keeps_its_colour_on_a_dark_page(color: str) -> None:
    assert startup._on(color) not in THEMED


def test_cold_starts_are_drawn_from_the_first_at_the_top() -> None:
    with style.styled():
        figure = coldstarts.draw(Summary(RUN), words("en"))
    assert figure is not None
    strip = figure.axes[0]
    assert strip.yaxis_inverted()
    for (_runner, found), points in zip(
        next(iter(Summary(RUN).startup.values())).items(), strip.collections, strict=True
    ):
        ordered = [float(x) for x, _y in sorted(points.get_offsets().tolist(), key=lambda xy: xy[1])]
        assert ordered == pytest.approx(found.totals)
