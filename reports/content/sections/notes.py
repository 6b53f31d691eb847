"""Build the fairness notes: what else differed between the two sides of a comparison."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from tare.reports.content import cells
from tare.reports.content.nodes import Bullets, Cell, Details, Item, Paragraph, Section, Table
from tare.reports.content.sections import facts, limits
from tare.reports.summaries.cases import case_of
from tare.reports.text.repeated import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.reports.content.nodes import Node
    from tare.reports.content.page import Page
    from tare.reports.text.words import Words
    from tare.results.judgement.comparison import Comparison


def shared(page: Page, runner: str) -> frozenset[str]:
    """Look up the notes that hold for every judged comparison of a runner; they are given once, beside its name."""
    return page.summary.shared_notes.get(runner, frozenset())


def references(page: Page, notes: Iterable[str]) -> str:
    """List the numbers of some notes, with consecutive ones joined: ``1–4, 25``."""
    marks = page.summary.note_numbers
    runs: list[list[int]] = []
    for number in sorted(marks[note] for note in notes):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def own(page: Page, comparison: Comparison) -> str:
    """List the numbers of the notes that a comparison does not share with all others of its runner."""
    return references(page, set(comparison.notes) - shared(page, comparison.runner))


def section(page: Page) -> Section | None:
    """List each note once, with the cases and runners that it holds for; ``None`` if nothing was compared."""
    words, marks = page.words, page.summary.note_numbers
    if not page.summary.compared:
        return None
    if not marks:
        none = Paragraph(words("notes.none", base=page.base))
        return Section("notes", words("notes.title"), (none, *_places(page), *limits.notes(page)))
    places = _places_of_notes(page)
    items = tuple(
        Item(f"{page.recorded(note)} ({places[note]})", label=str(number), recorded=True)
        for note, number in marks.items()
    )
    body = (Paragraph(words("notes.intro")), Bullets(items), *_places(page), *limits.notes(page))
    return Section("notes", words("notes.title"), body)


def _places(page: Page) -> tuple[Node, ...]:
    """Build the folded table of each runner's recorded context; a fact that varied lists its values."""
    words = page.words
    known: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for runner, contexts in _contexts(page).items():
        for context in contexts:
            for name, value in facts.flatten(context):
                known[runner][name][value] = None
    rows = [
        (
            cells.runner(page, runner) if first else Cell(runner, kind="muted"),
            _field(words, name),
            Cell(words("notes.or").join(map(page.recorded, values)), recorded=True),
        )
        for runner in sorted(known, key=page.summary.display.rank)
        for first, (name, values) in zip(
            chain([True], repeat(False)), sorted(known[runner].items()), strict=False
        )
    ]
    if not rows:
        return ()
    columns = tuple(words(key) for key in ("column.runner", "host.fact", "host.value"))
    breaks = tuple(index for index, row in enumerate(rows) if index and row[0].color)
    table = Table(words("notes.places"), columns, tuple(rows), breaks=breaks)
    return (Details(words("notes.places"), (table,)),)


def _field(words: Words, name: str) -> Cell:
    """Name a recorded fact in the page's language, with its own name below."""
    told = named("field", name, words)
    return Cell(told, detail="" if told == name else name, recorded=told == name)


def _contexts(page: Page) -> Mapping[str, list[Mapping[str, Any]]]:
    """List the different contexts of each runner's trials: most trials have that of the one before."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for trial in page.summary.measured:
        if not trial.control and trial.context not in found[trial.runner][-1:]:
            found[trial.runner].append(trial.context)
    return found


def _places_of_notes(page: Page) -> Mapping[str, str]:
    """Name the cases and runners that each note holds for; runners with the same cases are joined."""
    found: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    every: dict[str, set[str]] = defaultdict(set)
    for comparison in page.summary.compared:
        name = page.spoken_case(case_of(comparison))
        every[comparison.runner].add(name)
        for note in comparison.notes:
            found[note][comparison.runner][name] = None
    return {note: _joined(page, by_runner, every) for note, by_runner in found.items()}


def _joined(page: Page, by_runner: Mapping[str, Mapping[str, None]], every: Mapping[str, set[str]]) -> str:
    together: dict[str, list[str]] = defaultdict(list)
    for runner, labels in by_runner.items():
        whole = labels.keys() == every[runner]
        together[page.words("skips.every") if whole else ", ".join(labels)].append(runner)
    return page.words.row(
        page.words("notes.where", cases=cases, runner=", ".join(runners))
        for cases, runners in together.items()
    )
