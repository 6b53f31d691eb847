"""What figures are made of: shapes, texts, axes and legends."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from support.figures import Seen
from tare.reports.plots.axes import Scale, Sign, legend, ticks
from tare.reports.plots.canvas import NARROW, WIDE, Canvas, fitted, stylesheet, text_width, track
from tare.reports.plots.drift import thinned
from tare.reports.plots.panels import in_columns

VALUES = some.floats(min_value=1e-6, max_value=1e6)


@given(VALUES, some.floats(min_value=1.001, max_value=1e9), some.integers(2, 9), some.booleans())
def test_ticks_are_few_and_lie_between_the_ends(low: float, factor: float, most: int, log: bool) -> None:
    high = low * factor
    found = ticks(low, high, most, log=log)
    assert len(found) <= most + 1
    assert found == sorted(set(found))
    room = 1e-6 * (high - low)
    assert all(low - room <= value <= high + room for value in found)


def test_ticks_are_round_and_there_are_some() -> None:
    assert ticks(0.78, 1.23, 5) == [0.8, 0.9, 1.0, 1.1, 1.2]
    assert ticks(0.0004, 5, 6, log=True) == [0.001, 0.01, 0.1, 1.0]
    assert ticks(3, 3, 4) == [3]


@given(some.floats(min_value=-10, max_value=10_000))
def test_values_beyond_an_axis_are_put_at_its_end(value: float) -> None:
    for scale in (Scale(1, 100, 40, 300), Scale(1, 100, 300, 40, log=True)):
        assert 40 <= scale(value) <= 300


def test_a_logarithmic_axis_gives_decades_equal_lengths() -> None:
    scale = Scale(1, 1000, 0, 300, log=True)
    assert [scale(v) for v in (1, 10, 100, 1000)] == pytest.approx([0, 100, 200, 300])


POINTS = some.lists(some.tuples(some.floats(0, 400), some.floats(0, 100)), min_size=1, max_size=200)


@given(POINTS, some.sampled_from([2, 4]))
def test_a_thinned_line_keeps_the_extremes_of_each_column_in_order(
    points: list[tuple[float, float]], every: int
) -> None:
    points = sorted(points, key=lambda point: point[0])
    kept = thinned(points, every)
    rest = iter(points)
    assert all(point in rest for point in kept), "a part of the line, in its order"
    for column in {int(x / every) for x, _y in points}:
        heights = [y for x, y in points if int(x / every) == column]
        left = [y for x, y in kept if int(x / every) == column]
        assert (min(left), max(left), left[0], left[-1]) == (
            min(heights),
            max(heights),
            heights[0],
            heights[-1],
        )
        assert len(left) <= 4


@given(POINTS)
def test_a_track_leads_through_its_points_to_whole_pixels(points: list[tuple[float, float]]) -> None:
    steps = re.findall(r"([Ml])(-?\d+) ?(-?\d+)", track(points))
    x = y = 0
    seen = []
    for kind, right, down in steps:
        x, y = (int(right), int(down)) if kind == "M" else (x + int(right), y + int(down))
        seen.append((x, y))
    wanted = [(round(a), round(b)) for a, b in points]
    assert seen == [point for at, point in enumerate(wanted) if at == 0 or point != wanted[at - 1]]


@given(some.text(max_size=60), some.floats(20, 300))
def test_a_fitted_text_fits(text: str, width: float) -> None:
    assert text_width(fitted(text, width)) <= width
    if text.isprintable() and text_width(text) <= width:
        assert fitted(text, width) == text


def test_long_names_keep_the_ends_that_tell_them_apart() -> None:
    names = [f"namespaces:+a-rather-long-setting+another-{n:02}" for n in range(20)]
    short = [fitted(name, 120) for name in names]
    assert len(set(short)) == 20
    assert all("…" in one and one.startswith("names") for one in short)


def test_texts_and_hints_are_escaped_and_control_characters_are_not_passed_on() -> None:
    made = Canvas(WIDE)
    made.text(1, 10, "<b>&\x1b[31m")
    made.dot(5, 5, 2, hint='"<i>')
    with made.group("#123456", "a\x00b"):
        made.rectangle(0, 0, (1, 1))
    made.height = 20
    text = made.element("<u>", "wide")
    assert not re.search(r"<[biu]>", text)
    assert not set(text) & {"\x1b", "\x00"}
    assert Seen(made).texts == ["<b>&\ufffd[31m"]
    assert Seen(made).hints == ['"<i>', "a\ufffdb"]


def test_a_file_of_its_own_needs_no_page() -> None:
    made = Canvas(WIDE)
    made.text(1, 10, "text")
    made.height = 20
    assert "var(--ink)" in stylesheet()
    assert "var(" not in made.document("a figure")
    assert "<title>a figure</title>" in made.document("a figure")
    assert "<style>" not in made.element("a figure", "wide"), "the page has the look once for all"
    assert made.document("a figure") == made.document("a figure")


@pytest.mark.parametrize(("width", "columns"), [(WIDE, 2), (NARROW, 1)])
def test_panels_stand_side_by_side_where_there_is_room(width: int, columns: int) -> None:
    made = Canvas(width)
    seen = []
    for thing, left, room in in_columns(made, "abc"):
        seen.append((thing, left, made.height))
        assert left + room <= width
        made.height += {"a": 100, "b": 50, "c": 70}[thing]
    tops = [0, 0, 100] if columns == 2 else [0, 100, 150]
    assert [top for _thing, _left, top in seen] == tops
    assert made.height == tops[2] + 70


def test_a_legend_takes_as_many_lines_as_it_needs() -> None:
    for count in (3, 20):
        made = Canvas(NARROW)
        legend(made, [Sign(f"runner number {n}", "#112233") for n in range(count)])
        assert Seen(made).outside() == []
        assert made.height >= 17 * math.ceil(count / 3)
