"""Write a report: figures, page and summary."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from tare.reports.content.nodes import Link
from tare.reports.content.page import Page
from tare.reports.model import LANGUAGES, PAGES, PROFILES, ReportPaths
from tare.reports.render import markdown
from tare.reports.summaries.run import summarised
from tare.reports.text.words import words
from tare.results.escapes import readable
from tare.results.storage.atomic import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tare.reports.model import Language, ReportInput
    from tare.reports.plots import Drawing, Plot
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words

SUMMARY = "summary.md"


def build_report(
    given: ReportInput | Summary,
    out_dir: Path,
    *,
    language: Language = "en",
    plots: Sequence[Plot] | None = None,
) -> ReportPaths:
    """Write a page in each language, ``summary.md`` and the figures (SVG and PNG) into ``out_dir``, which is made if needed.

    Each file appears whole or not at all, the page in ``language`` last; the summary is in it, too. A figure that cannot
    be drawn becomes a note on the page. ``plots`` are the figures to draw, all by default. PNG files are in ``language`` alone,
    and in English where no font has its letters.

    Raises:
        OSError: ``out_dir`` cannot be written.
    """
    from tare.reports.content.sections import sections  # noqa: PLC0415
    from tare.reports.plots import PLOTS, fonts  # noqa: PLC0415
    from tare.reports.render.html.render import render  # noqa: PLC0415

    out_dir.mkdir(parents=True, exist_ok=True)
    summary, wanted = summarised(given), PLOTS if plots is None else plots
    drawn = {one: _draw(summary, one, out_dir, wanted) for one in LANGUAGES}
    pictured = drawn[language if language == "en" or fonts.cjk_font() else "en"]
    pictures = _pictures(summary, pictured, out_dir)
    for one in sorted(LANGUAGES, key=lambda spoken: spoken == language):
        page = _page(summary, one, drawn[one], out_dir, pictures)
        if one == language:
            write_whole(out_dir / SUMMARY, markdown.render(page).encode())
        write_whole(out_dir / PAGES[one], render(page, sections(page), drawn[one].drawings).encode())
    written = (*(path for one in drawn.values() for path in one.written), *pictures.values())
    return ReportPaths(out_dir / PAGES[language], out_dir / SUMMARY, written, drawn["en"].lost)


def _page(
    summary: Summary, language: Language, drawn: _Drawn, out_dir: Path, pictures: Mapping[str, Path]
) -> Page:
    """Hold together what the sections of the page in one language are built from."""
    catalogue = words(language)
    return Page(
        summary,
        catalogue,
        frozenset(drawn.drawings),
        drawn.lost,
        tuple(
            _link(name, path, out_dir, catalogue)
            for name, path in summary.given.files.items()
            if _speaks(path, language, summary.given.files.values())
        ),
        siblings={other: name for other, name in PAGES.items() if other != language},
        figure_suffix=drawn.suffix,
        pictures={name: path.name for name, path in pictures.items()},
    )


@dataclass(slots=True)
class _Drawn:
    """Figures that were drawn and written."""

    language: Language
    """Language of their texts."""
    drawings: dict[str, Drawing] = field(default_factory=dict)
    """Figure → what was drawn."""
    written: list[Path] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """Figure → why it could not be drawn."""

    @property
    def suffix(self) -> str:
        """Text between a figure's name and the extension of its files; empty for English ones."""
        return "" if self.language == "en" else f".{self.language}"


def _draw(summary: Summary, language: Language, out_dir: Path, plots: Sequence[Plot]) -> _Drawn:
    """Draw the figures and write them; an error in one costs only that one."""
    from tare.reports.plots import drawn_twice  # noqa: PLC0415

    drawn, spoken = _Drawn(language), words(language)
    for plot in plots:
        try:
            drawing = drawn_twice(plot, summary, spoken)
        except Exception as error:  # noqa: BLE001 - an error in one figure must not cost the page
            drawn.lost[plot.name] = f"{type(error).__name__}: {error}"
            continue
        if drawing is None:
            continue
        path = out_dir / f"{plot.name}{drawn.suffix}.svg"
        write_whole(
            path, drawing.wide.document(spoken(f"figure.{plot.name}.alt", base=summary.base)).encode()
        )
        drawn.written.append(path)
        drawn.drawings[plot.name] = drawing
    return drawn


def _pictures(summary: Summary, drawn: _Drawn, out_dir: Path) -> dict[str, Path]:
    """Write the figures as PNG files, too; an error in one costs only that one."""
    from tare.reports.plots.raster import png  # noqa: PLC0415

    written = {}
    for name, drawing in drawn.drawings.items():
        path = out_dir / f"{name}{drawn.suffix}.png"
        try:
            image = png(drawing.wide, words(drawn.language)(f"figure.{name}.alt", base=summary.base))
        except Exception as error:  # noqa: BLE001 - as above
            drawn.lost[name] = f"PNG: {type(error).__name__}: {error}"
            continue
        write_whole(path, image)
        written[name] = path
    return written


def _link(name: str, path: Path, out_dir: Path, catalogue: Words) -> Link:
    key = f"data.file.{name}"
    relative = os.path.relpath(path.absolute(), out_dir.absolute())
    if path.parent.name == PROFILES:
        title = catalogue("data.profile", name=readable(name))
    else:
        title = catalogue(key) if catalogue.has(key) else readable(name)
    return Link(title, quote(os.fsencode(relative)))


def _speaks(path: Path, language: Language, files: Iterable[Path]) -> bool:
    """Tell whether a page in a language links to a file: not to a figure in another, and to an English one for want of its own."""
    other = next((one for one in LANGUAGES if f".{one}" in path.suffixes[-2:-1]), "en")
    own = path.with_suffix(f".{language}{path.suffix}")
    return language == other or (other == "en" and own not in files)
