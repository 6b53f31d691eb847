"""Build the section on what each place shows its jobs and lets them do to the host, from trials of ``isolation``."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Bullets, Cell, Details, Item, Node, Paragraph, Section, Table
from tare.reports.text.enumerated import some
from tare.reports.text.numbers import DASH
from tare.results.details import IsolationDetails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.content.page import Page
    from tare.reports.model import Kind
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words
    from tare.results.details import Attempt, AttemptVerdict

VERDICTS: Mapping[AttemptVerdict, Kind] = {
    "open": "worse",
    "confined": "undecided",
    "blocked": "better",
    "absent": "muted",
}

_LISTS = ("cpu.features", "capabilities.", "mounts.table", "kernel.security_modules")
"""Beginnings of facts that are lists; only their differences from the first runner's are shown."""

_MOST_CHARACTERS = 60
_MOST_ITEMS = 6


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what the last trial of one runner found."""

    runner: str
    details: IsolationDetails

    @property
    def facts(self) -> Mapping[str, str | int]:
        """Facts by name; those that the place does not show are missing."""
        return self.details.fingerprint


def seen(summary: Summary) -> tuple[Seen, ...]:
    """Collect what the last trial of each runner found, in display order, without the base's second measurement."""
    found = {
        trial.runner: Seen(trial.runner, trial.details)
        for trial in summary.measured
        if isinstance(trial.details, IsolationDetails) and not trial.control
    }
    return tuple(found[runner] for runner in sorted(found, key=summary.display.rank))


def section(page: Page) -> Section | None:
    """Build the tables of attempts and of facts; ``None`` if isolation was not measured."""
    words, places = page.words, seen(page.summary)
    if not places:
        return None
    body: list[Node] = [
        Paragraph(words("isolation.intro")),
        _kernels(words, places),
        _attempts(words, places),
    ]
    body.append(Paragraph(words("isolation.legend"), kind="muted"))
    body += _differences(words, places)
    return Section("isolation", words("isolation.title"), tuple(body))


def short(page: Page) -> Section | None:
    """Count the attempts by verdict in a table that fits a terminal."""
    words, places = page.words, seen(page.summary)
    if not places:
        return None
    rows = []
    for place in places:
        counts = Counter(attempt.verdict for attempt in place.details.attempts)
        rows.append(
            (
                cells.runner(page, place.runner),
                Cell(words("isolation.host_kernel" if place.details.same_kernel else "isolation.own_kernel")),
                *(
                    Cell(str(counts[verdict]), kind=kind if counts[verdict] else "muted")
                    for verdict, kind in VERDICTS.items()
                ),
            )
        )
    names = (
        words("column.runner"),
        words("isolation.kernel"),
        *(words(f"isolation.{verdict}") for verdict in VERDICTS),
    )
    table = Table(words("isolation.short_caption"), names, tuple(rows), numeric=(2, 3, 4, 5))
    return Section("isolation", "", (table,))


def _kernels(words: Words, places: Sequence[Seen]) -> Bullets:
    items = []
    for key, same in (("isolation.host_kernel", True), ("isolation.own_kernel", False)):
        runners = [place.runner for place in places if place.details.same_kernel is same]
        if runners:
            items.append(Item(", ".join(runners), label=words(key)))
    return Bullets(tuple(items), words("isolation.kernels"))


def _attempts(words: Words, places: Sequence[Seen]) -> Table:
    by_name = [{attempt.name: attempt for attempt in place.details.attempts} for place in places]
    names = tuple(dict.fromkeys(name for found in by_name for name in found))
    rows = tuple(
        (
            Cell(words(f"attempt.{name}") if words.has(f"attempt.{name}") else name, detail=name),
            *(_outcome(words, found.get(name)) for found in by_name),
        )
        for name in names
    )
    return Table(
        words("isolation.caption"),
        (words("isolation.attempt"), *(place.runner for place in places)),
        rows,
        keys=tuple(f"isolation|{name}|verdict" for name in names),
    )


def _outcome(words: Words, attempt: Attempt | None) -> Cell:
    """Make the cell of an attempt's verdict; a dash where the place was not tested with it."""
    if attempt is None:
        return Cell(DASH, kind="muted")
    return Cell(words(f"isolation.{attempt.verdict}"), detail=attempt.error, kind=VERDICTS[attempt.verdict])


def _differences(words: Words, places: Sequence[Seen]) -> list[Node]:
    names = sorted({name for place in places for name in place.facts})
    differ = [name for name in names if len({str(place.facts.get(name)) for place in places}) > 1]
    equal = [name for name in names if name not in differ]
    nodes: list[Node] = [Paragraph(words("isolation.facts_intro"))]
    if differ and len(places) > 1:
        rows = tuple(
            (
                Cell(name, recorded=True),
                *(
                    _fact(words, name, place.facts, None if place is places[0] else places[0].facts)
                    for place in places
                ),
            )
            for name in differ
        )
        heads = (words("isolation.fact"), *(place.runner for place in places))
        nodes.append(Table(words("isolation.facts_caption", n=len(differ)), heads, rows))
    if equal:
        items = tuple(Item(_clipped(str(places[0].facts[name])), label=name, recorded=True) for name in equal)
        nodes.append(Details(words("isolation.equal", n=len(equal)), (Bullets(items),)))
    return nodes


def _fact(
    words: Words, name: str, facts: Mapping[str, str | int], base: Mapping[str, str | int] | None
) -> Cell:
    """Make the cell of one fact, compared with ``base``, the facts of the first column; ``None`` in the first column."""
    if name not in facts:
        return Cell(DASH, kind="muted")
    text = str(facts[name])
    if base is None or name not in base:
        return Cell(_clipped(text), recorded=True)
    reference = str(base[name])
    if text == reference:
        return Cell(words("isolation.same"), kind="muted")
    if "all" in {text, reference} or not name.startswith(_LISTS):
        return Cell(_clipped(text), recorded=True)
    own, other = _parts(text), _parts(reference)
    less = [part for part in other if part not in own]
    more = [part for part in own if part not in other]
    said = [
        words(key, names=some(found, _MOST_ITEMS, words))
        for key, found in (("isolation.without", less), ("isolation.with", more))
        if found
    ]
    return Cell(words.row(said) or words("isolation.same"))


def _parts(text: str) -> list[str]:
    """Split a list at its semicolons, else its commas, else its spaces."""
    separator = next((mark for mark in (";", ",") if mark in text), None)
    return [part.strip() for part in text.split(separator) if part.strip() not in {"", "none"}]


def _clipped(text: str) -> str:
    plain = re.sub(r"\s+", " ", text)
    return plain if len(plain) <= _MOST_CHARACTERS else plain[: _MOST_CHARACTERS - 1] + "…"
