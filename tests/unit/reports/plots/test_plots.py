from __future__ import annotations

import math
import re

import msgspec
import pytest

from support.crowds import TRIALS as CROWDS
from support.figures import Seen
from support.synthetic import HOSTILE, empty_input, make_input
from support.verdicts import compared, run_of
from tare.reports.model import LANGUAGES, Language, ReportInput
from tare.reports.plots import PLOTS, Plot, coldstarts, cpu, drawn_twice, drift, overhead, startup, style
from tare.reports.plots.canvas import NARROW, THEME, WIDE, Canvas
from tare.reports.summaries import names
from tare.reports.summaries.cpu import Bar, bars, chosen, vantage_name
from tare.reports.summaries.run import Summary
from tare.reports.text import numbers
from tare.reports.text.words import words
from tare.results.record import Metric
from tare.results.statistics.estimates import Estimate

RUN = make_input(blocks=4)
WITH_CROWDS = msgspec.structs.replace(RUN, trials=(*RUN.trials, *CROWDS))
WIDTHS = pytest.mark.parametrize("width", [WIDE, NARROW])

# The synthetic run climbs no ladder and adds no CPUs; these figures have their tests with the sections.
DRAWN = pytest.mark.parametrize(
    "plot", [p for p in PLOTS if p.name not in {"ladder", "scaling"}], ids=lambda plot: plot.name
)


def renamed(given: ReportInput, runners: int) -> ReportInput:
    """Measure a container's trials and comparisons again under so many names, some of them long."""
    names = [f"runner-with-a-name-{n}:{'variant' * (n % 4)}" for n in range(runners)]
    return msgspec.structs.replace(
        given,
        trials=tuple(
            msgspec.structs.replace(t, runner=name) if t.runner == "namespaces" else t
            for name in names
            for t in given.trials
        ),
        comparisons=tuple(
            msgspec.structs.replace(c, runner=name)
            for name in names
            for c in given.comparisons
            if c.runner == "namespaces"
        ),
    )


@DRAWN
@WIDTHS
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_keeps_within_its_width(plot: Plot, width: int, language: Language) -> None:
    made = plot.draw(Summary(WITH_CROWDS), words(language), width)
    assert made is not None
    seen = Seen(made)
    assert seen.outside() == []
    assert len(seen.texts) > 5


@DRAWN
@WIDTHS
@pytest.mark.parametrize("runners", [1, 20])
def test_figures_of_one_and_of_twenty_runners_keep_within_their_width(
    plot: Plot, width: int, runners: int
) -> None:
    made = plot.draw(Summary(renamed(RUN, runners)), words("en"), width)
    assert made is None or Seen(made).outside() == []


@DRAWN
def test_points_can_be_asked_for_their_values_where_there_is_a_pointer(plot: Plot) -> None:
    drawing = drawn_twice(plot, Summary(WITH_CROWDS), words("en"))
    assert drawing is not None
    assert any(any(c.isdigit() for c in hint) for hint in Seen(drawing.wide).hints)
    assert Seen(drawing.narrow).hints == [], "a phone has no pointer, and its page shall be light"


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_no_data_gives_no_figure(plot: Plot) -> None:
    assert drawn_twice(plot, Summary(empty_input()), words("en")) is None


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_nothing_hostile_becomes_markup(plot: Plot) -> None:
    drawing = drawn_twice(plot, Summary(make_input(blocks=2, hostile=True)), words("en"))
    for made in (drawing.wide, drawing.narrow) if drawing else ():
        text = made.document(HOSTILE)
        assert "<b>" not in text
        assert "<script" not in text
        assert "\x1b" not in text


@WIDTHS
def test_no_text_of_the_overhead_figure_overlaps_another(width: int) -> None:
    made = overhead.draw(Summary(RUN), words("en"), width)
    assert made is not None
    boxes = Seen(made).boxes()
    assert len(boxes) > 20
    for i, (text, left, top, right, bottom) in enumerate(boxes):
        for other, far_left, far_top, far_right, far_bottom in boxes[:i]:
            apart = right <= far_left or far_right <= left or bottom <= far_top or far_bottom <= top
            assert apart, f"{text!r} overlaps {other!r}"


