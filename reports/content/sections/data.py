"""Build the section on raw data, versions and images."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Details, Links, Node, Section, Table
from tare.reports.content.sections import facts
from tare.reports.text.repeated import named
from tare.results.said import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.content.page import Page
    from tare.reports.text.words import Words
    from tare.results.record import Provenance


def section(page: Page) -> Section:
    """List links, the run's identity and versions; parameters, image hashes and the plan are folded."""
    words, manifest = page.words, page.summary.given.manifest
    body: list[Node] = [Links(page.links)] if page.links else []
    identity = (
        ("run", manifest.run),
        ("seed", str(manifest.seed)),
        ("mode", named("mode", manifest.mode, words)),
    )
    rows = [
        (Cell(words(f"data.{name}")), Cell(Name(value), recorded=True))
        for name, value in (*identity, *_origin(words, manifest.provenance))
    ]
    rows += [(Cell(name), Cell(value, recorded=True)) for name, value in manifest.versions.items()]
    columns = (words("data.name"), words("data.version"))
    body.append(Table(words("data.versions"), columns, tuple(rows)))
    if page.summary.given.parameters:
        title, columns = words("data.parameters"), (words("column.workload"), words("host.value"))
        body.append(Details(title, (facts.table(title, columns, page.summary.given.parameters, names=True),)))
    if manifest.image:
        columns = (words("data.layer"), words("data.hash"))
        body.append(
            Details(words("data.image"), (facts.table(words("data.image"), columns, manifest.image),))
        )
    if manifest.plan:
        columns = (words("data.name"), words("host.value"))
        body.append(
            Details(
                words("data.plan"), (facts.table(words("data.plan"), columns, manifest.plan, only_set=True),)
            )
        )
    return Section("data", words("data.title"), tuple(body))


def _origin(words: Words, origin: Provenance | None) -> Iterator[tuple[str, str]]:
    """Give key and value of what is known of the run's origin."""
    if origin is None:
        return
    if origin.commit:
        yield "commit", words("data.dirty", commit=origin.commit) if origin.dirty else origin.commit
    if origin.branch:
        yield "branch", origin.branch
    if origin.labels:
        yield "labels", ", ".join(f"{key}={value}" for key, value in origin.labels.items())
    if origin.images:
        yield "images", ", ".join(origin.images)
    if origin.argv:
        yield "argv", shlex.join(origin.argv)
