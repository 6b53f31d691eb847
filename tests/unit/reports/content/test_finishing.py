"""The Korean page repeats what the record says, by its code, and leaves what it does not know as it was recorded."""

import msgspec
import pytest
from msgspec.structs import replace

from support.results_making import trial
from support.synthetic import empty_input
from tare.reports.content.finishing import finished
from tare.reports.content.nodes import Bullets, Cell, Details, Item, Paragraph, Section, Table
from tare.reports.content.page import Page
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.origins import Said

STORED = trial(
    0,
    outcome="skipped",
    reason="deploy brings images of its own.",
    said={
        "deploy brings images of its own.": Said("deploy.own_images"),
        "a <b> reads it": Said("condition.folder", {"folder": "<i>", "found": "is off"}),
        "is off": Said("condition.off"),
        "of another version": Said("condition.folder", {"place": "x"}),
        "of a later version": Said("not.known.here"),
        "round": Said("condition.folder", {"folder": "round", "found": "round"}),
    },
)


def page(language="ko"):
    return Page(Summary(replace(empty_input(), trials=(STORED,))), words(language))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deploy brings images of its own.", "deploy는 자신의 이미지를 가져옵니다."),
        ("a <b> reads it", "<i>은(는) 꺼짐에 있음"),
        ("of another version", "of another version"),
        ("of a later version", "of a later version"),
        ("never recorded", "never recorded"),
    ],
)
def test_a_text_is_repeated_by_its_code_or_left_as_it_is(text, told):
    assert page().recorded(text) == told
    assert page("en").recorded(text) == text


def test_a_text_made_of_itself_comes_to_an_end():
    assert "round" in page().recorded("round")


def test_texts_of_all_nodes_are_finished_and_numbers_and_keys_are_kept():
    row = (Cell("deploy brings images of its own.", recorded=True, link="95 %"), Cell("95 %", value=0.95))
    body = (
        Paragraph("±2 % 이상"),
        Details("5 %", (Bullets((Item("unknown to all", recorded=True),)),)),
        Table("1 %", ("2 %",), (row,), keys=("cpu|3 %|x",)),
    )
    paragraph, details, table = finished(
        Section("overhead", "4 %", body), page().words, page().summary.said
    ).body
    assert paragraph.text == "±2% 이상"
    assert (details.summary, details.body[0].items[0].recorded) == ("5%", True)
    assert (table.caption, table.columns, table.keys) == ("1%", ("2%",), ("cpu|3 %|x",))
    first, second = table.rows[0]
    assert (first.text, first.recorded, first.link) == ("deploy는 자신의 이미지를 가져옵니다.", False, "95 %")
    assert (second.text, second.value) == ("95%", 0.95)


def test_an_english_section_stays_the_same_object():
    given = Section("a", "b", (Paragraph("5 %"),))
    assert finished(given, words("en")) is given


def test_the_stored_struct_has_its_own_texts_only():
    assert msgspec.json.decode(msgspec.json.encode(STORED), type=type(STORED)) == STORED
