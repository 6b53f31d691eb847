"""Turn a drawn figure into a PNG file, for slides and mails that take no SVG: by Matplotlib's Agg renderer.

It understands what :class:`tare.reports.plots.canvas.Canvas` writes and ``figure.css`` says, and no other SVG. Whatever else it meets
is an error, so that a picture never lacks what the page shows.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from tare.reports.plots import fonts, style
from tare.reports.plots.canvas import THEME, stylesheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from matplotlib.path import Path
    from numpy.typing import NDArray
    from PIL import Image

    from tare.reports.plots.canvas import Canvas

SCALE = 2
"""Dots of the picture for each pixel of the figure."""

_POINT = 0.05
"""Length in pixels of what is a point, a line without length, in a figure."""

_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COMMAND = re.compile(r"([MmLlHhVvZz])([^A-Za-z]*)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def png(canvas: Canvas, label: str) -> bytes:
    """Draw a figure as a PNG file in light colours, twice as many dots as pixels to each side."""
    import numpy as np  # noqa: PLC0415 - reports without pictures do not need it
    from matplotlib import rc_context  # noqa: PLC0415 - as above
    from matplotlib.backends.backend_agg import RendererAgg  # noqa: PLC0415 - as above
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415 - as above

    # The document is our own; ElementTree refuses what is not well formed.
    root = ElementTree.fromstring(canvas.document(label))  # noqa: S314
    size = round(canvas.width * SCALE), round(canvas.height * SCALE)
    # At this size, hinting changes nothing that one could see, and takes a quarter of the time.
    with fonts.quiet(), fonts.missing_glyphs(set()), rc_context({"text.hinting": "none"}):
        renderer: Any = RendererAgg
        made = _Painter(renderer(*size, 72.0 * SCALE), size[1])
        for element in root:
            made.paint(element, style.INK)
        # Matplotlib's own `imsave` imports its figures and axes, a fifth of a second, and then does much the same.
        picture = _in_few_colors(np.asarray(made.renderer.buffer_rgba()).view(np.uint32)[..., 0])
    described, target = PngInfo(), io.BytesIO()
    described.add_text("Title", label)
    # Level 2 makes files twice the size of the best, in a tenth of the time.
    picture.save(target, "png", pnginfo=described, compress_level=2)
    return target.getvalue()


def _in_few_colors(dots: NDArray[np.uint32]) -> Image.Image:
    """Give dots, rows of RGBA values, a palette of 256 colours: there is a quarter to compress.

    The upper left dot is paper, and so are most others. Paper is set apart: looking for the best colours takes time for
    each dot, and rounds the paper's own.
    """
    import numpy as np  # noqa: PLC0415 - reports without pictures do not need it here
    from PIL import Image, ImageColor  # noqa: PLC0415 - as above

    paper = dots[0, 0]
    inked = dots != paper
    # Paper in the majority has the first place in the palette, as in the whole picture.
    sample = np.append(dots[inked], np.full(np.count_nonzero(inked) + 1, paper))
    strip = Image.frombytes("RGBA", (len(sample), 1), sample.tobytes()).convert("RGB")
    strip = strip.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    codes, colors = np.asarray(strip)[0], strip.getpalette() or []
    whole = np.full(dots.shape, codes[-1])
    whole[inked] = codes[: np.count_nonzero(inked)]
    at = 3 * int(codes[-1])
    colors[at : at + 3] = ImageColor.getrgb(style.PAPER)[:3]
    picture = Image.frombytes("P", dots.shape[::-1], whole.tobytes())
    picture.putpalette(colors)
    return picture


@dataclass(slots=True)
class _Painter:
    """Paint elements, each after the others."""

    renderer: Any
    """A ``RendererAgg``, which has no types."""
    height: int
    """Height of the picture in dots, from whose lower edge the renderer counts."""
    _widths: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """Text, size and weight → width in dots: panels repeat their labels."""

    def paint(self, element: ElementTree.Element, color: str) -> None:
        """Paint an element with all that is in it; ``color`` is what it inherits."""
        kind = element.tag.rpartition("}")[2]
        own = element.get("color", color)
        if kind in {"title", "style"}:
            return
        if kind == "g":
            for each in element:
                self.paint(each, own)
            return
        look = _look(kind, frozenset(element.get("class", "").split()))
        if kind == "text":
            self._text(element, look, own)
        else:
            self._shape(_outline(kind, element, self.renderer), look, own)

    def _shape(self, outline: Path, look: Mapping[str, str], color: str) -> None:
        from matplotlib.colors import to_rgba  # noqa: PLC0415
        from matplotlib.transforms import Affine2D  # noqa: PLC0415

        context = self.renderer.new_gc()
        alpha = float(look.get("opacity", "1"))
        stroke = look.get("stroke", "none")
        width = float(look.get("stroke-width", "1")) if stroke != "none" else 0.0
        context.set_linewidth(width * SCALE * 72.0 / self.renderer.dpi)
        context.set_foreground(to_rgba(_paint(stroke, color), alpha) if width else (0, 0, 0, 0), isRGBA=True)
        if look.get("stroke-linecap") == "round":
            context.set_capstyle("round")
            context.set_snap(False)  # a point would lose its length, and with it its caps
            outline.should_simplify = False
        if dashes := look.get("stroke-dasharray"):
            context.set_dashes(0, [float(one) * SCALE * 72.0 / self.renderer.dpi for one in dashes.split()])
        fill = look.get("fill", "none")
        face = None if fill == "none" else to_rgba(_paint(fill, color), alpha)
        upright = Affine2D().scale(SCALE, -SCALE).translate(0, self.height)
        self.renderer.draw_path(context, outline, upright, face)

    def _text(self, element: ElementTree.Element, look: Mapping[str, str], color: str) -> None:
        from matplotlib.colors import to_rgba  # noqa: PLC0415
        from matplotlib.font_manager import FontProperties  # noqa: PLC0415

        written = element.text or ""
        size = float(look["font-size"].removesuffix("px"))
        families = [name for name in ("DejaVu Sans", fonts.cjk_font()) if name]
        properties = FontProperties(
            family=families,
            size=size * SCALE * 72.0 / self.renderer.dpi,
            weight=int(look.get("font-weight", "400")),
        )
        x, y = float(element.get("x", "0")) * SCALE, float(element.get("y", "0")) * SCALE
        if before := {"end": 1.0, "middle": 0.5}.get(look.get("text-anchor", "")):
            key = written, look["font-size"], look.get("font-weight", "")
            if key not in self._widths:
                found = self.renderer.get_text_width_height_descent(written, properties, ismath=False)
                self._widths[key] = found[0]
            x -= before * self._widths[key]
        context = self.renderer.new_gc()
        context.set_foreground(to_rgba(_paint(look["fill"], color)), isRGBA=True)
        self.renderer.draw_text(context, x, y, written, properties, 0.0, ismath=False)


def _outline(kind: str, element: ElementTree.Element, renderer: Any) -> Path:
    """Give an element's outline in pixels.

    Raises:
        ValueError: it is none that figures have.
    """
    from matplotlib.path import Path  # noqa: PLC0415

    if kind == "path":
        return Path(*_steps(element.get("d", "")))
    if kind == "circle":
        center = (float(element.get("cx", "0")), float(element.get("cy", "0")))
        return Path.circle(center, float(element.get("r", "0")))
    if kind == "rect":
        whole = (renderer.width / SCALE, renderer.height / SCALE)
        x, y = float(element.get("x", "0")), float(element.get("y", "0"))
        sides = (element.get("width", "0"), element.get("height", "0"))
        width, height = (
            all_ if side == "100%" else float(side) for side, all_ in zip(sides, whole, strict=True)
        )
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        return Path(corners, closed=True)
    raise ValueError(f"figures have no <{kind}>")


def _steps(data: str) -> tuple[list[tuple[float, float]], list[int]]:
    """Read SVG's path data: points, and Matplotlib's code of each."""
    from matplotlib.path import Path  # noqa: PLC0415

    if _COMMAND.sub("", data).strip():
        raise ValueError(f"figures have no path like {data!r}")
    points: list[tuple[float, float]] = []
    codes: list[int] = []
    here, start = (0.0, 0.0), (0.0, 0.0)
    for letter, rest in _COMMAND.findall(data):
        if letter in "Zz":
            points.append(start)
            codes.append(int(Path.CLOSEPOLY))
            here = start
            continue
        there = list(_moves(letter, [float(one) for one in _NUMBER.findall(rest)], here))
        if there == [here]:  # SVG draws the caps of a line without length, Agg does not
            there = [(here[0] + _POINT, here[1])]
        points += there
        codes += [int(Path.LINETO)] * len(there)
        here = there[-1]
        if letter in "Mm":
            codes[-len(there)] = int(Path.MOVETO)
            start = there[0]
    return points, codes


def _moves(letter: str, numbers: list[float], here: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Give the points that a command leads to, one after the other."""
    x, y = here
    step = 1 if letter in "HhVv" else 2
    for at in range(0, len(numbers), step):
        dx, dy = x * letter.islower(), y * letter.islower()
        if letter in "Hh":
            x = dx + numbers[at]
        elif letter in "Vv":
            y = dy + numbers[at]
        else:
            x, y = dx + numbers[at], dy + numbers[at + 1]
        yield x, y


def _paint(value: str, color: str) -> str:
    """Resolve ``currentColor`` and the variables of the page's theme, in light colours."""
    return (
        color if value == "currentColor" else THEME.get(value.removeprefix("var(").removesuffix(")"), value)
    )


@cache
def _look(kind: str, classes: frozenset[str]) -> Mapping[str, str]:
    """Collect what ``figure.css`` says of an element with these classes; the more exact rule wins."""
    fitting = []
    for order, (selectors, body) in enumerate(_RULE.findall(stylesheet())):
        for selector in selectors.split(","):
            element, _, name = selector.split()[-1].partition(".")
            if selector.strip() != ".fig" and element in {"", kind} and (not name or name in classes):
                fitting.append((bool(name), bool(element), order, body))
    look: dict[str, str] = {}
    for *_, body in sorted(fitting):
        for declaration in filter(str.strip, body.split(";")):
            key, _, value = (part.strip() for part in declaration.partition(":"))
            if key == "font":
                look["font-size"] = value.split()[0]
            else:
                look[key] = value
    return look