def test_each_comparison_has_a_mark_that_tells_it() -> None:
    summary = Summary(RUN)
    made = overhead.draw(summary, words("en"), WIDE)
    assert made is not None
    hints = Seen(made).hints
    for comparison in summary.primary:
        told = f"{numbers.cost(comparison.cost)}, {words('en')(f'verdict.{comparison.verdict}')}"
        assert any(hint.startswith(comparison.runner) and told in hint for hint in hints)


def test_verdicts_are_told_by_shape() -> None:
    drawn = set()
    for verdict in overhead.SHAPES:
        made = Canvas(WIDE)
        overhead.shape(made, verdict, 50, 50)
        drawn.add(made.element("", ""))
    assert len(drawn) == 4


def test_a_plain_run_needs_one_panel_and_a_far_one_two() -> None:
    near = tuple(c for c in RUN.comparisons if c.runner == "namespaces" and c.workload != "null")
    for comparisons, panels in ((near, 0), (RUN.comparisons, 2)):
        made = overhead.draw(
            Summary(msgspec.structs.replace(RUN, comparisons=comparisons)), words("en"), WIDE
        )
        assert made is not None
        titles = {words("en")("figure.overhead.near"), words("en")("figure.overhead.all")}
        assert sum(text in titles for text in Seen(made).texts) == panels


def test_a_ratio_beyond_the_linear_panel_is_written_at_its_edge() -> None:
    made = overhead.draw(
        Summary(run_of(compared("a", 1.01, "same"), compared("b", 5000.0, "worse"))), words("en"), NARROW
    )
    assert made is not None
    assert "5,000× →" in Seen(made).texts


def test_an_interval_that_goes_on_beyond_its_panel_ends_in_an_arrow_before_the_number() -> None:
    wide = compared("disk-seq", 3.3, "undecided", runner="qemu-q35(tcg)")
    wide = msgspec.structs.replace(wide, cost=msgspec.structs.replace(wide.cost, low=0.22, high=49.0))
    made = overhead.draw(Summary(run_of(compared("cpu", 1.0, "same"), wide)), words("en"), WIDE)
    assert made is not None
    seen = Seen(made)
    (number_at,) = [left for text, left, *_ in seen.boxes() if text == "3.3× →"]
    arrows = [path for path in re.findall(r'd="([^"]+)"', made.document("x")) if "l5 4l-5 4" in path]
    assert [float(path.split("H")[1].split("M")[0]) < number_at for path in arrows] == [True]


def test_an_interval_down_to_zero_is_drawn() -> None:
    low = compared("b", 5.0, "undecided")
    low = msgspec.structs.replace(low, cost=msgspec.structs.replace(low.cost, low=0.0, high=90.0))
    made = overhead.draw(Summary(run_of(low)), words("en"), WIDE)
    assert made is not None
    assert Seen(made).outside() == []


def test_shares_of_phases_fill_each_bar() -> None:
    summary = Summary(RUN)
    made = startup.draw(summary, words("en"), WIDE)
    assert made is not None
    rows: dict[str, list[tuple[float, float]]] = {}
    for one in Seen(made).named("rect"):
        if one.get("height") == "20":
            rows.setdefault(one.get("y", ""), []).append(
                (float(one.get("x", "")), float(one.get("width", "")))
            )
    assert len(rows) == sum(len(by) for by in summary.startup.values())
    ends = {round(max(x + wide for x, wide in found)) for found in rows.values()}
    begins = {round(min(x for x, _wide in found)) for found in rows.values()}
    assert len(begins) == 1
    assert max(ends) - min(ends) <= 1


