"""Render the comparison of two versions or runs for reviewers and CI servers: Markdown and JUnit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tare.reports.exports.junit import counted, serialised, text
from tare.reports.exports.series import case_title
from tare.reports.render.markdown import escape
from tare.reports.text import numbers
from tare.reports.text.answers import both, headline
from tare.reports.text.numbers import DASH
from tare.reports.text.words import words
from tare.results.judgement.answers import pair_answers
from tare.results.statistics.phrases import count, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.results.judgement.answers import Answers
    from tare.results.judgement.between_runs import MissingSeries
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.counts import CountsCompared
    from tare.results.judgement.gate import Gate

_GROUPS = ("regressions", "improvements", "undecided", "refused", "same")


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


def markdown(changes: Changes) -> str:
    """Render GitHub-flavoured Markdown: the verdict, differences of context, and a table, regressions first."""
    gate = changes.gate
    failed = _headline(changes)
    lines = [f"## {escape(changes.head)} against {escape(changes.base)}", ""]
    lines += [f"{failed} {_counts(gate)}.", ""]
    if changes.unlike:
        lines += [
            "> [!WARNING]",
            "> **The two are not alike.**",
            *(f"> - {escape(t)}" for t in changes.unlike),
            "",
        ]
    if changes.missing:
        lines += [
            "> [!WARNING]",
            "> **Not compared, since the head has no value:**",
            *(f"> - {escape(missing_title(one))}: {escape(one.reason)}" for one in changes.missing),
            "",
        ]
    lines += [line for remark in changes.remarks for line in (escape(remark), "")]
    rows = list(_rows(gate))
    if rows:
        lines += ["| verdict | workload | metric | runner | base | head | cost | why |"]
        lines += ["|---|---|---|---|---:|---:|---:|---|", *rows, ""]
    lines += [f"- {escape(line)}" for line in answer_lines(gate)]
    if changes.counts:
        lines += ["", escape(f"by instructions: {changes.counts.verdict}: {changes.counts.because}")]
    return "\n".join(lines)


def answers_of(gate: Gate) -> list[Answers]:
    """Pair both answers, time and CPU, of each row of a gate."""
    return pair_answers(c for group in _GROUPS for c in getattr(gate, group))


def answer_lines(gate: Gate) -> Iterator[str]:
    """Count what is decided; tell both answers of each row in one line, and their price where neither is decided."""
    english, rows = words(), answers_of(gate)
    if rows:
        yield headline(rows, english)
    for row in rows:
        where = f"{case_title(row.time.workload, row.time.parameters)} on {row.time.runner}"
        needed = [c.needed_blocks - c.blocks for c in row.all if c.needed_blocks is not None]
        price = ""
        if row.by == "none" and not row.time.refused:
            price = f" ({english('answer.price_blocks', blocks=min(needed))})" if needed else ""
            price = price or f" ({english('answer.price_unknown')})"
        yield f"{where}: {both(row, english)}{price}"


def _headline(changes: Changes) -> str:
    """Say first what stops a change, and never that nothing was found where nothing could be compared."""
    gate = changes.gate
    if gate.regressions:
        return f"**{count(len(gate.regressions), 'regression')}.**"
    if not gate.compared:
        return "**Nothing could be compared.**"
    if changes.missing or gate.refused:
        return "**No regression found in what could be compared, which is not all.**"
    return "**No regression found.**"


def _counts(gate: Gate) -> str:
    """Count what the headline does not."""
    return ", ".join(
        (
            count(len(gate.improvements), "improvement"),
            *(f"{len(getattr(gate, name))} {name}" for name in ("undecided", "refused", "same")),
        )
    )


def missing_title(one: MissingSeries) -> str:
    """Name a series that has no value: workload, parameters, metric and runner."""
    return (
        f"{case_title(one.key.workload, json.loads(one.key.parameters))} {one.key.metric} on {one.key.runner}"
    )


def _rows(gate: Gate) -> Iterator[str]:
    for name in _GROUPS:
        for c in getattr(gate, name):
            verdict = "refused" if c.refused else c.verdict
            cells = (
                case_title(c.workload, c.parameters),
                c.metric,
                c.runner,
                numbers.estimate(c.base_value, c.base_unit or c.unit),
                numbers.estimate(c.subject_value, c.unit),
                DASH if c.refused else numbers.changed(c.cost),
                sentences(c.because, c.notes),
            )
            bold = f"**{verdict}**" if verdict in {"worse", "better"} else verdict
            yield f"| {bold} | {' | '.join(map(escape, cells))} |"


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
