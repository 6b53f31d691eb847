"""The Korean page has no English sentence but those that it marks as quoted from the record."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pytest

from support.korean_pages import COMMANDS, PHRASE, Reader, english
from support.paths import GOLDEN
from support.shapes import SHAPES, ladder
from support.synthetic import make_input
from tare.bench.analysis.report import report_input
from tare.reports.content import comparison, history
from tare.reports.content.page import Page
from tare.reports.content.sections import FULL, sections
from tare.reports.plots import PLOTS, drawn_twice
from tare.reports.render.html.render import Document, render, render_document
from tare.reports.summaries.run import Summary, plain_names
from tare.reports.text.words import words
from tare.results.judgement.gate import gate
from tare.results.said import say

if TYPE_CHECKING:
    from pathlib import Path

    from tare.reports.model import ReportInput


def whole(given: ReportInput) -> str:
    """Render the Korean page with all of its figures."""
    summary, spoken = Summary(plain_names(given)), words("ko")
    drawn = {plot.name: made for plot in PLOTS if (made := drawn_twice(plot, summary, spoken)) is not None}
    page = Page(summary, spoken, frozenset(drawn), siblings={"en": "index.html"})
    return render(page, sections(page), drawn)


@cache
def page_of(shape: str) -> str:
    return whole(SHAPES[shape]())


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_a_run_makes_english_on_the_korean_page(shape: str) -> None:
    assert english(page_of(shape)) == []


@pytest.mark.parametrize("shape", SHAPES)
def test_every_letter_of_a_page_can_be_shown(shape: str) -> None:
    assert "\N{REPLACEMENT CHARACTER}" not in page_of(shape)


def test_the_ladder_has_no_english_and_shapes_have_all_sections_and_figures(tmp_path: Path) -> None:
    rungs = whole(ladder(tmp_path))
    assert english(rungs) == []
    pages = "".join((rungs, *map(page_of, SHAPES)))
    named = set(re.findall(r'<(?:details class="section" id|section class)="([^"]+)"', pages))
    assert named >= {make.__module__.rpartition(".")[2] for make in FULL} - {"headline", "matrix"}
    spoken = words("ko")
    assert [plot.name for plot in PLOTS if spoken(f"figure.{plot.name}.caption") not in pages] == []


def korean(given: ReportInput) -> str:
    page = Page(Summary(plain_names(given)), words("ko"))
    return render(page, sections(page), {})


def without_remarks(given: ReportInput) -> ReportInput:
    """Remove what was made up in English, and what a user may write in any language."""
    plain = msgspec.structs.replace
    return msgspec.structs.replace(
        given,
        manifest=plain(given.manifest, name="", host={}),
        comparisons=tuple(
            plain(one, because="", notes=(), cost=plain(one.cost, method="signed-rank"))
            for one in given.comparisons
        ),
    )


@pytest.mark.parametrize("run", ["experiments-v3", "record-v3", "made up"])
def test_english_sentences_are_marked_as_such(run: str) -> None:
    given = without_remarks(make_input(blocks=6)) if run == "made up" else report_input(GOLDEN / run)
    texts = [COMMANDS.sub("", text) for text in Reader(korean(given)).texts]  # commands
    assert [text for text in texts if PHRASE.search(text)] == []


def test_a_comparison_has_no_english_phrase_not_even_a_marked_one() -> None:
    found = make_input(blocks=6).comparisons
    floor = say("beyond.floor", "the noise floor of {size}", size="4 %")
    because = say("rule.maybe_noise", "It lies within {beyond}.", within="1 % to 2 %", beyond=floor)
    unlike = say("fact.changed", "{name}: {before} → {after}", name="image", before="a", after="b")
    other = say("fact.changed", "{name}: {before} → {after}", name="image", before="b", after="c")
    noted = tuple(
        msgspec.structs.replace(
            one, because=because, notes=(say("pair.unlike", "the runs differ in {text}", text=other),)
        )
        for one in found
    )
    remark = say("remark.quick", "A quick run shows that everything works; it is too short for decisions.")
    compared = comparison.Compared("one", "two", gate(noted), unlike=(unlike,), remarks=(remark,))
    page = render_document(Document(words("ko"), "", "", comparison.sections(compared, words("ko")), ""))
    assert found
    assert 'lang="en"><' not in page
    assert "이미지: a → b" in page
    assert "두 실행의 조건이 다름: 이미지: b → c" in page
    texts = [COMMANDS.sub("", text) for text in Reader(page.replace(' lang="en"', "")).texts]
    assert [text for text in texts if PHRASE.search(text)] == []


def test_what_a_history_left_out_is_korean() -> None:
    left = say("history.quick", "{run} is a quick run; --with-quick includes it.", run="r1")
    page = render_document(Document(words("ko"), "", "", history.sections([], [left], words("ko")), ""))
    assert "r1은 빠른 실행(quick)입니다." in page


def test_the_rule_finds_a_sentence_and_passes_names_and_commands() -> None:
    assert PHRASE.search("측정하지 않음: no deployment can be measured")
    for text in (
        "tare run -k isolation --runners bare",
        "qemu-microvm(tcg), namespaces",
        "apt-get install fonts-noto-cjk",
    ):
        assert not PHRASE.search(COMMANDS.sub("", text))


def test_percentages_stand_without_a_blank() -> None:
    assert not re.search(r"\d[ \xa0]%", korean(make_input(blocks=6)))


def test_english_percentages_stay_on_one_line() -> None:
    page = Page(Summary(plain_names(make_input(blocks=6))), words("en"))
    text = render(page, sections(page), {})
    assert re.search(r"\d\xa0%", text)
    assert not re.search(r"\d %", text)
