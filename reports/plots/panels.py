"""Stand equal panels side by side where the page is wide, and below each other on a phone's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.reports.plots.canvas import Canvas

Thing = TypeVar("Thing")

_BETWEEN = 26
"""Pixels between two panels."""


def in_columns(made: Canvas, things: Sequence[Thing]) -> Iterator[tuple[Thing, float, float]]:
    """Give each thing with its panel's left edge and width; the canvas's height is where the panel begins.

    Whoever draws the panel moves the height on. A row is as high as its highest panel.
    """
    columns = 1 if made.narrow else min(2, len(things))
    room = (made.width - _BETWEEN * (columns - 1)) / columns
    top = highest = made.height
    for at, thing in enumerate(things):
        if at % columns == 0:
            top = highest
        made.height = top
        yield thing, (room + _BETWEEN) * (at % columns), room
        highest = max(highest, made.height)
    made.height = highest
