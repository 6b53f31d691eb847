"""Write a report: figures, page and summary."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tare.reports.content.nodes import Link
from tare.reports.content.page import Page
from tare.reports.model import ReportPaths
from tare.reports.render import markdown
from tare.reports.summaries.run import Summary, plain_names
from tare.reports.text.words import words
from tare.results.escapes import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.model import Language, ReportInput
    from tare.reports.plots import Plot
    from tare.reports.text.words import Words

INDEX, SUMMARY = "index.html", "summary.md"
DOTS_PER_INCH = 150


def build_report(
    given: ReportInput, out_dir: Path, *, language: Language = "en", plots: Sequence[Plot] | None = None
) -> ReportPaths:
    """Write ``index.html``, ``summary.md`` and the figures (PNG and SVG) into ``out_dir``, which is made if needed.

    Each file appears whole or not at all, the page last. A figure that cannot be drawn becomes a note on the page.
    ``plots`` are the figures to draw, all by default. Raises ``OSError`` if ``out_dir`` cannot be written.
    """
    from tare.reports.content.sections import sections  # noqa: PLC0415
    from tare.reports.plots import PLOTS, fonts  # noqa: PLC0415
    from tare.reports.render.html.render import render  # noqa: PLC0415

    out_dir.mkdir(parents=True, exist_ok=True)
    summary, catalogue = Summary(plain_names(given)), words(language)
    english = language == "en" or fonts.cjk_font() is None
    spoken = words("en") if english else catalogue
    drawn = _draw(summary, spoken, out_dir, PLOTS if plots is None else plots)
    links = tuple(_link(name, path, out_dir, catalogue) for name, path in given.files.items())
    page = Page(
        summary,
        catalogue,
        frozenset(drawn.drawings),
        drawn.lost,
        links,
        english_figures=english and language != "en",
        boxes="".join(sorted(drawn.boxes)),
    )
    _write(out_dir / SUMMARY, markdown.render(page).encode())
    _write(out_dir / INDEX, render(page, sections(page), drawn.drawings).encode())
    return ReportPaths(out_dir / INDEX, out_dir / SUMMARY, tuple(drawn.written), drawn.lost)


@dataclass(slots=True)
class _Drawn:
    """Figures that were drawn and written."""

    drawings: dict[str, str] = field(default_factory=dict)
    """Figure → its SVG text."""
    written: list[Path] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """Figure → why it could not be drawn."""
    boxes: set[str] = field(default_factory=set)
    """Characters that no font has, drawn as boxes."""


def _draw(summary: Summary, spoken: Words, out_dir: Path, plots: Sequence[Plot]) -> _Drawn:
    """Draw the figures and write them; an error in one costs only that one."""
    from tare.reports.plots import fonts, style  # noqa: PLC0415
    from tare.reports.render.html.svg import png, svg_text  # noqa: PLC0415

    drawn = _Drawn()
    for plot in plots:
        try:
            with style.styled(), fonts.missing_glyphs(drawn.boxes):
                figure = plot.draw(summary, spoken)
                if figure is None:
                    continue
                image = png(figure, DOTS_PER_INCH)
                drawing = svg_text(figure)
        except Exception as error:  # noqa: BLE001 - an error in one figure must not cost the page
            drawn.lost[plot.name] = f"{type(error).__name__}: {error}"
            continue
        for suffix, content in (("png", image), ("svg", drawing.encode())):
            _write(out_dir / f"{plot.name}.{suffix}", content)
            drawn.written.append(out_dir / f"{plot.name}.{suffix}")
        drawn.drawings[plot.name] = drawing
    return drawn


def _link(name: str, path: Path, out_dir: Path, catalogue: Words) -> Link:
    key = f"data.file.{name}"
    relative = os.path.relpath(path.absolute(), out_dir.absolute())
    return Link(catalogue(key) if catalogue.has(key) else readable(name), quote(os.fsencode(relative)))


def _write(path: Path, content: bytes) -> None:
    """Replace ``path`` atomically: readers see the old file or the new one."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(content)
            os.fchmod(target.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
