"""Draw figures straight into SVG: shapes and texts in the page's own font and colours, with hints for the pointer.

A general plotting library takes seconds of CPU time and a few hundred kilobytes for what these figures need; here they
take milliseconds, so that each is drawn twice, for a wide page and for a phone's. Text is text, in whatever font the
reader has. The look is in ``figure.css`` beside this module; classes have names of one letter since a figure has
thousands of shapes.
"""

from __future__ import annotations

import unicodedata
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import escape

from tare.reports.plots import style
from tare.results.printable import legible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDE, NARROW = 800, 360
"""Widths in pixels at which every figure is drawn: for a page on a desk, and for a phone's."""

LINE = 17
"""Height of a line of text, in pixels."""

SIZE, SMALL = 12, 11
"""Sizes of letters, in pixels."""

THEME = {
    "--ink": style.INK,
    "--muted": style.MUTED,
    "--line": style.GRID,
    "--band": style.BAND,
    "--paper": style.PAPER,
}
"""Variable of the page's theme → the colour that stands for it in a file of its own."""


class Canvas:
    """Collect the shapes of one figure. Coordinates are pixels from the upper left corner."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.height = 0.0
        """Height that has been used; a figure is drawn from top to bottom."""
        self._parts: list[str] = []

    @property
    def narrow(self) -> bool:
        """Tell whether the figure is one for a phone: its panels stand below each other, and nothing can point at it."""
        return self.width < (WIDE + NARROW) / 2

    def text(self, x: float, y: float, text: str, look: str = "") -> None:
        """Write a line whose base line is at ``y``; ``look``: classes of ``figure.css``."""
        kind = f' class="{look}"' if look else ""
        self._parts.append(f'<text x="{number(x)}" y="{number(y)}"{kind}>{escape(legible(text))}</text>')

    def path(self, d: str, look: str = "") -> None:
        """Draw a line along SVG's path data."""
        kind = f' class="{look}"' if look else ""
        self._parts.append(f'<path d="{d}"{kind}/>')

    def line(self, begin: tuple[float, float], end: tuple[float, float], look: str = "") -> None:
        """Draw a straight line between two points."""
        start = f"M{number(begin[0])} {number(begin[1])}"
        if begin[1] == end[1]:
            self.path(f"{start}H{number(end[0])}", look)
        elif begin[0] == end[0]:
            self.path(f"{start}V{number(end[1])}", look)
        else:
            self.path(f"{start}L{number(end[0])} {number(end[1])}", look)

    def rectangle(
        self, x: float, y: float, size: tuple[float, float], look: str = "", color: str = ""
    ) -> None:
        """Fill a rectangle of a width and a height."""
        kind = f' class="{look}"' if look else ""
        own = f' color="{color}"' if color else ""
        width, height = size
        self._parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"{kind}{own}/>'
        )

    def dot(self, x: float, y: float, radius: float, look: str = "", hint: str = "") -> None:
        """Draw a point; ``hint`` is shown when it is pointed at."""
        kind = f' class="{look}"' if look else ""
        place = f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"{kind}'
        told = "" if self.narrow else hint
        self._parts.append(
            f"{place}><title>{escape(legible(told))}</title></circle>" if told else f"{place}/>"
        )

    @contextmanager
    def group(self, color: str = "", hint: str = "") -> Iterator[None]:
        """Give shapes one colour, ``#rrggbb``, and one hint."""
        own = f' color="{color}"' if color else ""
        told = f"<title>{escape(legible(hint))}</title>" if hint and not self.narrow else ""
        self._parts.append(f"<g{own}>{told}")
        yield
        self._parts.append("</g>")

    def element(self, label: str, kind: str) -> str:
        """Give the figure as an element of a page. ``label`` describes it; ``kind`` is its class."""
        return (
            f'<svg class="fig {kind}" viewBox="0 0 {number(self.width)} {number(self.height)}" role="img" '
            f'aria-label="{escape(legible(label))}">{"".join(self._parts)}</svg>'
        )

    def document(self, label: str) -> str:
        """Give the figure as a file of its own, in light colours; equal figures give equal files."""
        look = stylesheet()
        for variable, color in THEME.items():
            look = look.replace(f"var({variable})", color)
        size = f'width="{number(self.width)}" height="{number(self.height)}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="fig" {size} '
            f'viewBox="0 0 {number(self.width)} {number(self.height)}" role="img"><title>{escape(legible(label))}</title>'
            f'<style>{look}</style><rect width="100%" height="100%" color="{style.PAPER}"/>{"".join(self._parts)}</svg>\n'
        )


@cache
def stylesheet() -> str:
    """Load the look of all figures, for pages and for files."""
    return files("tare.reports.plots").joinpath("figure.css").read_text(encoding="utf-8")


def number(value: float) -> str:
    """Write a coordinate: a tenth of a pixel is finer than anybody sees."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def track(points: Sequence[tuple[float, float]]) -> str:
    """Give the path along points, to whole pixels, in as few letters as SVG allows."""
    x, y = (round(one) for one in points[0])
    parts = [f"M{x} {y}"]
    for point in points[1:]:
        right, down = round(point[0]) - x, round(point[1]) - y
        if right or down:
            parts.append(f"l{right}{down}" if down < 0 else f"l{right} {down}")
            x, y = x + right, y + down
    return "".join(parts)


def text_width(text: str, size: float = SIZE) -> float:
    """Estimate the width of a text in pixels, rather too much: the reader's font is not known."""
    return size * sum(_width(letter) for letter in text)


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in "il.,:;|'!()[] ·":
        return 0.36
    return 0.9 if letter in "mwMW@%" else 0.63


def fitted(text: str, width: float, size: float = SIZE) -> str:
    """Shorten a text to a width in pixels. What tells long names apart is at their end, so the middle is left out."""
    clean = legible(text)
    if text_width(clean, size) <= width:
        return clean
    for left_out in range(2, len(clean)):
        kept = len(clean) - left_out
        short = f"{clean[: kept // 2]}…{clean[len(clean) - (kept + 1) // 2 :]}"
        if text_width(short, size) <= width:
            return short
    return "…"
