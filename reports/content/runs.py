"""Build the page of all runs: newest first, each with its verdicts and a link to its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Headline, Paragraph, Section, Table
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.text.words import Words

_COMMIT_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class RunRow:
    """Hold what the list says of a run."""

    run: str
    name: str
    created: str
    """ISO 8601 UTC; empty if it is not known."""
    mode: str
    status: str
    host_class: str
    commit: str
    """Commit that was checked out; empty if it is not known."""
    dirty: bool
    """Whether there were changes that were not committed."""
    labels: Mapping[str, str]
    verdicts: Mapping[str, int] | None
    """Verdict → number of answers; ``None``: not judged yet."""
    report: str
    """Page of its report, relative to the list's; empty: none."""


def sections(rows: Sequence[RunRow], words: Words) -> tuple[Section, ...]:
    """Build the list from the runs, which are given oldest first."""
    hosts = len({row.host_class for row in rows})
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
        keys=tuple(row.run for row in newest),
        form="runs",
    )
    return (Section("answer", "", (Headline((said,)),)), Section("runs", "", (table,)))


def _row(row: RunRow, words: Words) -> tuple[Cell, ...]:
    told, kind = DASH, "muted"
    if row.verdicts is not None:
        parts = [f"{n} {words(f'short.{verdict}')}" for verdict, n in row.verdicts.items() if n]
        told = ", ".join(parts) or DASH
        kind = "worse" if row.verdicts.get("worse") else ""
    status = "" if row.status == "complete" else row.status
    labels = " ".join(f"{key}={value}" for key, value in row.labels.items())
    commit = row.commit[:_COMMIT_CHARACTERS] + ("+" if row.dirty else "")
    return (
        Cell(row.name or row.run, detail=row.run if row.name else "", target=row.report, recorded=True),
        Cell(row.created[:16].replace("T", " ")),
        Cell(row.mode, detail=status),
        Cell(told, kind="worse" if kind == "worse" else "muted" if kind == "muted" else ""),
        Cell(commit or DASH),
        Cell(labels, recorded=True),
        Cell(row.host_class, recorded=True),
    )
