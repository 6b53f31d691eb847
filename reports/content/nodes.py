"""A report as a value: sections of a few kinds of node, which renderers turn into HTML, Markdown or lines.

Texts are plain; escaping is the renderers' work. ``recorded`` marks text that comes from the record as it is,
in English and possibly hostile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tare.reports.model import Kind


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str
    kind: Kind = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the reader must not miss."""

    title: str
    text: str
    kind: Literal["warning", "problem"] = "warning"


@dataclass(frozen=True, slots=True)
class Item:
    """A point of a list: an optional leading label, and text."""

    text: str
    label: str = ""
    kind: Kind = ""
    recorded: bool = False
    parts: tuple[str, ...] = ()
    """Pieces that follow the text and are not broken over lines."""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of points."""

    items: tuple[Item, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell: text, a smaller second line, and the number behind it as it was computed."""

    text: str
    detail: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    kind: Kind = ""
    recorded: bool = False
    color: str = ""
    """The runner's colour, shown as a small swatch."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns. The first column heads its rows."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[int, ...] = ()
    """Columns that are set flush right."""
    keys: tuple[str, ...] = ()
    """Row → ``workload|runner|metric``, for machines that read the page."""
    breaks: tuple[int, ...] = ()
    """Rows before which a group begins."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn figure, by its name."""

    name: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Link:
    """A file beside the report."""

    text: str
    target: str


@dataclass(frozen=True, slots=True)
class Links:
    """Files beside the report."""

    items: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Details:
    """What only some readers want: folded on the page, left out of short forms."""

    summary: str
    body: tuple[Node, ...]


Node = Paragraph | Notice | Bullets | Table | Picture | Links | Details


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the report."""

    name: str
    title: str
    body: tuple[Node, ...]
