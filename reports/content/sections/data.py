"""Build the section on raw data, versions and images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Details, Links, Node, Section, Table
from tare.reports.content.sections import facts

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section:
    """List links, the run's identity and versions; parameters, image hashes and the plan are folded."""
    words, manifest = page.words, page.summary.given.manifest
    body: list[Node] = [Links(page.links)] if page.links else []
    identity = (("run", manifest.run), ("seed", str(manifest.seed)), ("mode", manifest.mode))
    rows = [(Cell(words(f"data.{name}")), Cell(value, recorded=True)) for name, value in identity]
    rows += [(Cell(name), Cell(value, recorded=True)) for name, value in manifest.versions.items()]
    columns = (words("data.name"), words("data.version"))
    body.append(Table(words("data.versions"), columns, tuple(rows)))
    if page.summary.given.parameters:
        title, columns = words("data.parameters"), (words("column.workload"), words("host.value"))
        body.append(Details(title, (facts.table(title, columns, page.summary.given.parameters),)))
    if manifest.image:
        columns = (words("data.layer"), words("data.hash"))
        body.append(
            Details(words("data.image"), (facts.table(words("data.image"), columns, manifest.image),))
        )
    if manifest.plan:
        columns = (words("data.name"), words("host.value"))
        body.append(Details(words("data.plan"), (facts.table(words("data.plan"), columns, manifest.plan),)))
    return Section("data", words("data.title"), tuple(body))
