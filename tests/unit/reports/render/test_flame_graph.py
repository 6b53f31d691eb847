import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.reports.render.flame_graph import DEEPEST, differential, flame_graph
from tare.reports.summaries.profiles import Profile
from tare.reports.text.words import words

SVG = "{http://www.w3.org/2000/svg}"


def profile(label, stacks, **more):
    return Profile(label, stacks, 100, 2, **more)


def frames(svg):
    """Give (title, width, fill) of each frame; the document has to be well-formed."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own figure
    return [
        (group.find(f"{SVG}title").text, float(group.find(f"{SVG}rect").get("width")), group.find(f"{SVG}rect").get("fill"))
        for group in root.iter(f"{SVG}g")
    ]  # fmt: skip


BASE = profile("bare", {("f", "slow"): 300, ("f", "fast"): 700}, rounds=3)
OTHER = profile("box", {("f", "slow"): 500, ("f", "fast"): 300, ("f", "new"): 200})


def test_changes_are_in_the_colour_the_text_and_the_title_and_nothing_of_either_is_lost():
    svg = differential(BASE, OTHER, "web", words())
    by_name = {title.partition(":")[0]: (title, width, fill) for title, width, fill in frames(svg)}
    assert (
        "bare 30.0 % (300 of 1000 samples), box 50.0 % (500 of 1000 samples); +20.0 ±" in by_name["slow"][0]
    )
    assert by_name["f"][2] == by_name["all"][2]  # no change: grey
    assert len({by_name[name][2] for name in ("slow", "fast", "f")}) == 3
    assert by_name["slow"][1] == pytest.approx(0.4 * 1180, abs=1)
    assert by_name["new"][1] == pytest.approx(0.1 * 1180, abs=1)
    assert "−40.0 fast" in svg
    assert "bare: 1000 samples of running threads at 100 per second, of processes: 2, runs: 3." in svg
    assert "Few samples" not in svg


def test_few_samples_are_warned_of():
    few = profile("box", {("f",): 20})
    assert "Few samples (box): fewer than 200" in differential(BASE, few, "x", words())
    assert "Few samples (box): fewer than 200" in flame_graph(few, "x", words())


@given(
    st.dictionaries(
        st.lists(st.text(max_size=30), min_size=1, max_size=5).map(tuple), st.integers(1, 99), min_size=1
    )
)
def test_any_names_make_a_well_formed_figure_without_markup_of_theirs(stacks):
    svg = differential(
        profile("bare", stacks),
        profile("<b>", {("<script>alert(1)</script>", "\x00&\u202e]]>"): 1}),
        "&<\ud800",
        words(),
    )
    assert frames(svg)
    assert "<script" not in svg
    svg.encode()


def test_endless_recursion_is_cut_and_said():
    svg = flame_graph(profile("bare", {("f",) * 3000: 5}), "deep", words())
    assert len(frames(svg)) == DEEPEST
    assert re.search(r"The deepest \d+ of 3001 rows are left out", svg)


def test_a_korean_figure_has_no_english_but_names():
    few = profile("box", {("process: python3 web.py", "f", "new"): 20, ("f",) * (DEEPEST + 9): 1})
    for svg in (differential(BASE, few, "web", words("ko")), flame_graph(few, "web", words("ko"))):
        told = re.findall(r"<(?:text|title)[^>]*>(.*?)</", svg.replace("python3 web.py", ""))
        assert [text for text in told if re.search("[a-z]{2,} [a-z]{2,}|^all", text)] == []
        assert "프로세스: python3 web.py" in svg
        assert "샘플이 적음(box)" in svg
