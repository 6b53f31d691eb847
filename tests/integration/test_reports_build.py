"""The whole report on disk."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import msgspec
import pytest

from support.synthetic import make_input
from tare.reports.build import build_report
from tare.reports.model import LANGUAGES, PAGES, Language, ReportInput, ReportPaths
from tare.reports.plots import PLOTS, Plot, overhead, startup
from tare.reports.plots.canvas import THEME
from tare.reports.text import numbers
from tare.reports.text.words import words
from tare.results.judgement.within_run import compare_within
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter

if TYPE_CHECKING:
    from tare.reports.plots.canvas import Canvas
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words

DRAWN = [p for p in PLOTS if p.name not in {"ladder", "scaling", "starts", "density"}]
"""The synthetic run climbs no ladder, adds no CPUs and has no crowds."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> ReportPaths:
    folder = tmp_path_factory.mktemp("run folder")
    files = {"trials.jsonl": folder / "runs" / "trials.jsonl", "flamegraph of python": folder / "a#b.html"}
    given = msgspec.structs.replace(make_input(blocks=4), files=files)
    return build_report(given, folder / "out" / "id")


def test_every_figure_is_a_file_and_on_the_page_for_both_widths(built: ReportPaths) -> None:
    assert built.lost == {}
    english = [path for path in built.figures if path.suffix == ".svg" and ".ko." not in path.name]
    assert [p.name for p in english] == [f"{p.name}.svg" for p in DRAWN]
    pictures = [path for path in built.figures if path.suffix == ".png"]
    assert [p.name for p in pictures] == [f"{p.name}.png" for p in DRAWN]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    page = built.index.read_text(encoding="utf-8")
    for path in english:
        ElementTree.parse(path)  # noqa: S314 - our own file
    for path in (*english, *pictures):
        assert f'href="{path.name}"' in page
    for width in ("wide", "narrow"):
        assert len(re.findall(rf'<svg class="fig {width}" [^>]*role="img"', page)) == len(DRAWN)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids)), "nothing on one page shares an id"


def test_the_page_theme_reaches_into_the_figures(built: ReportPaths) -> None:
    page = built.index.read_text(encoding="utf-8")
    for drawing in re.findall(r'<svg class="fig.*?</svg>', page, re.DOTALL):
        assert not any(color in drawing for color in THEME.values())
    assert ".fig text" in page
    assert "var(" not in (built.index.parent / "overhead.svg").read_text(encoding="utf-8")


def test_links_are_relative_and_escaped(built: ReportPaths) -> None:
    page = built.index.read_text(encoding="utf-8")
    assert 'href="../../runs/trials.jsonl"' in page
    assert 'href="../../a%23b.html"' in page
    assert "(<../../runs/trials.jsonl>)" in built.summary.read_text(encoding="utf-8")


def test_nothing_else_is_left_in_the_folder(built: ReportPaths) -> None:
    pages = {built.index.parent / name for name in PAGES.values()}
    assert set(built.index.parent.iterdir()) == {*pages, built.summary, *built.figures}
    assert {oct(p.stat().st_mode & 0o777) for p in built.figures} == {"0o644"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_in_both_languages_lead_to_each_other_and_the_summary_is_in_the_one_asked_for(
    tmp_path: Path, language: Language
) -> None:
    paths = build_report(make_input(blocks=2), tmp_path, language=language, plots=[])
    assert paths.index.name == PAGES[language]
    assert words(language)("overhead.title") in paths.summary.read_text(encoding="utf-8")
    for one in LANGUAGES:
        (other,) = set(LANGUAGES) - {one}
        page = (tmp_path / PAGES[one]).read_text(encoding="utf-8")
        assert f'<html lang="{one}">' in page
        assert f'<a href="{PAGES[other]}" hreflang="{other}" lang="{other}">' in page


def test_figures_with_korean_words_are_files_of_their_own(tmp_path: Path) -> None:
    paths = build_report(make_input(blocks=2), tmp_path, plots=[Plot("startup", startup.draw)])
    names = ["startup.svg", "startup.ko.svg"]
    assert [path.name for path in paths.figures] == [*names, "startup.png"]
    for language, own in zip(LANGUAGES, names, strict=True):
        page = (tmp_path / PAGES[language]).read_text(encoding="utf-8")
        assert re.findall(r'href="(startup[^"]*svg)"', page) == [own]
        assert words(language)("figure.startup.sizes") in (tmp_path / own).read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_bytes(built: ReportPaths, tmp_path: Path) -> None:
    again = build_report(make_input(blocks=4), tmp_path, plots=[Plot("overhead", overhead.draw)])
    for path in again.figures:
        assert path.read_bytes() == (built.index.parent / path.name).read_bytes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_figure_that_fails_does_not_lose_the_page(tmp_path: Path, language: Language) -> None:
    def fail(_summary: Summary, _words: Words, _width: float) -> Canvas | None:
        raise RuntimeError("<b>no such glyph</b>")

    paths = build_report(make_input(blocks=2), tmp_path, language=language, plots=[Plot("startup", fail)])
    why = "RuntimeError: <b>no such glyph</b>"
    assert paths.lost == {"startup": why}
    assert paths.figures == ()
    text = words(language)("page.figure_lost", name="startup", why=why)
    assert text.replace("<", "&lt;").replace(">", "&gt;") in paths.index.read_text(encoding="utf-8")


def test_an_old_report_stays_whole_until_the_new_one_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = build_report(make_input(blocks=2), tmp_path, plots=[])
    before = paths.index.read_bytes()

    def full(_self: Path, _target: Path) -> Path:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        build_report(make_input(blocks=3), tmp_path, plots=[])
    assert paths.index.read_bytes() == before
    assert set(tmp_path.iterdir()) == {paths.index, paths.index.with_name(PAGES["ko"]), paths.summary}


def test_numbers_survive_the_way_from_the_store_to_the_page(tmp_path: Path) -> None:
    """Stored, loaded, compared, written: what the page carries is what the comparison gives."""
    made = make_input(blocks=6)
    with RunWriter.create(tmp_path, made.manifest) as writer:
        for trial in made.trials:
            writer.append(trial)
    run = load_run(tmp_path / made.manifest.run)
    compared = compare_within(run, base="bare")
    given = ReportInput(run.manifest, tuple(run.trials()), tuple(compared), tuple(run.problems))
    page = build_report(given, tmp_path / "out", plots=[]).index.read_text(encoding="utf-8")
    assert compared
    for comparison in compared:
        if not comparison.primary:  # in the table of all metrics, which the page carries as text
            assert f"\t{comparison.runner}\t" in page
            assert numbers.cost(comparison.cost) in page
            continue
        key = html.escape(f"{comparison.workload}|{comparison.runner}|{comparison.metric}")
        row = page[page.index(f'data-key="{key}"') :].partition("</tr>")[0]
        found = [float(value) for value in re.findall(r'data-value="([^"]*)"', row)]
        given_numbers = [comparison.subject_value.value, comparison.base_value.value, comparison.cost.value]
        assert list(map(repr, found[:3])) == list(map(repr, given_numbers))
