"""The page in Chromium: 1300, 768 and 390 pixels wide, light and dark, and printed.

A few seconds for each mode. `nox -s browser` runs all of it, with axe-core from npm's registry.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import pytest

from support import browser
from support.results_making import trial
from support.synthetic import empty_input, make_input
from support.verdicts import compared, run_of
from tare.reports.build import build_report

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Literal

    from tare.reports.model import ReportInput

pytestmark = pytest.mark.skipif(
    browser.chromium() is None, reason="Chromium is not installed: `apt-get install chromium`"
)
needs_axe = pytest.mark.skipif(
    not browser.axe(), reason="TARE_AXE names no axe.min.js: `nox -s browser` does"
)

MODES = ("light", "dark")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(make_input(blocks=4), tmp_path_factory.mktemp("report")).index


@pytest.fixture(scope="module")
def seen(page: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, dict[str, Any]]]:
    """Look at the page once in each mode: mode → width → what was found."""
    folder = tmp_path_factory.mktemp("browser")
    return {mode: {one.width: one.facts for one in browser.look(page, folder, mode)} for mode in MODES}  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", browser.WIDTHS)
def test_the_page_fits_and_its_first_screen_answers(
    seen: dict[str, dict[int, dict[str, Any]]], width: int, mode: Literal["light", "dark"]
) -> None:
    found = seen[mode][width]
    assert found["dark"] is (mode == "dark")
    assert found["folded"] == found["unfolded"] == []
    assert found["scrolls"] <= 0
    assert found["headline"], "the headline is on the first screen"
    assert found["row"], "so is the first row of the matrix"
    assert all(found["cards"][:2]), "and so are the rows of two runners, whole"
    assert found["verdict"], "the verdict of a row is in view whole, without scrolling"
    assert found["letters"] > 9.5, "figures can be read"
    assert found["beyond"] <= 0, "all columns of the matrix are in view"


def test_the_script_lays_tables_out_filters_and_sorts(seen: dict[str, dict[int, dict[str, Any]]]) -> None:
    found = seen["light"][1300]
    assert found["sheets"] == 0, "opened sheets are tables"
    assert seen["light"][768]["unprinted"] == 0, "and so are printed ones"
    assert not any(one["ditto"] for one in seen["light"].values()), "whose cells are all there"
    assert set(found["names"]) == {""}, "names of rows are no numbers"
    assert found["bars"] > 2
    assert found["filtered"] == ["cpu-all|namespaces|sysbench.events"]
    assert found["families"] == ["Start-up", "CPU", "Memory", "Kernel", "Disk", "Applications"]
    assert set(found["family"]) == {"python"}
    assert found["sorted"] == sorted(found["sorted"])
    assert len(found["sorted"]) > 20
    assert found["choices"] == [], "no value is offered as a runner"


def test_the_script_copies_what_a_table_shows(seen: dict[str, dict[int, dict[str, Any]]]) -> None:
    markdown, csv = (text.splitlines() for text in seen["light"][1300]["copied"])
    assert markdown[0].startswith("| Workload | Runner | Median | bare | Cost ratio |")
    assert markdown[1].startswith("| --- | --- |")
    assert len(markdown) == len(csv) + 1 > 20
    assert markdown[2].startswith("| start-up (null) launch.total | namespaces |")
    assert csv[1].startswith("start-up (null) launch.total,namespaces,")
    assert not any("#" in line for line in csv), "permalinks are no part of a name"


def test_the_page_is_shown_without_complaint_and_printed_whole(page: Path, tmp_path: Path) -> None:
    assert browser.complaints(page, tmp_path) == []
    assert browser.printed(page, tmp_path).stat().st_size > 50_000


@needs_axe
@pytest.mark.parametrize("mode", MODES)
def test_axe_finds_nothing(seen: dict[str, dict[int, dict[str, Any]]], mode: str) -> None:
    assert {width: found["violations"] for width, found in seen[mode].items() if found["violations"]} == {}


@needs_axe
def test_axe_would_find_something(page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text("utf-8").replace("<h1>", '<img src="data:,"><h1>', 1), "utf-8")
    assert all("image-alt" in str(one.facts["violations"]) for one in browser.look(broken, tmp_path, "light"))


LOST = dataclasses.replace(run_of(), trials=(trial(0, outcome="failed", reason="no"),))
ODD: dict[str, ReportInput] = {
    "nothing": empty_input(),
    "all failed": LOST,
    "imported": run_of(compared("sort <b>", 1.5, "worse", runner="v2" * 20, base="v1"), mode="imported"),
    "twenty runners": run_of(
        *(
            compared(w, 1.0 + n, "worse", runner=f"namespaces:+rung-{n}")
            for n in range(20)
            for w in ("null", "cpu")
        )
    ),
    "interrupted": dataclasses.replace(
        make_input(blocks=2),
        manifest=msgspec.structs.replace(make_input(blocks=2).manifest, status="interrupted"),
    ),
    "hostile": make_input(blocks=2, hostile=True),
}


@needs_axe
@pytest.mark.parametrize("name", ODD)
def test_odd_runs_fit_as_well(tmp_path: Path, name: str) -> None:
    page = build_report(ODD[name], tmp_path / "out").index
    for one in browser.look(page, tmp_path, "light"):
        assert one.facts["folded"] == one.facts["unfolded"] == [], one.width
        assert one.facts["scrolls"] <= 0
        assert one.facts.get("violations", []) == []
    assert browser.complaints(page, tmp_path) == []
