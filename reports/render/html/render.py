"""Render sections as an HTML page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tare.reports.content.nodes import Headline
from tare.reports.content.sections.glossary import explained
from tare.reports.plots.canvas import stylesheet
from tare.reports.render.html.charts import chart_of, dumbbells
from tare.reports.render.html.packing import packed
from tare.reports.render.html.tables import Tables, groups, running, sheet, swatch
from tare.reports.text.numbers import DASH
from tare.reports.text.repeated import named
from tare.results.printable import legible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.nodes import Node, Picture, Section
    from tare.reports.content.page import Page
    from tare.reports.model import Language
    from tare.reports.plots import Drawing
    from tare.reports.text.words import Words


LANGUAGE_NAMES: Mapping[Language, str] = {"en": "English", "ko": "한국어"}
"""Language → its name in itself, for links to the page in it."""


NO_BREAK = "\N{NO-BREAK SPACE}"

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:[nµm]?s|[KMGT]?i?B)\b)")
"""Blanks within quantities of a headline, whose large letters would part numbers from their units. The style has none."""

_BEFORE_PERCENT = re.compile(r"(?<=\d) (?=%)")
"""Blank that no line may end at; neither the script nor the style has one."""


@dataclass(frozen=True, slots=True)
class Document:
    """Hold a page of any kind: its answer, one line of facts, sections, and what their pictures show."""

    words: Words
    title: str
    """Title of the browser's tab."""
    facts: str
    """Line under the headline."""
    sections: tuple[Section, ...]
    """Parts of the page. Headlines in them are its ``h1``; those with a title are folded."""
    footer: str
    drawings: Mapping[str, Drawing] = field(default_factory=dict)
    """Figure → what was drawn."""
    siblings: Mapping[Language, str] = field(default_factory=dict)
    """Language → file name of the same page in it."""
    figure_suffix: str = ""
    """See :attr:`tare.reports.content.page.Page.figure_suffix`."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """See :attr:`tare.reports.content.page.Page.pictures`."""


def render(page: Page, sections: tuple[Section, ...], drawings: Mapping[str, Drawing]) -> str:
    """Render a run's page. ``drawings``: figure → what was drawn."""
    words, about = page.words, page.summary.given.manifest
    title = words("page.title", name=about.name or about.run)
    mode = named("mode", about.mode, words)
    how = words("page.facts", started=page.started, mode=mode)
    made = words("page.made", run=about.run, started=page.started, mode=mode, seed=about.seed)
    facts = " · ".join(part for part in (title, page.host, how) if part != DASH)
    return render_document(
        Document(
            words, title, facts, sections, made, drawings, page.siblings, page.figure_suffix, page.pictures
        )
    )


def render_document(document: Document) -> str:
    """Render a page of any kind as one file that needs no other."""
    blank = NO_BREAK if document.words.language == "en" else ""

    def pack(made: Markup) -> Markup:
        """Pack what is very large, respelled already as all of the page is at last."""
        return packed(Markup(_BEFORE_PERCENT.sub(blank, made)), document.words)  # noqa: S704 - markup as before

    def draw(node: Picture) -> Markup:
        drawing = document.drawings[node.name]
        # Canvases escape all texts that they are given.
        made = Markup(drawing.wide.element(node.alt, "wide") + drawing.narrow.element(node.alt, "narrow"))  # noqa: S704
        return pack(made)

    used: set[str] = set()

    def anchored(key: str) -> Markup:
        """Give a row its id; where several tables have rows of one key, the first one has it."""
        name = anchor(key)
        if name in used:
            return Markup()
        used.add(name)
        return Markup(' id="{}"').format(name)

    names = {section.name for section in document.sections if section.title}

    def goal(link: str) -> str:
        return link if link in names else anchor(link)

    known, english = explained(document.words), document.words.language == "en"
    bound = {
        "draw": draw,
        "packed": pack,
        "anchored": anchored,
        "goal": goal,
        "figure_suffix": document.figure_suffix,
        "pictures": document.pictures,
        "tables": Tables(anchored, goal, known, english=english),
    }
    template = _environment().get_template("index.html.j2", globals=bound)
    parts = document.sections
    page = template.render(
        words=document.words,
        title=document.title,
        facts=document.facts,
        footer=document.footer,
        siblings=document.siblings,
        language_names=LANGUAGE_NAMES,
        headline=[
            s for part in parts for node in part.body if isinstance(node, Headline) for s in node.sentences
        ],
        sections=[part for part in parts if not any(isinstance(node, Headline) for node in part.body)],
        css=Markup(_text("style.css") + stylesheet()),  # noqa: S704 - our own files
        script=Markup(_text("page.js")),  # noqa: S704 - our own file
        script_hash=script_hash(),
        spoken=_spoken(document.words),
    )
    head, rest = page.split("</h1>", 1)
    page = f"{_BEFORE_UNIT.sub(NO_BREAK, head)}</h1>{rest}"
    return _BEFORE_PERCENT.sub(blank, page)


def anchor(key: str) -> str:
    """Make the id of a row from its key: legible, and another one for each key."""
    slug = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:60]
    return f"{slug}-{zlib.crc32(key.encode('utf-8', 'surrogatepass')):08x}"


@cache
def script_hash() -> str:
    """Give the hash by which the page's policy admits its own script, and no other."""
    digest = hashlib.sha256(_text("page.js").encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _spoken(words: Words) -> Markup:
    """Give the script its words as JSON, in which nothing can end the element that holds it."""
    names = (
        "filter",
        "charts",
        "verdict",
        "runner",
        "family",
        "baseline",
        "markdown",
        "csv",
        "copied",
        "open_all",
        "rows",
        "against",
        "compare",
        "tick",
    )
    texts = {name: words(f"script.{name}", n="{n}", total="{total}", base="{base}") for name in names}
    texts["column"] = words("column.runner")
    texts |= {verdict: words(f"verdict.{verdict}") for verdict in ("worse", "better", "same", "undecided")}
    told = json.dumps(texts, ensure_ascii=False)
    return Markup(told.replace("<", "\\u003c"))  # noqa: S704 - the catalogue's own texts


@cache
def _text(name: str) -> str:
    return files("tare.reports.render.html").joinpath(name).read_text(encoding="utf-8")


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
    environment.globals["sheet"] = sheet
    environment.globals["groups"] = groups
    environment.globals["swatch"] = swatch
    environment.globals["dumbbells"] = dumbbells
    environment.globals["chart_of"] = chart_of
    environment.filters["running"] = running
    environment.tests["node"] = _is_node
    return environment


def _finalize(value: object) -> object:
    """Replace control characters, which HTML does not allow and a record may contain."""
    return legible(value, kept="\n") if isinstance(value, str) and not isinstance(value, Markup) else value


def _is_node(node: Node, kind: str) -> bool:
    return type(node).__name__ == kind
