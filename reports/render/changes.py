"""Render the comparison of two versions or runs for reviewers and CI servers: Markdown and JUnit."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from tare.reports.exports.junit import counted, serialised, text
from tare.reports.exports.series import case_title
from tare.reports.render.markdown import escape
from tare.reports.summaries.names import titled
from tare.reports.text import numbers
from tare.reports.text.answers import both, headline
from tare.reports.text.numbers import DASH
from tare.reports.text.repeated import repeat
from tare.results.judgement.answers import pair_answers
from tare.results.statistics.phrases import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.text.words import Words
    from tare.results.judgement.answers import Answers
    from tare.results.judgement.between_runs import MissingSeries
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.counts import CountsCompared
    from tare.results.judgement.gate import Gate

_GROUPS = ("regressions", "improvements", "undecided", "refused", "same")
COLUMNS = ("verdict", "workload", "metric", "runner", "base", "head", "cost", "why")
"""Columns of the table, as keys of their heads."""

VERDICTS = ("worse", "better", "same", "undecided", "refused")
"""Verdicts, as keys of their names."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Hold what is reported of a comparison."""

    base: str
    head: str
    gate: Gate
    missing: tuple[MissingSeries, ...] = ()
    """Series judged in the base that have no value in the head."""
    unlike: tuple[str, ...] = ()
    """Context in which the two differ, as ``field: base → head``."""
    remarks: tuple[str, ...] = ()
    """Further remarks for the reader, one sentence each."""
    counts: CountsCompared | None = None
    """The two commands compared by their instructions; ``None`` if these were not counted."""


def markdown(changes: Changes, words: Words) -> str:
    """Render GitHub-flavoured Markdown: the verdict, differences of context, and a table, regressions first."""
    gate = changes.gate
    tell = functools.partial(repeat, words=words)
    title = words("comparison.title", base=tell(changes.base), head=tell(changes.head))
    lines = [f"## {escape(title)}", ""]
    lines += [f"**{_headline(changes, words)}** {_counts(gate, words)}", ""]
    if changes.unlike:
        lines += [
            "> [!WARNING]",
            f"> **{words('changes.unlike')}**",
            *(f"> - {escape(tell(text))}" for text in changes.unlike),
            "",
        ]
    if changes.missing:
        lines += [
            "> [!WARNING]",
            f"> **{words('changes.no_value')}**",
            *(f"> - {escape(f'{missing_title(one, words)}: {tell(one.reason)}')}" for one in changes.missing),
            "",
        ]
    lines += [line for remark in changes.remarks for line in (escape(tell(remark)), "")]
    rows = list(_rows(gate, words))
    if rows:
        lines += [f"| {' | '.join(words(f'changes.{name}') for name in COLUMNS)} |"]
        lines += ["|---|---|---|---|---:|---:|---:|---|", *rows, ""]
    lines += [f"- {escape(line)}" for line in answer_lines(gate, words)]
    if changes.counts:
        lines += ["", escape(counts_line(changes.counts, words))]
    return "\n".join(lines)


def answers_of(gate: Gate) -> list[Answers]:
    """Pair both answers, time and CPU, of each row of a gate."""
    return pair_answers(c for group in _GROUPS for c in getattr(gate, group))


def answer_lines(gate: Gate, words: Words) -> Iterator[str]:
    """Count what is decided; tell both answers of each row in one line, and their price where neither is decided."""
    rows = answers_of(gate)
    if rows:
        yield headline(rows, words)
    for row in rows:
        case = _titled(row.time.workload, row.time.parameters, words)
        where = words("changes.case", case=case, runner=row.time.runner)
        needed = [c.needed_blocks - c.blocks for c in row.all if c.needed_blocks is not None]
        price = ""
        if row.by == "none" and not row.time.refused:
            price = words("answer.price_blocks", blocks=min(needed)) if needed else ""
            price = f" ({price or words('answer.price_unknown')})"
        yield f"{where}: {both(row, words)}{price}"


def counts_line(counts: CountsCompared, words: Words) -> str:
    """Tell the verdict by instructions."""
    verdict = words(f"changes.{counts.verdict}")
    return words("changes.instructions", verdict=verdict, why=repeat(counts.because, words))


def verdict(comparison: Comparison, words: Words) -> str:
    """Name a comparison's verdict; one that was refused has none."""
    return words("changes.refused" if comparison.refused else f"changes.{comparison.verdict}")


def _headline(changes: Changes, words: Words) -> str:
    """Say first what stops a change, and never that nothing was found where nothing could be compared."""
    gate = changes.gate
    if gate.regressions:
        n = len(gate.regressions)
        return words("changes.regression" if n == 1 else "changes.regressions", n=n)
    if not gate.compared:
        return words("changes.nothing_compared")
    if changes.missing or gate.refused:
        return words("changes.passed_in_part")
    return words("changes.passed")


