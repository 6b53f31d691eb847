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
