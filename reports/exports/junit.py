"""Export JUnit XML: a suite for each workload, a test case for each runner.

Failed trials fail their test case, skipped ones skip it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tare.reports.exports.series import Exported, all_series, case_title
from tare.reports.text import numbers
from tare.results.said import joined
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from tare.reports.model import ReportInput
    from tare.results.record import Trial

NAME = "junit"
SUMMARY = "JUnit XML: failures, skips, and medians as properties"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(given: ReportInput) -> bytes:
    """Render the file. A high cost is no failure here; ``tare compare --format junit`` judges changes."""
    cases: dict[str, dict[str, list[Trial]]] = {}
    for trial in given.trials:
        title = case_title(trial.workload, trial.parameters)
        cases.setdefault(title, {}).setdefault(trial.runner, []).append(trial)
    medians: dict[tuple[str, str], list[Exported]] = {}
    for series in all_series(given):
        medians.setdefault((case_title(series.workload, series.parameters), series.runner), []).append(series)
    root = ET.Element("testsuites", name=text(f"tare {given.manifest.run} ({given.manifest.mode})"))
    for title, runners in cases.items():
        suite = ET.SubElement(root, "testsuite", name=text(title))
        for runner, trials in runners.items():
            _case(suite, title, runner, trials, medians.get((title, runner), []))
        counted(suite)
    return serialised(root)


def _case(suite: ET.Element, title: str, runner: str, trials: list[Trial], medians: list[Exported]) -> None:
    spent = sum(
        (trial.timeline["finished"] - trial.timeline["started"]) / 1e9
        for trial in trials
        if trial.timeline.keys() >= {"started", "finished"}
    )
    case = ET.SubElement(suite, "testcase", classname=text(title), name=text(runner), time=f"{spent:.6f}")
    bad = [trial for trial in trials if trial.outcome not in {"ok", "skipped"}]
    if medians:
        properties = ET.SubElement(case, "properties")
        for one in medians:
            value = numbers.quantity(one.median, one.metric.unit)
            ET.SubElement(properties, "property", name=text(one.metric.name), value=text(value))
    if bad:
        message = f"{len(bad)} of {count(len(trials), 'trial')} not ok; the first, {bad[0].outcome}: {bad[0].reason}"
        failure = ET.SubElement(case, "failure", message=text(message), type=bad[0].outcome)
        failure.text = text(
            "\n".join(f"trial {t.number}: {t.outcome}: {joined(t.reason, t.remedy)}" for t in bad)
        )
    elif all(trial.outcome == "skipped" for trial in trials):
        ET.SubElement(case, "skipped", message=text(joined(trials[0].reason, trials[0].remedy)))


def counted(suite: ET.Element) -> None:
    """Set the counts of a suite from its test cases."""
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.6f}")


def text(given: str) -> str:
    """Replace the characters that XML cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", given)


def serialised(root: ET.Element) -> bytes:
    """Serialise the document with its XML declaration."""
    ET.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ET.tostring(root, encoding='unicode')}\n".encode()