def test_a_comparison_without_a_ratio_does_not_spoil_the_others() -> None:
    none = Estimate(value=math.nan, low=None, high=None, confidence=0.95, n=0, method="no ratio")
    broken = tuple(
        msgspec.structs.replace(c, cost=none) if c.workload == "cpu" else c for c in RUN.comparisons
    )
    made = overhead.draw(Summary(msgspec.structs.replace(RUN, comparisons=broken)), words("en"), WIDE)
    assert made is not None
    assert "cpu" not in Seen(made).texts
    assert "cpu-all" in Seen(made).texts


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


@WIDTHS
def test_a_bar_that_ends_at_the_edge_tells_its_length(width: int) -> None:
    made = Canvas(width)
    found = [Bar("bare", "cpu", {"user": 0.001}), Bar("q", "cpu", {"user": 3.75, "system": 1.25})]
    cpu._panel(made, "disk", found, (0.0, width), words("en"))
    seen = Seen(made)
    assert [text for text in seen.texts if text[-1] == "s"] == ["1.00 ms", "→ 5.00 s"]
    lengths = [float(one.get("width", "")) for one in seen.named("rect")]
    cuts = [float(one.get("d", "")[1:].split()[0]) for one in seen.named("path", "r")]
    assert len(cuts) == len(cpu._CUTS), "and it is cut, so that it is not taken for its length"
    assert all(seen.named("rect")[1].get("x", "") < str(at) for at in cuts)
    assert lengths[0] > 50
    assert lengths[1:] == pytest.approx([0.75 * lengths[0], 0.25 * lengths[0]], abs=0.2)


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
    summary = Summary(msgspec.structs.replace(RUN, trials=(whole,)))
    found = [bar for case in summary.primary_values for bar in bars(summary, case)]
    assert [(bar.vantage, dict(bar.parts)) for bar in found] == [("place.cpu", {"user": 1.0})]
    assert "inside" not in vantage_name("place.cpu", words("en"))


@pytest.mark.parametrize("color", [*style.PHASE_COLORS.values()])
def test_text_on_phases_keeps_its_colour_on_a_dark_page(color: str) -> None:
    assert startup.letters(color) in {"w", "d"}
    assert color not in THEME.values()


def test_cold_starts_are_drawn_from_the_first_at_the_top() -> None:
    summary = Summary(RUN)
    made = coldstarts.draw(summary, words("en"), WIDE)
    assert made is not None
    (by_runner,) = summary.startup.values()
    for runner, found in by_runner.items():
        dots = [
            (float(one.get("cy", "")), one.findtext("title"))
            for one in Seen(made).named("circle")
            if (one.findtext("title") or "").startswith(f"{runner}: ")
        ]
        assert [told for _y, told in sorted(dots)] == [
            f"{runner}: {numbers.quantity(total, 's')}" for total in found.totals
        ]


def test_many_cold_starts_are_one_shape_without_a_point_twice() -> None:
    given = make_input(blocks=4, starts_per_block=40)
    made = coldstarts.draw(Summary(given), words("en"), WIDE)
    assert made is not None
    clouds = Seen(made).named("path", "o")
    assert len(clouds) == 4
    for cloud in clouds:
        points = cloud.get("d", "").split("h0")[:-1]
        assert 50 < len(points) == len(set(points)) <= 160


def test_a_hint_names_the_workload_where_panels_do() -> None:
    """A hint is read where the title of its panel may be out of view."""
    for plot in (drift, cpu):
        made = plot.draw(Summary(RUN), words("en"), WIDE)
        assert made is not None
        cases = tuple(f"{names.case_name(one, words('en'))} · " for one in Summary(RUN).primary_values)
        assert all(hint.startswith(cases) for hint in Seen(made).hints)


def test_a_line_end_in_a_name_is_no_line_end_in_a_figure() -> None:
    made = Canvas(WIDE)
    made.text(0, 10, "a\nb\tc")
    with made.group(hint="a\nb"):
        made.dot(1, 1, 1, hint="a\nb")
    assert not any("\n" in text for text in (*Seen(made).texts, *Seen(made).hints))


