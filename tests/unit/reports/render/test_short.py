"""The short forms: Markdown and terminal."""

from __future__ import annotations

import io
import os
import re
import sys

import msgspec
import pytest

from support.paths import GOLDEN
from support.synthetic import empty_input, make_input
from support.verdicts import compared, estimate, run_of
from tare.reports.content.nodes import Table
from tare.reports.content.page import Page
from tare.reports.content.sections import SHORTEST, findings, overhead, sections
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


def as_it_was(text: str, name: str) -> None:
    """Compare with a golden file, which ``TARE_WRITE_GOLDEN=1`` writes anew."""
    if os.environ.get("TARE_WRITE_GOLDEN"):
        (FOLDER / name).write_text(text, encoding="utf-8")
    assert text == (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_summary_is_as_it_was(language: Language) -> None:
    as_it_was(summary(language=language), f"summary-{language}.md")


def test_plain_lines_are_as_they_were() -> None:
    as_it_was(plain(), "terminal.txt")


def test_what_is_decided_is_counted_alike_everywhere() -> None:
    """Findings, the table's last lines and the headline count all judged rows of a runner, start-up included."""
    found = [compared("null", 2.0, "worse"), compared("syscall", 1.2, "worse")]
    found += [compared(one, 1.0, "undecided", half=0.4) for one in ("cpu", "switch", "disk-seq", "starts-8")]
    given = run_of(*found)
    page, told = Page(Summary(given), words("en")), terminal.render(given)
    assert "4 of 6 workloads are undecided." in told
    assert "namespaces: 2 of 6 workloads decided: 2 by time." in told
    assert "Undecided by time and by CPU: 4 of 6 rows." in str(findings.section(page))
    assert "Undecided: 4 of 6" in str(findings.section(page))


def test_what_looks_false_in_the_table_is_explained_below_it() -> None:
    """The base's own ratio, and a ratio formed within blocks that the medians of all trials contradict."""
    told = plain()
    assert "In the rows of bare, the ratio is its noise (A/A)" in told
    near, far = compared("cpu", 1.0, "same"), compared("fork", 13.0, "worse")
    far = msgspec.structs.replace(far, subject_value=estimate(0.0196, 0.02))
    for one, quotient in ((near, None), (far, pytest.approx(19.6))):
        assert overhead.unlike_quotient(one) == quotient
        rate = {"direction": "higher", "subject_value": one.base_value, "base_value": one.subject_value}
        assert overhead.unlike_quotient(msgspec.structs.replace(one, **rate)) == quotient
    assert "which are of all trials: fork under namespaces." in terminal.render(run_of(near, far))
    assert "the medians of all trials would give 19.6×" in markdown.render(
        Page(Summary(run_of(near, far)), words("en"))
    )


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


def test_no_recorded_line_end_makes_a_line_in_the_terminal() -> None:
    forged = "namespaces:x\nqemu-q35: all is well"
    given = run_of(compared("cpu\ncpu", 2.0, "worse", runner=forged))
    for stream in (io.StringIO(), Terminal()):
        lines = terminal.render(given, stream=stream).splitlines()
        assert not any(line.lstrip().startswith(("qemu-q35", "cpu ")) for line in lines if "\\n" not in line)
        assert any("namespaces:x\\nqemu-q35" in line for line in lines)


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


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_a_terminal_of_any_width_shows_every_cell_whole(
    monkeypatch: pytest.MonkeyPatch, language: Language, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    given = make_input(blocks=6)
    lines = re.sub(
        "\x1b[^m]*m", "", terminal.render(given, stream=Terminal(), language=language)
    ).splitlines()
    assert max(map(width, lines)) <= columns
    shown = " ".join(" ".join(lines).split())
    page = Page(Summary(given), words(language))
    for table in (node for part in sections(page, SHORTEST) for node in part.body if isinstance(node, Table)):
        for at in table.numeric:
            assert table.columns[at].split()[0] in shown
            assert {row[at].text for row in table.rows if row[at].text not in shown} == set()
    assert {match[1] for line in lines if (match := re.match(r" fork +([^ ]+) ", line))} == {
        "bare", "namespaces", "qemu-microvm(tcg)", "qemu-q35(tcg)",
    }  # fmt: skip


def test_a_narrow_terminal_keeps_a_ratio_beside_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    shown = terminal.render(make_input(blocks=6), stream=Terminal())
    lines = re.sub("\x1b[^m]*m", "", shown).splitlines()
    heads = [line.split() for line in lines if re.match(r" *Workload +Runner ", line)]
    assert len(heads) == 2
    assert {"ratio", "n", "Verdict"} <= set(heads[0])
    assert set(heads[1]) == {"Workload", "Runner", "CPU"}