def _counts(gate: Gate, words: Words) -> str:
    """Count what the headline does not."""
    n = len(gate.improvements)
    return words(
        "changes.count_one" if n == 1 else "changes.count",
        improvements=n, undecided=len(gate.undecided), refused=len(gate.refused), same=len(gate.same),
    )  # fmt: skip


def missing_title(one: MissingSeries, words: Words) -> str:
    """Name a series that has no value: workload, parameters, metric and runner."""
    case = _titled(one.key.workload, json.loads(one.key.parameters), words)
    return words("changes.series", case=case, metric=one.key.metric, runner=one.key.runner)


def _rows(gate: Gate, words: Words) -> Iterator[str]:
    for name in _GROUPS:
        for c in getattr(gate, name):
            told = verdict(c, words)
            cells = (
                _titled(c.workload, c.parameters, words),
                c.metric,
                c.runner,
                numbers.estimate(c.base_value, c.base_unit or c.unit),
                numbers.estimate(c.subject_value, c.unit),
                DASH if c.refused else repeat(numbers.changed(c.cost), words),
                repeat(sentences(c.because, c.notes), words),
            )
            bold = f"**{told}**" if c.verdict in {"worse", "better"} and not c.refused else told
            yield f"| {bold} | {' | '.join(map(escape, cells))} |"


def _titled(workload: str, parameters: dict[str, Any], words: Words) -> str:
    return titled(workload, case_title(workload, parameters), words)


def junit(changes: Changes) -> bytes:
    """Render JUnit XML: a test case for each series; a regression fails it, a refused comparison skips it.

    Where nothing could be compared, there is an error.
    """
    gate = changes.gate
    root = ET.Element("testsuites", name=text(f"{changes.head} against {changes.base}"))
    suites: dict[str, ET.Element] = {}
    for group in _GROUPS:
        for c in getattr(gate, group):
            title = case_title(c.workload, c.parameters)
            suite = suites.get(title)
            if suite is None:
                suite = suites[title] = ET.SubElement(root, "testsuite", name=text(title))
            _case(suite, title, c)
    for one in changes.missing:
        title = case_title(one.key.workload, json.loads(one.key.parameters))
        if title not in suites:
            suites[title] = ET.SubElement(root, "testsuite", name=text(title))
        name = f"{one.key.metric} on {one.key.runner}"
        case = ET.SubElement(suites[title], "testcase", classname=text(title), name=text(name), time="0")
        ET.SubElement(case, "error", message=text(one.reason), type="missing").text = text(one.reason)
    if changes.counts:
        suites["instructions"] = _counts_suite(root, changes.counts)
    if not gate.compared and not changes.missing and not changes.counts:
        suites[""] = _nothing_suite(root, changes)
    for suite in suites.values():
        counted(suite)
    return serialised(root)


def _nothing_suite(root: ET.Element, changes: Changes) -> ET.Element:
    """Make a suite with an error: a file without one would be taken for a success."""
    suite = ET.SubElement(root, "testsuite", name="comparison")
    case = ET.SubElement(
        suite, "testcase", classname="comparison", name="something could be compared", time="0"
    )
    why = text("; ".join(changes.unlike) or "nothing could be compared")
    ET.SubElement(case, "error", message=why, type="not compared").text = why
    return suite


def _counts_suite(root: ET.Element, counts: CountsCompared) -> ET.Element:
    """Make a suite of its own for the verdict by instructions, which is no verdict on times."""
    suite = ET.SubElement(root, "testsuite", name="instructions")
    case = ET.SubElement(suite, "testcase", classname="instructions", name=text(counts.metric), time="0")
    told = text(f"{counts.verdict}: {counts.because}")
    if counts.verdict == "worse":
        ET.SubElement(case, "failure", message=told, type="regression").text = text(counts.because)
    elif counts.verdict == "refused":
        ET.SubElement(case, "skipped", message=told)
    ET.SubElement(case, "system-out").text = told
    return suite


def _case(suite: ET.Element, title: str, c: Comparison) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=text(title), name=text(f"{c.metric} on {c.runner}"), time="0"
    )
    if c.refused:
        ET.SubElement(case, "skipped", message=text(c.because))
    elif c.verdict == "worse":
        message = f"cost {numbers.changed(c.cost)}"
        ET.SubElement(case, "failure", message=text(message), type="regression").text = text(c.because)
    out = ET.SubElement(case, "system-out")
    told = "refused" if c.refused else f"{c.verdict}: {numbers.changed(c.cost)}"
    out.text = text("\n".join((told, c.because, *c.notes)))
