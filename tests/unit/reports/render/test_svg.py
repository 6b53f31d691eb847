"""A figure is drawn once for each format: drawing is half of a report's time."""

from matplotlib.figure import Figure

from tare.reports.plots import style
from tare.reports.render.html.svg import png, svg_text


def test_a_figure_is_drawn_once_for_each_format(monkeypatch):
    drawn = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: (drawn.append(renderer), draw(self, renderer)))
    with style.styled():
        figure = style.figure(1)
        figure.subplots().set_title("a title")
        image, document = png(figure, 50), svg_text(figure)
    assert len(drawn) == 2
    assert image.startswith(b"\x89PNG")
    assert "<svg" in document


def test_what_is_drawn_is_what_saving_draws(tmp_path):
    saved = []
    for way in ("own", "savefig"):
        with style.styled():
            figure = style.figure(1)
            figure.subplots().plot([1, 3, 2])
            if way == "own":
                saved.append((png(figure, 50), svg_text(figure)))
                continue
            figure.savefig(tmp_path / "x.png", dpi=50)
            figure.set_layout_engine("none")
            figure.savefig(tmp_path / "x.svg", metadata={"Date": None, "Creator": None})
            saved.append(((tmp_path / "x.png").read_bytes(), (tmp_path / "x.svg").read_text()))
    assert saved[0] == saved[1]
