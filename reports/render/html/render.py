"""Render sections as an HTML page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tare.reports.render.html.svg import inline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.nodes import Node, Picture, Section
    from tare.reports.content.page import Page


def render(page: Page, sections: tuple[Section, ...], drawings: Mapping[str, str]) -> str:
    """Render the page. ``drawings``: figure → its SVG document."""

    def draw(node: Picture) -> Markup:
        return inline(drawings[node.name], node.name, node.alt)

    template = _environment().get_template("index.html.j2", globals={"draw": draw})
    css = Markup(files("tare.reports.render.html").joinpath("style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return template.render(
        manifest=page.summary.given.manifest,
        words=page.words,
        base=page.base,
        started=page.started,
        sections=sections,
        css=css,
    )


@cache
def _environment() -> Environment:
    """Set Jinja up once, so that the template is compiled once for all pages of a process."""
    environment = Environment(
        loader=PackageLoader("tare.reports.render.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["exact"] = repr
    environment.tests["node"] = _is_node
    return environment


def _finalize(value: object) -> object:
    """Replace control characters, which HTML does not allow and a record may contain."""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in value)
    return value


def _is_node(node: Node, kind: str) -> bool:
    return type(node).__name__ == kind
