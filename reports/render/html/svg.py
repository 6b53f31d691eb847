"""Embed matplotlib's SVG in the page: inline, responsive, in the page's light or dark theme."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from tare.reports.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THEMED = {
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.GRID: "var(--line)",
    style.BAND: "var(--band)",
    style.PAPER: "var(--paper)",
}

_COORDINATES = re.compile(r' (?:d|x|y|width|height|transform|points)="[^"<>]*"')
"""Attributes that hold coordinates and no text."""


def png(figure: Figure, dots_per_inch: int) -> bytes:
    """Draw a figure into a PNG, which also settles its layout: it is not solved again for the next format.

    ``Figure.savefig`` would draw everything twice.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    target = io.BytesIO()
    figure.set_dpi(dots_per_inch)
    FigureCanvasAgg(figure).print_png(target)  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")
    return target.getvalue()


def svg_text(figure: Figure) -> str:
    """Draw a figure into an SVG document without a date, so that equal figures give equal documents."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415

    target = io.StringIO()
    FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
        target, metadata={"Date": None, "Creator": None}
    )
    return target.getvalue()


def _rounded(attribute: re.Match[str]) -> str:
    """Round coordinates to a hundredth of a pixel, which nobody sees and which is half of a figure's bytes."""
    return re.sub(
        r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), attribute[0]
    )


def _shared_styles(body: str, name: str) -> tuple[str, str]:
    """Give elements of equal style a class of that style, in the figure's own name space."""
    names: dict[str, str] = {}

    def replaced(found: re.Match[str]) -> str:
        return f' class="{names.setdefault(found[1], f"{name}-{len(names)}")}"'

    # What has a class already keeps its style; matplotlib gives none.
    body = re.sub(r' style="([^"<>{}]*)"', replaced, body)
    rules = "".join(f".{one}{{{told}}}" for told, one in names.items())
    return body, f"<style>{rules}</style>"


def inline(document: str, name: str, alt: str) -> Markup:
    """Turn the document into an element: ids get the figure's name, the five theme colours become variables."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
    body = _COORDINATES.sub(_rounded, body)
    for color, variable in THEMED.items():
        body = body.replace(color, variable)
    body, styles = _shared_styles(body, name)
    head, close, rest = body.partition(">")
    close += f"<title>{escape(alt)}</title>{styles}"
    box = re.search(r'viewBox="[^"]*"', head)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{box.group() if box else ""} role="img"'
    )
    # The parts come from matplotlib, which escapes the labels that it writes; ``alt`` is escaped here.
    return Markup(opening + close + rest)  # noqa: S704
