"""Pictures of figures: everything that a canvas can hold is painted where it belongs, and nothing else is understood."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from tare.reports.plots import style
from tare.reports.plots.canvas import Canvas, stylesheet
from tare.reports.plots.raster import SCALE, _look, _steps, png


def painted(canvas: Canvas) -> np.ndarray:
    """Give the red, green and blue of each dot, 0 to 255."""
    canvas.height = 50
    image = imread(io.BytesIO(png(canvas, "a figure")), format="png")
    return np.round(image[:, :, :3] * 255).astype(int)


def color_at(image: np.ndarray, x: float, y: float) -> str:
    return "#" + "".join(f"{part:02x}" for part in image[round(y * SCALE), round(x * SCALE)])


def test_shapes_are_where_they_were_drawn_in_their_colours() -> None:
    canvas = Canvas(100)
    canvas.rectangle(10, 10, (20, 5), color="#ff0000")
    with canvas.group("#0000ff"):
        canvas.dot(60, 30, 5)
        canvas.path("M70 10l10 0l0 10l-10 0z", "f")
        canvas.line((5, 45), (95, 45))
    image = painted(canvas)
    assert image.shape == (50 * SCALE, 100 * SCALE, 3)
    assert color_at(image, 20, 12) == "#ff0000"
    assert [color_at(image, *at) for at in ((60, 30), (75, 15), (50, 45))] == ["#0000ff"] * 3
    assert color_at(image, 20, 20) == color_at(image, 90, 30) == style.PAPER.lower()


@pytest.mark.parametrize("look", ["o", "u"])
@pytest.mark.parametrize("points", [4, 200])
def test_lines_without_length_are_points(look: str, points: int) -> None:
    """Clouds of cold starts are drawn so: the caps of such a line are a circle."""
    canvas = Canvas(900)
    with canvas.group("#ff0000"):
        canvas.path("".join(f"M{10 + 20 * (at // 5)} {5 + 10 * (at % 5)}h0" for at in range(points)), look)
    image = painted(canvas)
    assert all(
        color_at(image, 10 + 20 * (at // 5), 5 + 10 * (at % 5)) != style.PAPER.lower() for at in range(points)
    )


@pytest.mark.parametrize(("look", "left", "right"), [("", 50, 100), ("e", 0, 50), ("c", 25, 75)])
def test_texts_begin_end_or_stand_in_the_middle_where_they_are_told_to(
    look: str, left: int, right: int
) -> None:
    canvas = Canvas(100)
    canvas.text(50, 25, "word", look)
    dark = np.nonzero((painted(canvas).sum(axis=2) < 300).any(axis=0))[0] / SCALE
    assert left <= dark.min() < dark.max() <= right
    assert dark.max() - dark.min() > 15


def test_all_rules_of_the_look_are_read() -> None:
    assert _look("text", frozenset({"e", "s"}))["text-anchor"] == "end"
    assert _look("text", frozenset({"s"}))["font-size"] == "11px"
    assert _look("path", frozenset({"f"}))["fill"] == "currentColor"
    assert _look("path", frozenset())["fill"] == "none"
    known = {"overflow", "font", "fill", "text-anchor", "font-weight", "font-size", "stroke", "stroke-width",
             "stroke-dasharray", "stroke-linecap", "opacity"}  # fmt: skip
    bodies = [part.partition("{")[2] for part in stylesheet().split("}")]
    assert {
        one.partition(":")[0].strip() for body in bodies for one in body.split(";") if one.strip()
    } <= known


def test_paths_lead_on_from_where_they_are() -> None:
    points, _ = _steps("M1 2l3-1h2v-1zM5 5H7V9m1 1L0 0")
    assert points == [(1, 2), (4, 1), (6, 1), (6, 0), (1, 2), (5, 5), (7, 5), (7, 9), (8, 10), (0, 0)]


def test_what_no_figure_has_is_refused() -> None:
    with pytest.raises(ValueError, match="figures have no path"):
        _steps("M0 0C1 1 2 2 3 3")


def test_a_picture_does_not_wait_for_figures_and_axes_of_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a fifth of a second to import, in each report."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    canvas = Canvas(100)
    canvas.text(50, 25, "word")
    assert painted(canvas).min() < 255


def test_a_picture_says_what_it_shows() -> None:
    canvas = Canvas(100)
    canvas.height = 50
    assert Image.open(io.BytesIO(png(canvas, "costs of bare"))).info["Title"] == "costs of bare"
