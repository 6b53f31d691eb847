"""The short forms: Markdown and terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest

from support.paths import GOLDEN
from support.synthetic import empty_input, make_input
from tare.reports.content.page import Page
from tare.reports.model import LANGUAGES, Language
from tare.reports.render import markdown, terminal
from tare.reports.summaries.run import Summary
from tare.reports.text import numbers
from tare.reports.text.columns import width
from tare.reports.text.words import words

FOLDER = GOLDEN / "reports"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain(hostile: bool = False, language: Language = "en") -> str:
    return terminal.render(make_input(blocks=6, hostile=hostile), stream=io.StringIO(), language=language)


def summary(hostile: bool = False, language: Language = "en") -> str:
    return markdown.render(Page(Summary(make_input(blocks=6, hostile=hostile)), words(language)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_summary_is_as_it_was(language: Language) -> None:
    assert summary(language=language) == (FOLDER / f"summary-{language}.md").read_text(encoding="utf-8")


def test_plain_lines_are_as_they_were() -> None:
    assert plain() == (FOLDER / "terminal.txt").read_text(encoding="utf-8")


def test_tables_have_as_many_cells_in_every_row() -> None:
    counts = [
        len(re.findall(r"(?<!\\)\|", line)) for line in summary(hostile=True).splitlines() if line[:1] == "|"
    ]
    tables = re.split(r"(?m)^(?!\|).*\n", summary(hostile=True))
    assert counts
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines() if row}) <= 1


def test_markdown_lets_no_markup_or_mention_through() -> None:
    text = summary(hostile=True)
    assert "<script" not in text
    assert "\x1b" not in text
    assert markdown.escape("@team *x* `y`\n# z") == r"\@team \*x\* \`y\` \# z"


def test_nothing_recorded_steers_the_terminal() -> None:
    assert "\x1b" not in plain(hostile=True)


def test_columns_are_aligned_with_wide_letters() -> None:
    lines = plain(language="ko").splitlines()
    heads = [words("ko")(f"column.{name}") for name in ("workload", "runner")]
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == heads)
    runner = lines[start].index(words("ko")("column.runner"))
    first = lines[start + 1]
    assert width(lines[start][:runner]) == width(first[: first.index("bare")])


def test_a_terminal_gets_color_unless_it_asks_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("NO_COLOR", raising=False)
    colored = terminal.render(make_input(blocks=6), stream=Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    uncolored = terminal.render(make_input(blocks=6), stream=Terminal())
    color = re.compile("\x1b\\[[0-9;]*3[0-9]m")
    assert color.search(colored)
    assert not color.search(uncolored)


def test_without_rich_a_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert terminal.render(make_input(blocks=6), stream=Terminal()) == plain()


def test_an_empty_run_can_be_told() -> None:
    assert terminal.render(empty_input()) == f"{words('en')('headline.empty')}\n\n"
    page = Page(Summary(empty_input()), words("en"))
    assert words("en")("findings.none", base="bare") in markdown.render(page)


@pytest.mark.parametrize("columns", ["80", "100", "200"])
def test_no_runner_is_cut_short(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")
    shown = terminal.render(make_input(blocks=3), stream=Terminal())
    assert "…" not in shown
    assert "qemu-microvm(tcg) " in shown
    for comparison in make_input(blocks=3).comparisons:
        if comparison.primary:
            assert numbers.cost(comparison.cost) in shown
