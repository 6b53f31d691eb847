"""What is very large on a page is packed, and nothing of it is lost."""

from __future__ import annotations

import base64
import re
import zlib

import msgspec
import pytest
from markupsafe import Markup

from support.synthetic import make_input
from tare.reports.content.page import Page
from tare.reports.content.sections import sections
from tare.reports.model import LANGUAGES, Language, ReportInput
from tare.reports.plots import PLOTS, drawn_twice
from tare.reports.render.html.packing import PACKED_FROM, packed
from tare.reports.render.html.render import render
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words


def unpacked(page: str) -> list[str]:
    found = re.findall(r'<script type="application/octet-stream" class="packed">([^<]+)</script>', page)
    return [zlib.decompress(base64.b64decode(one), -zlib.MAX_WBITS).decode() for one in found]


def test_what_is_small_stays_as_it_is() -> None:
    assert packed(Markup("<p>x</p>"), words("en")) == "<p>x</p>"


def test_what_is_large_can_be_had_back_and_is_told_of() -> None:
    large = Markup("<p>{}</p>").format("한 <b> & " * PACKED_FROM)
    page = packed(large, words("ko"))
    assert unpacked(page) == [large]
    assert len(page) < len(large) / 50
    assert "tare export" in page


def many() -> ReportInput:
    """Make a run of twenty runners with long names."""
    given = make_input(blocks=4)
    names = [f"namespaces:+a-rather-long-setting-{n:02}+another-one" for n in range(17)]
    trials, comparisons = list(given.trials), list(given.comparisons)
    for name in names:
        trials += [
            msgspec.structs.replace(one, runner=name) for one in given.trials if one.runner == "namespaces"
        ]
        comparisons += [
            msgspec.structs.replace(one, runner=name)
            for one in given.comparisons
            if one.runner == "namespaces"
        ]
    return msgspec.structs.replace(given, trials=tuple(trials), comparisons=tuple(comparisons))


def whole(given: ReportInput, language: Language) -> str:
    summary, spoken = Summary(given), words(language)
    drawn = {plot.name: made for plot in PLOTS if (made := drawn_twice(plot, summary, spoken)) is not None}
    page = Page(summary, spoken, frozenset(drawn))
    return render(page, sections(page), drawn)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_of_twenty_runners_stays_below_a_megabyte_and_a_half(language: Language) -> None:
    page = whole(many(), language)
    assert len(page.encode()) < 1_500_000
    parts = unpacked(page)
    assert len(parts) > 1
    assert not any(re.search(r"\d[ \xa0]%" if language == "ko" else r"\d %", part) for part in parts)
    assert sum(map(len, parts)) > 300_000


def test_a_page_of_five_runners_needs_no_script() -> None:
    assert unpacked(whole(make_input(blocks=4), "en")) == []
