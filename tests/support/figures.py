"""Read figures as a browser does: shapes and texts with their places."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tare.reports.plots.canvas import SIZE, SMALL, text_width

if TYPE_CHECKING:
    from tare.reports.plots.canvas import Canvas


class Seen:
    """A figure that was drawn."""

    def __init__(self, made: Canvas) -> None:
        self.width, self.height = made.width, made.height
        self.root = ElementTree.fromstring(made.element("a figure", "wide"))  # noqa: S314 - our own text

    def named(self, tag: str, look: str | None = None) -> list[ElementTree.Element]:
        """Give the elements of one kind, and of one class if that is given."""
        found = self.root.iter(tag)
        return [one for one in found if look is None or look in one.get("class", "").split()]

    @property
    def texts(self) -> list[str]:
        """All texts that are shown."""
        return [one.text or "" for one in self.named("text")]

    @property
    def hints(self) -> list[str]:
        """All texts that are shown when something is pointed at."""
        return [one.text or "" for one in self.named("title")]

    def boxes(self) -> list[tuple[str, float, float, float, float]]:
        """Give each text with its left, top, right and bottom edge; widths are estimated."""
        found = []
        for one in self.named("text"):
            kinds, text = one.get("class", "").split(), one.text or ""
            size = SMALL if "s" in kinds else SIZE
            x, y, wide = float(one.get("x", "")), float(one.get("y", "")), text_width(text, size)
            left = x - wide if "e" in kinds else x - wide / 2 if "c" in kinds else x
            found.append((text, left, y - size * 0.8, left + wide, y + size * 0.2))
        return found

    def outside(self) -> list[str]:
        """List texts and shapes that reach over an edge by more than an estimate may err."""
        told = [
            text
            for text, left, top, right, bottom in self.boxes()
            if left < -4 or top < -2 or right > self.width * 1.02 + 4 or bottom > self.height + 2
        ]
        told += [
            ElementTree.tostring(one, "unicode")
            for one in self.named("circle")
            if not (
                0 <= float(one.get("cx", "")) <= self.width and 0 <= float(one.get("cy", "")) <= self.height
            )
        ]
        for one in self.named("path"):
            absolute = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", one.get("d", ""))
            if any(
                not (-8 <= float(x) <= self.width + 8 and -8 <= float(y) <= self.height + 8)
                for x, y in absolute
            ):
                told.append(ElementTree.tostring(one, "unicode"))
        return told
