"""Build the section on the host: facts, conditions that spoil measurements, and what another run must agree with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.content.sections import facts
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.page import Page
    from tare.reports.text.words import Words

CONDITIONS = "conditions"
"""Key in the manifest's host facts: conditions, each with a name, a state and advice."""

_STATE, _ADVICE = ("state", "value", "found", "detail"), ("advice", "remedy", "how")


def section(page: Page) -> Section:
    """Build the tables of facts, nested ones folded, of conditions, and of the context for comparisons."""
    words, manifest = page.words, page.summary.given.manifest
    columns = (words("host.fact"), words("host.value"))
    short = {k: v for k, v in manifest.host.items() if not isinstance(v, dict | list)}
    rest = {k: v for k, v in manifest.host.items() if isinstance(v, dict | list) and k != CONDITIONS}
    body: list[Node] = []
    if short:
        body.append(facts.table(words("host.caption"), columns, short))
    if rest:
        body.append(Details(words("host.all"), (facts.table(words("host.all"), columns, rest),)))
    body.append(_conditions(words, manifest.host.get(CONDITIONS)))
    if manifest.context:
        body.append(facts.table(words("host.context_caption"), columns, manifest.context))
    return Section("host", words("host.title"), tuple(body))


def _conditions(words: Words, recorded: object) -> Node:
    listed: list[Mapping[str, Any]] = []
    if isinstance(recorded, dict):
        listed = [{"name": k, **(v if isinstance(v, dict) else {"state": v})} for k, v in recorded.items()]
    elif isinstance(recorded, list):
        listed = [one if isinstance(one, dict) else {"name": one} for one in recorded]
    if not listed:
        return Paragraph(words("host.conditions_none"), kind="muted")
    rows = tuple(
        (
            Cell(
                _named(words, facts.plain(one.get("name"))), kind="warning" if one.get("ok") is False else ""
            ),
            Cell(_first(one, _STATE), recorded=True),
            Cell(_first(one, _ADVICE), recorded=True),
        )
        for one in sorted(listed, key=lambda one: one.get("ok") is not False)
    )
    columns = tuple(words(f"host.{c}") for c in ("condition", "state", "advice"))
    return Table(words("host.conditions_caption"), columns, rows)


def _named(words: Words, name: str) -> str:
    """Name a condition in the page's language; one that this version does not know keeps its name."""
    key = f"condition.{name.replace(' ', '_')}"
    return words(key) if words.has(key) else name


def _first(one: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((facts.plain(one[key]) for key in keys if one.get(key) not in (None, "")), DASH)
