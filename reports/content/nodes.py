"""Define the nodes that a report consists of; renderers turn them into HTML, Markdown or terminal lines.

Texts are plain: renderers escape them. ``recorded`` marks text that comes from the record unchanged, in English and
possibly hostile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tare.reports.model import Kind


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Hold a paragraph of running text."""

    text: str
    kind: Kind = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """Hold the answer of a report in a few sentences, which stands above all else."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Hold a warning or an error that is set apart from the text."""

    title: str
    text: str
    kind: Literal["warning", "problem"] = "warning"
    unfolded: bool = False
    """Show the text as well as the title from the start."""


@dataclass(frozen=True, slots=True)
class Item:
    """Hold one point of a list: text after an optional label."""

    text: str
    label: str = ""
    kind: Kind = ""
    recorded: bool = False
    parts: tuple[str, ...] = ()
    """Pieces that follow the text; none is broken over two lines."""
    between: str = "; "
    """Sign between the pieces."""


@dataclass(frozen=True, slots=True)
class Bullets:
    """Hold a list of points under an optional title."""

    items: tuple[Item, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold a table's cell: text, a smaller second line, and the number behind them at full precision."""

    text: str
    detail: str = ""
    detail_language: str = ""
    """Language of the second line where it is not the page's: ``ko`` for the note's own sentences; empty: the page's."""
    where: str = ""
    """Third line: what of several the numbers belong to."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    kind: Kind = ""
    recorded: bool = False
    color: str = ""
    """Colour of the runner that the cell names, ``#rrggbb``, shown as a swatch; empty: none."""
    link: str = ""
    """Key of a row (:attr:`Table.keys`), or name of a section, that the cell leads to; empty: none."""
    hint: str = ""
    """What the cell sums up, shown when it is pointed at; all of it stands elsewhere on the page, too."""
    target: str = ""
    """File that the cell leads to, relative to the page; empty: none."""


@dataclass(frozen=True, slots=True)
class Table:
    """Hold rows under named columns. Cells of the first column are the headers of their rows."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[int, ...] = ()
    """Indices of the columns that are set flush right."""
    keys: tuple[str, ...] = ()
    """One ``workload|runner|metric`` per row, for programs that read the page; empty: none."""
    breaks: tuple[int, ...] = ()
    """Indices of the rows that begin a new group."""
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name of a family → texts with which its rows begin, by which a reader may choose rows; empty: none."""
    form: Literal["", "matrix", "costs", "sheet", "runs", "changes", "classes"] = ""
    """``matrix``: few columns of equal weight, cards on a narrow page. ``costs``: a row
    each for workload and runner, whose last cell stands below the others on a narrow page. ``sheet``: very many rows, which the page carries as
    text and lays out when they are opened. ``runs``: rows that can be ticked, keyed by run; two of them are compared.
    ``changes``, ``classes``: the answers of a comparison, and of a campaign's host classes, cards on a narrow page."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Refer to a drawn figure by its name."""

    name: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Dumbbell:
    """Hold one line between a base, which is 1, and a head."""

    label: str
    value: float
    """Head as a ratio to the base, oriented: above 1 it costs more."""
    low: float | None
    high: float | None
    """Ends of the interval; ``None``: too few values."""
    kind: Kind
    hint: str
    """All of it in words, shown when the line is pointed at."""


@dataclass(frozen=True, slots=True)
class Dumbbells:
    """Hold a figure of lines from a base to a head, in the order in which they are drawn."""

    caption: str
    lines: tuple[Dumbbell, ...]
    threshold: float
    """Relative difference that matters: 0.02 is 2 %."""


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """Hold one run in a chart over time."""

    seconds: float
    """Seconds since the epoch."""
    value: float
    low: float
    high: float
    hint: str
    """Run, date, commit, value and interval in words, shown when the point is pointed at."""
    target: str = ""
    """Report of the run, relative to the page; empty: none."""
    change: Kind = ""
    """``worse`` or ``better`` if the series changed in this run."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """Hold one runner's line in a chart over time."""

    label: str
    color: str
    points: tuple[ChartPoint, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Hold a small chart over time: one line per runner."""

    key: str
    """Key by which a link leads to it."""
    title: str
    unit: str
    lines: tuple[ChartLine, ...]
    changes: tuple[Item, ...] = ()
    """The changes that it marks, in words."""


@dataclass(frozen=True, slots=True)
class Charts:
    """Hold charts side by side, which can be searched by their titles."""

    items: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """Refer to a file beside the report."""

    text: str
    target: str


@dataclass(frozen=True, slots=True)
class Links:
    """List the files beside the report."""

    items: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Details:
    """Hold nodes that are folded on the page and left out of short forms."""

    summary: str
    body: tuple[Node, ...]


Node = Headline | Paragraph | Notice | Bullets | Table | Picture | Dumbbells | Charts | Links | Details


@dataclass(frozen=True, slots=True)
class Section:
    """Hold one part of the report, with a title unless it is empty."""

    name: str
    title: str
    body: tuple[Node, ...]
