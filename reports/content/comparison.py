"""Build the page of a comparison: what changed first, in words, as lines from base to head, and as a table."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.finishing import all_finished
from tare.reports.content.nodes import (
    Bullets,
    Cell,
    Dumbbell,
    Dumbbells,
    Headline,
    Item,
    Notice,
    Paragraph,
    Section,
    Table,
)
from tare.reports.summaries.cases import case_of, single_cases
from tare.reports.summaries.names import titled
from tare.reports.text import answers, numbers
from tare.reports.text.repeated import repeat
from tare.results.judgement.answers import pair_answers
from tare.results.said import Name
from tare.results.statistics.phrases import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.reports.content.nodes import Node
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.text.words import Words
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.gate import Gate

_MOST_LINES = 60
"""Lines of the figure; the table has all of them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Hold what the page of a comparison tells."""

    base: str
    """Name of the side that is compared with."""
    head: str
    """Name of the side that is judged."""
    gate: Gate
    missing: tuple[str, ...] = ()
    """Series of the base that have no value in the head, each with the reason."""
    unlike: tuple[str, ...] = ()
    """Context in which the two differ, as ``field: base → head``."""
    remarks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Host of the base and of the head, in a few words; one if both were measured in the same run."""


def sections(compared: Compared, words: Words) -> tuple[Section, ...]:
    """Build the page, its answer first."""
    found = _by_effect(compared.gate)
    top: list[Node] = [Headline(tuple(_answer(compared, found, words)))]
    if compared.unlike:
        top.append(
            Notice(
                words("comparison.unlike"),
                words.row(_short(repeat(one, words)) for one in compared.unlike),
                "problem",
                unfolded=True,
            )
        )
    if compared.missing:
        top.append(
            Notice(words("comparison.missing"), words.row(repeat(one, words) for one in compared.missing))
        )
    if any(not one.endswith(numbers.DASH) for one in compared.hosts):
        top.append(Paragraph(words.row(repeat(one, words) for one in compared.hosts), kind="muted"))
    lines = tuple(_lines(found, words))
    threshold = found[0].threshold if found else 0.0
    figure = Dumbbells(
        words("comparison.figure", base=compared.base, head=compared.head, share=numbers.percent(threshold)),
        lines[:_MOST_LINES],
        threshold,
    )
    left_out = len(lines) - _MOST_LINES
    made = (
        Section("answer", "", tuple(top[:1])),
        *((Section("banners", "", tuple(top[1:])),) if top[1:] else ()),
        Section(
            "changes",
            "",
            (
                *((figure,) if lines else ()),
                *((Paragraph(words("comparison.left_out", n=left_out)),) if left_out > 0 else ()),
                _table(compared, found, words),
            ),
        ),
        Section(
            "how",
            words("comparison.how"),
            (
                Bullets(tuple(Item(remark, recorded=True) for remark in compared.remarks)),
                Bullets(
                    tuple(Item(host, recorded=True) for host in compared.hosts), words("comparison.hosts")
                ),
            ),
        ),
    )
    return all_finished(made, words)


def _by_effect(gate: Gate) -> list[Comparison]:
    """Put the largest changes first, and within each kind of verdict the largest effect."""
    groups = (gate.regressions, gate.improvements, gate.undecided, gate.same, gate.refused)
    return [one for group in groups for one in sorted(group, key=_effect, reverse=True)]


def _effect(one: Comparison) -> float:
    value = one.cost.value
    return abs(math.log(value)) if math.isfinite(value) and value > 0 else -1.0


def _answer(compared: Compared, found: list[Comparison], words: Words) -> Iterator[str]:
    gate, names = compared.gate, _names(found, words)
    sides = {"base": compared.base, "head": compared.head}
    if gate.regressions:
        yield words("comparison.worse", n=len(gate.regressions), total=gate.compared, **sides)
    elif not gate.compared:
        yield words("comparison.nothing", **sides)
    elif gate.same or gate.improvements:
        open_ones = len(gate.undecided)
        name = "comparison.passed_partly" if open_ones else "comparison.passed"
        yield words(name, total=gate.compared, n=open_ones, **sides)
    else:
        yield words("comparison.undecided", **sides)
    rows = pair_answers(one for one in found if not one.refused)
    changed = [row for row in rows if any(one.verdict in {"worse", "better"} for one in row.all)]
    changed.sort(key=lambda row: min(found.index(one) for one in row.all))
    for row in changed[:2]:
        where = words("changes.case", case=names[case_of(row.time)], runner=row.time.runner)
        yield words("comparison.change", what=where, told=answers.both(row, words))
    if rows:
        yield answers.headline(rows, words)


def _names(found: list[Comparison], words: Words) -> dict[CaseKey, str]:
    """Name each case: without its parameters where no other case of that workload is compared."""
    cases = {case_of(one) for one in found}
    plain = single_cases(cases)
    return {
        case: titled(case.workload, case.workload if case.workload in plain else case.label, words)
        for case in cases
    }


_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")


def _short(text: str) -> str:
    """Shorten hashes to what tells them apart."""
    return _HASH.sub(r"\1", text)


def _where(one: Comparison, names: Mapping[CaseKey, str]) -> str:
    return f"{names[case_of(one)]}, {one.metric} · {one.runner}"


def _lines(found: list[Comparison], words: Words) -> Iterator[Dumbbell]:
    names = _names(found, words)
    drawn = [one for one in found if not one.refused and _effect(one) >= 0]
    shown = Counter((case_of(one), one.runner) for one in drawn)
    for one in drawn:
        value = one.cost.value
        where = _where(one, names)
        hint = f"{where}: {answers.told(one, words)}"
        alone = shown[case_of(one), one.runner] == 1
        label = f"{names[case_of(one)]} · {one.runner}" if alone else where
        yield Dumbbell(label, value, one.cost.low, one.cost.high, one.verdict, hint)


def _table(compared: Compared, found: list[Comparison], words: Words) -> Table:
    names = _names(found, words)
    told = frozenset(f"the runs differ in {one}" for one in compared.unlike)
    columns = (
        words("column.workload"), words("column.runner"), words("comparison.cost"), words("comparison.verdict"),
        compared.base, compared.head, words("comparison.why"),
    )  # fmt: skip
    return Table(
        words("comparison.table"),
        columns,
        tuple(_row(one, names[case_of(one)], told, words) for one in found),
        numeric=(2, 4, 5),
        keys=tuple(f"{case_of(one).label}|{one.runner}|{one.metric}" for one in found),
        form="changes",
    )


def _row(one: Comparison, name: str, told: frozenset[str], words: Words) -> tuple[Cell, ...]:
    """Make the row of a comparison; ``told``: notes of all rows, which stand above the table."""
    given = one.verdict
    verdict = words("comparison.refused") if one.refused else words(f"verdict.{given}")
    return (
        Cell(Name(name), detail=one.metric, recorded=True),
        Cell(Name(one.runner), recorded=True),
        Cell("–") if one.refused else cells.ratio(one.cost, one.verdict),
        Cell(verdict, kind="undecided" if one.refused else one.verdict),
        cells.estimate(one.base_value, one.base_unit or one.unit),
        cells.estimate(one.subject_value, one.unit),
        Cell(
            _short(sentences(one.because, tuple(note for note in one.notes if note not in told))),
            recorded=True,
        ),
    )
