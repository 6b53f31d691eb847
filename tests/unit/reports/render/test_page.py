from __future__ import annotations

import html
import statistics
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest

from support.synthetic import HOSTILE, empty_input, make_input
from tare.reports.content.nodes import Bullets, Details
from tare.reports.content.page import Page
from tare.reports.content.sections import sections
from tare.reports.model import LANGUAGES, Language, ReportInput
from tare.reports.render.html.render import render, script_hash
from tare.reports.render.html.tables import DITTO
from tare.reports.summaries import names
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.run import Summary
from tare.reports.text import numbers
from tare.reports.text.words import words

if TYPE_CHECKING:
    from tare.results.judgement.comparison import Comparison

VOID = {"meta", "link", "rect"}


class Reader(HTMLParser):
    """Collects what the tests ask for, and holds that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, list[dict[str, str | None]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self._key = ""
        self.feed(text.replace("<wbr>", ""))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        self.tags.append((tag, fields))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self._key = fields.get("data-key") or ""
        if tag in ("td", "th") and self._key:
            self.rows.setdefault(self._key, []).append(fields)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(given: ReportInput, language: Language = "en") -> str:
    page = Page(Summary(given), words(language))
    return render(page, sections(page), {})


def numbers_of(cell: dict[str, str | None]) -> tuple[float | None, ...]:
    return tuple(float(v) if (v := cell.get(f"data-{k}")) else None for k in ("value", "low", "high"))


def _sheet(page: str) -> list[list[str]]:
    """Read the table of all metrics, which the page carries as text: workload, runner, values, costs, n."""
    text = html.unescape(page.partition('<pre class="sheet"')[2].partition(">")[2].partition("</pre>")[0])
    rows = [line.split("\t") for line in text.splitlines()]
    for above, row in pairwise(rows):
        row[:] = [before if cell == DITTO else cell for cell, before in zip(row, above, strict=True)]
    return [[row[0].partition(" (")[0], *row[1:-1]] for row in rows]


def _text_of(c: Comparison) -> list[str]:
    assert c.floor is not None
    name = names.spoken_case(case_of(c), words("en"))
    values = [numbers.estimate(one, c.unit) for one in (c.subject_value, c.base_value)]
    return [name, c.runner, *values, numbers.cost(c.cost), numbers.cost(c.floor), str(c.cost.n)]


@pytest.mark.parametrize("blocks", [2, 6])
def test_numbers_on_the_page_are_the_compared_ones(blocks: int) -> None:
    given = make_input(blocks=blocks)
    page = page_of(given)
    rows = Reader(page).rows
    assert given.comparisons
    for c in given.comparisons:
        if not c.primary:
            assert _text_of(c) in _sheet(page)
            continue
        cells = rows[f"{case_of(c).label}|{c.runner}|{c.metric}"]
        assert c.floor is not None
        for cell, estimate in zip(cells[2:6], (c.subject_value, c.base_value, c.cost, c.floor), strict=True):
            assert numbers_of(cell) == (estimate.value, estimate.low, estimate.high)
        assert numbers_of(cells[6])[0] == c.cost.n


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_number_of_the_headline_is_parted_from_its_unit(language: Language) -> None:
    page = page_of(make_input(blocks=6), language=language)
    assert "1.6\N{NO-BREAK SPACE}ms" in page.partition("</h1>")[0]
    assert "\N{REPLACEMENT CHARACTER}" not in page


def test_start_up_numbers_are_medians_of_the_timelines() -> None:
    given = make_input(blocks=4)
    rows = Reader(page_of(given)).rows
    for runner in ("bare", "namespaces", "qemu-microvm(tcg)"):
        lines = [
            t.timeline
            for t in given.trials
            if t.runner == runner and t.workload == "null" and t.outcome == "ok"
        ]
        totals = [(line["gone"] - line["requested"]) / 1e9 for line in lines]
        assert numbers_of(rows[f"null|{runner}|phases"][2])[0] == pytest.approx(
            statistics.median(totals), rel=1e-12
        )
        distribution = [numbers_of(cell)[0] for cell in rows[f"null|{runner}|distribution"]]
        assert distribution[1:4] == [
            len(lines),
            pytest.approx(min(totals)),
            pytest.approx(statistics.median(totals)),
        ]
        assert distribution[4] is None, "8 starts have no 99th percentile"


def test_nothing_hostile_becomes_markup() -> None:
    text = page_of(make_input(blocks=2, hostile=True))
    seen = Reader(text)
    scripts = [fields for tag, fields in seen.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "words"}, {}], "the page's own, and no other"
    assert script_hash() in text
    assert "\x1b" not in text
    assert HOSTILE.partition("\x1b")[0] in seen.text
    assert not any(name.startswith("on") for _tag, fields in seen.tags for name in fields)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_no_network(language: Language) -> None:
    for tag, fields in Reader(page_of(make_input(blocks=2), language)).tags:
        for name in ("src", "href", "xlink:href", "data"):
            value = fields.get(name) or ""
            assert not value.startswith(("http:", "https:", "//", "file:")), (tag, value)
    assert "@import" not in page_of(empty_input(), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_name_themselves_their_columns_and_rows(language: Language) -> None:
    seen = Reader(page_of(make_input(blocks=2), language))
    tags = [tag for tag, _ in seen.tags]
    assert tags.count("caption") == tags.count("table") > 5
    assert {fields.get("scope") for tag, fields in seen.tags if tag == "th"} == {"col", "row"}
    assert dict(seen.tags)["html"] == {"lang": language}


def test_skips_failures_and_problems_are_shown_with_their_reasons() -> None:
    given = make_input(blocks=8, hostile=False)
    text = Reader(page_of(given)).text
    for trial in given.trials:
        if trial.outcome != "ok":
            assert trial.reason in text
            assert trial.remedy in text
    damaged = Reader(page_of(make_input(blocks=2, hostile=True))).text
    assert "line 412, cut" in damaged


def test_recorded_text_is_marked_as_english_on_a_korean_page() -> None:
    text = page_of(make_input(blocks=2), "ko")
    assert 'lang="en">runc was not found on PATH' in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mode": "quick"}, "banner.quick_title"),
        ({"mode": "imported"}, "banner.imported_title"),
        ({"status": "interrupted"}, "banner.interrupted_title"),
        ({"status": "running"}, "banner.running_title"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_banners(change: dict[str, str], expected: str, language: Language) -> None:
    given = empty_input()
    manifest = msgspec.structs.replace(given.manifest, **change)
    changed = ReportInput(manifest, given.trials, given.comparisons)
    title = words(language)(expected)
    assert title in Reader(page_of(changed, language)).text
    assert title not in Reader(page_of(given, language)).text


def test_emulated_guests_are_named_as_such_and_others_are_not() -> None:
    given = make_input(blocks=2)
    title = words("en")("banner.tcg_title")
    assert title in Reader(page_of(given)).text
    real = ReportInput(
        given.manifest,
        tuple(t for t in given.trials if t.accelerator != "tcg"),
        tuple(c for c in given.comparisons if c.accelerator != "tcg"),
    )
    assert title not in Reader(page_of(real)).text


def test_a_run_without_any_trial_has_a_page() -> None:
    text = Reader(page_of(empty_input())).text
    assert words("en")("findings.none", base="bare") in text
    assert words("en")("skips.none") in text


def test_every_verdict_of_the_run_is_among_the_findings() -> None:
    given = make_input(blocks=2)
    page = Page(Summary(given), words("en"))
    findings = next(s for s in sections(page) if s.name == "findings")
    listed = sum(len(item.parts) for node in findings.body for item in getattr(node, "items", ()))
    folded = [node.body[0] for node in findings.body if isinstance(node, Details)]
    listed += sum(len(node.items) for node in folded if isinstance(node, Bullets))
    assert folded
    assert listed == sum(c.primary for c in given.comparisons)


def test_a_note_says_once_where_it_holds() -> None:
    text = Reader(page_of(make_input(blocks=4))).text
    assert "in the guest (all workloads under qemu-microvm(tcg), qemu-q35(tcg))" in text
    assert "in doubt (disk-fsync, disk-rand [bs=4k, depth=1], disk-seq under" in text


def test_host_conditions_that_spoil_come_first_with_their_advice() -> None:
    text = Reader(page_of(make_input(blocks=2))).text
    assert text.index("stop other work") < text.index("not visible in this virtual machine")


def test_a_missing_noise_floor_is_said() -> None:
    given = make_input(blocks=4)
    text = words("en")("findings.unknown_floor", base="bare", n=33, total=33)
    without = tuple(msgspec.structs.replace(c, floor=None) for c in given.comparisons)
    assert text in Reader(page_of(ReportInput(given.manifest, given.trials, without))).text
    assert "is not known" not in Reader(page_of(given)).text


def test_collectors_cost_is_summed_within_each_trial() -> None:
    rows = Reader(page_of(make_input(blocks=2))).rows
    assert numbers_of(rows["namespaces|own"][-1])[0] == pytest.approx(360e-6)
    assert numbers_of(rows["collector.host.cpu|bare|own"][2])[0] == pytest.approx(160e-6)


def test_what_places_recorded_stands_once_for_each_runner() -> None:
    given = make_input(blocks=2)
    trials = tuple(
        msgspec.structs.replace(trial, context={"machine": "q35", "vcpus": trial.block % 2 + 1})
        if trial.runner.startswith("qemu-q35")
        else trial
        for trial in given.trials
    )
    page = page_of(msgspec.structs.replace(given, trials=trials))
    assert page.count(">machine<") == 1
    assert "1 or 2" in page
