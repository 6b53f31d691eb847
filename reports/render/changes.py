"""Render the comparison of two versions or runs for reviewers and CI servers: Markdown and JUnit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tare.reports.exports.junit import counted, serialised, text
from tare.reports.exports.series import case_title
from tare.reports.render.markdown import escape
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.gate import Gate

_GROUPS = ("regressions", "improvements", "undecided", "refused", "same")


@dataclass(frozen=True, slots=True)
class Changes:
    """Hold what is reported of a comparison."""

    base: str
    head: str
    gate: Gate
    unlike: tuple[str, ...] = ()
    """Context in which the two differ, as ``field: base → head``."""
    remarks: tuple[str, ...] = ()
    """Further remarks for the reader, one sentence each."""


def markdown(changes: Changes) -> str:
    """Render GitHub-flavoured Markdown: the verdict, differences of context, and a table, regressions first."""
    gate = changes.gate
    failed = f"**{len(gate.regressions)} regressed.**" if gate.regressions else "**No regression found.**"
    lines = [f"## {escape(changes.head)} against {escape(changes.base)}", ""]
    lines += [f"{failed} {', '.join(f'{len(getattr(gate, name))} {name}' for name in _GROUPS)}.", ""]
    if changes.unlike:
        lines += [
            "> [!WARNING]",
            "> **The two are not alike.**",
            *(f"> - {escape(t)}" for t in changes.unlike),
            "",
        ]
    lines += [line for remark in changes.remarks for line in (escape(remark), "")]
    rows = list(_rows(gate))
    if rows:
        lines += ["| verdict | workload | metric | runner | base | head | cost | why |"]
        lines += ["|---|---|---|---|---:|---:|---:|---|", *rows, ""]
    return "\n".join(lines)


def _rows(gate: Gate) -> Iterator[str]:
    for name in _GROUPS:
        for c in getattr(gate, name):
            verdict = "refused" if c.refused else c.verdict
            cells = (
                case_title(c.workload, c.parameters),
                c.metric,
                c.runner,
                numbers.estimate(c.base_value, c.unit),
                numbers.estimate(c.subject_value, c.unit),
                numbers.cost(c.cost),
                "; ".join((c.because, *c.notes)),
            )
            bold = f"**{verdict}**" if verdict in {"worse", "better"} else verdict
            yield f"| {bold} | {' | '.join(map(escape, cells))} |"


def junit(changes: Changes) -> bytes:
    """Render JUnit XML: a test case for each series; a regression fails it, a refused comparison skips it."""
    root = ET.Element("testsuites", name=text(f"{changes.head} against {changes.base}"))
    suites: dict[str, ET.Element] = {}
    for group in _GROUPS:
        for c in getattr(changes.gate, group):
            title = case_title(c.workload, c.parameters)
            suite = suites.get(title)
            if suite is None:
                suite = suites[title] = ET.SubElement(root, "testsuite", name=text(title))
            _case(suite, title, c)
    for suite in suites.values():
        counted(suite)
    return serialised(root)


def _case(suite: ET.Element, title: str, c: Comparison) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=text(title), name=text(f"{c.metric} on {c.runner}"), time="0"
    )
    if c.refused:
        ET.SubElement(case, "skipped", message=text(c.because))
    elif c.verdict == "worse":
        message = f"cost {numbers.cost(c.cost)}"
        ET.SubElement(case, "failure", message=text(message), type="regression").text = text(c.because)
    out = ET.SubElement(case, "system-out")
    out.text = text("\n".join((f"{c.verdict}: cost {numbers.cost(c.cost)}", c.because, *c.notes)))