def test_values_that_are_their_own_median_are_not_drawn_as_drift() -> None:
    once = tuple({(t.workload, t.runner): t for t in RUN.trials if not t.warmup}.values())
    assert drift.draw(Summary(msgspec.structs.replace(RUN, trials=once)), words("en"), WIDE) is None


@pytest.mark.parametrize(
    ("places", "pieces"),
    [
        ([10.0], [(0, 1)]),
        ([0.0, 100.0, 200.0, 300.0], [(0, 4)]),  # few, but evenly over the run
        ([0.0, 5.0, 190.0, 195.0, 395.0, 400.0], [(0, 6)]),  # few, in pairs
        ([*map(float, range(20)), *map(float, range(200, 220))], [(0, 20), (20, 40)]),
        ([*map(float, range(20)), 200.0, *map(float, range(380, 400))], [(0, 20), (20, 21), (21, 41)]),
    ],
)
def test_a_line_is_cut_where_nothing_was_measured_for_long(
    places: list[float], pieces: list[tuple[int, int]]
) -> None:
    assert [(one.start, one.stop) for one in drift.stretches(places, 400)] == pieces


def test_a_value_that_no_line_reaches_is_a_point() -> None:
    first = next(t for t in RUN.trials if t.workload == "cpu" and t.runner == "bare" and not t.warmup)
    numbered = [*range(100), 300, *range(500, 560)]
    many = tuple(msgspec.structs.replace(first, number=1000 + n, block=at) for at, n in enumerate(numbered))
    made = drift.draw(Summary(msgspec.structs.replace(RUN, trials=many)), words("en"), WIDE)
    assert made is not None
    assert any(f"#{1300}: " in hint for hint in Seen(made).hints)


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_percentages_of_korean_figures_stand_without_a_blank(plot: Plot) -> None:
    """The page respells its figures; files of them show what was drawn."""
    made = plot.draw(Summary(RUN), words("ko"), WIDE)
    assert made is None or [text for text in Seen(made).texts if re.search(r"\d[ \xa0]%", text)] == []


def test_distributions_that_reach_far_have_a_logarithmic_axis() -> None:
    log = words("en")("figure.coldstarts.spread_log")
    started = next(t for t in RUN.trials if t.workload == "null" and t.runner == "bare" and not t.warmup)
    for most, shown in ((1.5, False), (20.0, True)):
        trials = tuple(
            msgspec.structs.replace(
                started,
                number=n,
                timeline={
                    mark: started.timeline["requested"] + round((at - started.timeline["requested"]) * factor)
                    for mark, at in started.timeline.items()
                },
            )
            for n, factor in enumerate((1.0, 1.0, 1.0, most))
        )
        made = coldstarts.draw(Summary(msgspec.structs.replace(RUN, trials=trials)), words("en"), WIDE)
        assert made is not None
        assert (log in Seen(made).texts) is shown


def test_of_many_runners_drift_draws_the_first_and_counts_the_others() -> None:
    many = renamed(RUN, 20)
    made = drift.draw(Summary(many), words("en"), WIDE)
    assert made is not None
    found = {runner for by in Summary(many).primary_values.values() for runner in by}
    assert (
        f"not drawn, as their lines would hide these: {len(found) - drift.MOST_RUNNERS} runners"
        in made.document("")
    )


def test_a_short_series_has_all_its_points_and_a_long_one_its_extremes() -> None:
    made = drift.draw(Summary(RUN), words("en"), WIDE)
    assert made is not None
    series = [one for by in Summary(RUN).primary_values.values() for one in by.values()]
    assert all(len(one.values) <= drift.MOST_MARKED for one in series)
    assert len(Seen(made).named("circle")) == sum(len(one.values) for one in series)
    started = tuple(t for t in make_input(blocks=4, starts_per_block=40).trials if t.workload == "null")
    long = msgspec.structs.replace(RUN, trials=started)
    made = drift.draw(Summary(long), words("en"), WIDE)
    assert made is not None
    assert len(Seen(made).named("circle")) == 2 * 5
