"""Figures of comparisons, one for a wide page and one for a phone's, and charts of histories."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tare.reports.content.nodes import Chart, ChartLine, ChartPoint, Dumbbell, Dumbbells
from tare.reports.plots.canvas import text_width
from tare.reports.render.html.charts import chart_of, dumbbells

LINES = (
    Dumbbell("null, launch.total · namespaces:+a-rather-long-setting", 4.81, 1.5, 12.7, "worse", "<all>"),
    Dumbbell("syscall · bare", 1.16, 1.15, 1.17, "worse", ""),
    Dumbbell("fork · bare", 0.97, None, None, "undecided", ""),
)


def figures() -> list[ElementTree.Element]:
    told = str(dumbbells(Dumbbells("Costs", LINES, 0.02)))
    return [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", told)]  # noqa: S314 - our own


def test_there_is_a_figure_for_each_width_and_nothing_leaves_it() -> None:
    wide, narrow = figures()
    assert (wide.get("class"), narrow.get("class")) == ("wide", "narrow")
    for made, own in ((wide, 760), (narrow, 360)):
        assert made.get("viewBox", "").split()[2] == str(own)
        labels = [one for one in made.iter("text") if one.get("x") == "0"]
        assert len(labels) == 3
        assert all(text_width(one.text or "") <= own for one in labels)
        assert all(0 <= float(one.get("cx", "")) <= own for one in made.iter("circle"))


def test_a_long_figure_can_be_parted_between_lines_on_paper() -> None:
    told = str(dumbbells(Dumbbells("Costs", LINES * 10, 0.02)))
    made = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", told)]  # noqa: S314 - our own
    wide = [one for one in made if one.get("class") == "wide"]
    lines = [[one for one in part if one.tag == "g"] for part in wide]
    assert [len(part) for part in lines] == [12, 12, 6]
    ticks = [[one.text for one in part.iter("text") if one.get("class") == "tick"] for part in wide]
    assert ticks[:2] == [[], []]
    assert len(ticks[2]) > 2, "the last one has the scale of all"
    # Equal lines of all parts lie at equal places.
    ends = {tuple(one.get("cx") for one in part[0].iter("circle")) for part in lines}
    assert len(ends) == 1


def test_a_figure_has_the_digits_of_the_table() -> None:
    for made in figures():
        assert [one.text for one in made.iter("text") if one.get("class") == "end"] == [
            "4.8×",
            "+16 %",
            "−3.0 %",
        ]


def test_a_history_of_one_run_has_one_date_and_one_value_on_its_axes() -> None:
    only = ChartPoint(1e9, 0.01, 0.009, 0.011, "r1")
    drawn = str(chart_of(Chart("x", "parse", "s", (ChartLine("imported", "#000000", (only,)),))))
    assert re.findall(r"<text[^>]*>([^<]*)", drawn) == ["10.0 ms", "2001-09-09"]


def chart_with(values: list[float]) -> str:
    points = tuple(ChartPoint(1e9 + 86_400 * at, one, one, one, f"r{at}") for at, one in enumerate(values))
    return str(chart_of(Chart("x", "parse", "s", (ChartLine("imported", "#000000", points),))))


def test_a_single_odd_run_does_not_press_the_others_flat_and_has_its_value_beside_it() -> None:
    usual = [1 + 0.01 * (at * 7 % 5) for at in range(40)]
    drawn = chart_with([*usual[:20], 5.0, *usual[20:]])
    assert re.findall(r'<text class="(?:start|end)"[^>]*>([^<]*s)<', drawn) == [
        "1.04 s",
        "1.00 s",
        "5.00 s",
    ]
    heights = [float(one) for one in re.findall(r'cy="([\d.]+)"', drawn)]
    assert max(heights) - min(heights) > 100
    assert drawn.count("<circle") == 41


def test_a_change_of_level_is_drawn_whole() -> None:
    drawn = chart_with([*(1 + 0.01 * (at * 7 % 5) for at in range(40)), 5.0, 5.01, 5.02, 5.01])
    assert re.findall(r'<text class="end"[^>]*>([^<]*s)<', drawn) == ["5.02 s", "1.00 s"]
