"""A verdict by instructions stands apart: on the page, and as a suite of its own in JUnit."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import msgspec
import pytest

from support.synthetic import empty_input
from tare.reports.content.page import Page
from tare.reports.content.sections import banners, counts
from tare.reports.render import markdown
from tare.reports.render.changes import Changes, junit
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.judgement.counts import CountsCompared
from tare.results.judgement.gate import gate

WORSE = CountsCompared(
    "instructions.callgrind", "worse", 1.01, 1.01, "1.01000× the instructions (by callgrind)"
)


def page(**changes: object) -> Page:
    return Page(Summary(msgspec.structs.replace(empty_input(), **changes)), words("en"))


def test_the_page_tells_the_verdict_by_instructions_apart() -> None:
    assert counts.section(page()) is None
    text = markdown.render(page(counts=WORSE))
    assert "## Instructions" in text
    assert "**costs more:** instructions.callgrind: 1.01000× the instructions (by callgrind)" in text


@pytest.mark.parametrize(("verdict", "tag"), [("worse", "failure"), ("refused", "skipped"), ("same", None)])
def test_junit_has_a_suite_for_instructions(verdict: str, tag: str | None) -> None:
    told = replace(WORSE, verdict=verdict)  # type: ignore[arg-type]
    root = ET.fromstring(junit(Changes("base", "head", gate([]), counts=told)))  # noqa: S314 - made here
    (suite,) = root
    (case,) = suite
    assert (suite.get("name"), case.get("name")) == ("instructions", "instructions.callgrind")
    assert [child.tag for child in case if child.tag != "system-out"] == ([tag] if tag else [])
    assert suite.get("failures") == ("1" if verdict == "worse" else "0")
    (nothing,) = ET.fromstring(junit(Changes("base", "head", gate([]))))  # noqa: S314 - made here
    assert (nothing.get("name"), nothing.get("errors")) == ("comparison", "1")


def test_what_is_left_on_the_host_is_a_banner() -> None:
    left = msgspec.structs.replace(
        empty_input().manifest, not_undone=("mount /tmp/x: busy.", "cgroup y: in use")
    )
    shown = banners.section(page(manifest=left))
    assert shown is not None
    (notice,) = shown.body
    assert "mount /tmp/x: busy; cgroup y: in use" in notice.text
