"""Build the page of all runs: newest first, each with its verdicts and a link to its report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.content.finishing import all_finished
from tare.reports.content.nodes import Cell, Headline, Paragraph, Section, Table
from tare.reports.text.numbers import DASH
from tare.reports.text.repeated import named, repeat
from tare.results.escapes import readable
from tare.results.said import Name
from tare.results.storage.find import is_ahead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.model import Kind
    from tare.reports.text.words import Words
    from tare.results.stores.model import RunHead


@dataclass(frozen=True, slots=True)
class RunRow:
    """Hold what the list says of a run."""

    head: RunHead
    verdicts: Mapping[str, int] | None
    """Verdict → number of answers; ``None``: not judged yet."""
    report: str
    """Page of its report, relative to the list's; empty: none."""
    unreadable: str = ""
    """Reason why its manifest cannot be read; empty if it can."""
    folder: str = ""
    """Folder of the run if another one has the same id, so that only this names it; empty if the id does."""

    @property
    def key(self) -> str:
        """Give what commands call the run."""
        return shlex.quote(self.folder) if self.folder else self.head.run


def sections(rows: Sequence[RunRow], words: Words) -> tuple[Section, ...]:
    """Build the list from the runs, which are given oldest first."""
    hosts = len({row.head.host_class for row in rows})
    said = words("runs.headline", n=len(rows), hosts=hosts) if rows else words("runs.none")
    if not rows:
        return (
            Section("answer", "", (Headline((said,)),)),
            Section("runs", "", (Paragraph(words("runs.first")),)),
        )
    columns = tuple(
        words(f"runs.{name}") for name in ("run", "date", "mode", "verdicts", "commit", "labels", "host")
    )
    newest = list(reversed(rows))
    table = Table(
        words("runs.caption"),
        columns,
        tuple(_row(row, words) for row in newest),
        keys=tuple(row.key for row in newest),
        form="runs",
    )
    how = tuple(Paragraph(words(f"runs.{name}")) for name in ("how_open", "how_compare"))
    return all_finished(
        (Section("answer", "", (Headline((said,)),)), Section("runs", "", (*how, table))), words
    )


def _row(row: RunRow, words: Words) -> tuple[Cell, ...]:
    told = DASH
    kind: Kind = "muted"
    if row.verdicts is not None:
        parts = [
            words("runs.verdict", n=n, verdict=words(f"short.{verdict}"))
            for verdict, n in row.verdicts.items()
            if n
        ]
        told = ", ".join(parts) or DASH
        kind = "worse" if row.verdicts.get("worse") else ""
    head = row.head
    status = "" if head.status == "complete" else named("status", head.status, words)
    return (
        Cell(
            Name(head.name or head.run),
            detail=repeat(row.unreadable, words) or (head.run if head.name else ""),
            where=words("runs.folder", folder=readable(row.folder)) if row.folder else "",
            target=row.report,
            recorded=True,
        ),
        Cell(head.date, detail=words("runs.ahead") if is_ahead(head.run) else ""),
        Cell(named("mode", head.mode, words), detail=status, kind="problem" if row.unreadable else ""),
        Cell(told, kind=kind),
        Cell(head.shown_commit or DASH),
        Cell(Name(head.shown_labels), recorded=True),
        Cell(Name(head.host_class), recorded=True),
    )
