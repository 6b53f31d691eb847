"""Pages of all kinds in Chromium: in both languages, 1300, 768 and 390 pixels wide, light and dark, and printed.

`nox -s browser` has axe-core judge them as well, which npm's registry has, and opens odd runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from support import browser
from support.pages import KINDS, write_pages
from support.results_making import trial
from support.synthetic import empty_input, make_input
from support.verdicts import compared, run_of
from tare.reports.build import build_report
from tare.reports.content.nodes import Cell, Paragraph, Picture, Section, Table
from tare.reports.model import LANGUAGES
from tare.reports.plots import Drawing
from tare.reports.plots.canvas import WIDE, Canvas
from tare.reports.render.html import packing
from tare.reports.render.html.render import Document, render_document
from tare.reports.text.words import words
from tare.results.storage.load import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tare.reports.model import Language, ReportInput

    Pages = dict[tuple[str, Language], Path]

pytestmark = pytest.mark.skipif(
    browser.chromium() is None, reason="Chromium is not installed: `apt-get install chromium`"
)
needs_axe = pytest.mark.skipif(
    not browser.axe(), reason="TARE_AXE names no axe.min.js: `nox -s browser` does"
)

PHONE = browser.WIDTHS[-1]

FITS = """
const found = { width: innerWidth, headline: inView(document.querySelector("h1")), folded: wide(".scroll, pre, .skip, svg") };
document.querySelectorAll("details").forEach((one) => { one.open = true; });
await new Promise((done) => setTimeout(done, 50));
found.unfolded = wide(".scroll, pre, .skip, svg");
found.scrolls = document.documentElement.scrollWidth - innerWidth;
found.broken = broken();
// A narrow page lays these out as cards, all of which it shows.
found.cut = [...document.querySelectorAll("table:is(.matrix, .costs, .changes, .classes, .runs)")]
  .map((one) => one.closest(".scroll")).filter((one) => one.scrollWidth > one.clientWidth).map(spot);
return found;
"""

PRINTED = """
// The printer does not wait: what is folded is laid out when it asks.
dispatchEvent(new Event("beforeprint"));
return {
  wide: wide(".skip, svg"),
  scrolls: document.documentElement.scrollWidth - innerWidth,
  sheets: document.querySelectorAll("pre.sheet").length,
  folded: [...document.querySelectorAll("details:not([open])")].map(spot),
  controls: [...document.querySelectorAll("button, select, input")].filter((one) => shown(one) && !one.closest("thead")).map(spot),
};
"""

FIRST_SCREEN = """
return {
  // How much of the matrix one sees without scrolling.
  rows: [...document.querySelectorAll("table.matrix tbody tr")].filter(shown).map(inView),
  beyond: document.querySelector(".scroll.matrix").scrollWidth - document.querySelector(".scroll.matrix").clientWidth,
};
"""

OUT_OF_SIGHT = """
const columns = [...document.querySelectorAll("TABLE thead th")].map((one) => one.textContent.trim());
const wanted = WANTED.map((one) => columns.findIndex((each) => each.startsWith(one)));
document.querySelectorAll("details").forEach((one) => { one.open = true; });
const rows = [...document.querySelectorAll("TABLE tbody tr")].map((row) => wanted.map((at) => row.cells[at]));
return { rows: rows.length, out: rows.flat().filter((one) => !one || !shown(one) || !within(one)).map((one) => one ? spot(one) : "none") };
"""

LETTERS = """
// Letters are as large as the figure is drawn; those of the figure for another width are not shown at all.
return Math.min(...[...document.querySelectorAll(".fig text")].map((one) => {
  const drawn = one.ownerSVGElement.getBoundingClientRect().width;
  return drawn && parseFloat(getComputedStyle(one).fontSize) * drawn / one.ownerSVGElement.viewBox.baseVal.width;
}).filter(Boolean));
"""

USED = """
const found = {};
document.querySelectorAll("details").forEach((one) => { one.open = true; });
await new Promise((done) => setTimeout(done, 100));
found.sheets = document.querySelectorAll("pre.sheet").length;
found.names = [...document.querySelectorAll("table.laid tbody th")].map((one) => one.className);
found.ditto = document.querySelector("main").textContent.includes("〃");
found.bars = document.querySelectorAll(".bar").length;
// Only columns of runners are chosen from, whatever the second column of a table holds.
const offered = [...document.querySelectorAll(".bar select")].flatMap((one) => [...one.options].map((each) => each.value));
found.choices = offered.filter((each) => /\\d+ (ms|µs|ns)$/.test(each));
const search = document.querySelector("#overhead .bar input");
const rows = [...document.querySelector("#overhead table.data").tBodies[0].rows];
search.value = "namespaces cpu-all";
search.oninput();
found.filtered = rows.filter((row) => !row.hidden).map((row) => row.dataset.key);
search.value = "";
search.oninput();
const family = document.querySelector("#overhead .bar select");
found.families = [...family.options].map((one) => one.value).filter(Boolean);
family.value = found.families.at(-1);
family.onchange();
found.family = rows.filter((row) => !row.hidden).map((row) => row.dataset.key.split("|")[0]);
family.value = "";
family.onchange();
document.execCommand = () => { found.copied.push(document.querySelector("body > textarea").value); };
found.copied = [];
[...document.querySelectorAll("#overhead .bar button")].slice(0, 2).forEach((one) => one.onclick());
// A name that a spreadsheet would compute, and that ends a cell of Markdown.
const named = rows[0].cells[0].firstChild, plain = named.textContent;
named.textContent = "=1|<b>";
[...document.querySelectorAll("#overhead .bar button")].slice(0, 2).forEach((one) => one.onclick());
named.textContent = plain;
found.inert = found.copied.splice(2).map((one) => one.split("\\n").find((line) => line.includes("=1")));
found.permalinks = rows.map((row) => row.querySelector(".permalink").ariaLabel);
document.querySelectorAll("#overhead table.data thead button")[4].onclick();
found.sorted = [...document.querySelector("#overhead table.data").tBodies[0].rows].map((row) => Number(row.cells[4].dataset.value));
return found;
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with browser.running(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return write_pages(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def used(chromium: browser.Browser, pages: Pages) -> dict[str, Any]:
    chromium.open(pages["report", "en"], 1300)
    found: dict[str, Any] = chromium.look(USED)
    return found


@pytest.mark.parametrize("width", browser.WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_each_kind_fits(
    chromium: browser.Browser, pages: Pages, kind: str, language: Language, width: int
) -> None:
    judge(chromium, pages[kind, language], width)


def judge(chromium: browser.Browser, page: Path, width: int) -> None:
    """Open a page, look at it folded and unfolded, light and dark, and read its console."""
    chromium.open(page, width)
    found = chromium.look(FITS)
    assert found["width"] == width
    assert found["headline"], "the answer is on the first screen"
    assert found["folded"] == found["unfolded"] == []
    assert found["scrolls"] <= 0
    assert found["broken"] == [], "names end their lines between words"
    if width == PHONE:
        assert found["cut"] == []
    for mode in browser.MODES:
        chromium.paint(mode)
        assert chromium.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is (mode == "dark")
        assert chromium.violations(*(browser.CONTRAST if mode == "dark" else ())) == [], mode
    assert chromium.complaints == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_each_kind_is_printed_whole(
    chromium: browser.Browser, pages: Pages, kind: str, language: Language
) -> None:
    chromium.open(pages[kind, language], browser.PAPER, media="print")
    found = chromium.look(PRINTED)
    assert found == {"wide": [], "scrolls": 0, "sheets": 0, "folded": [], "controls": []}
    assert len(chromium.printed()) > 10_000


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", browser.WIDTHS)
def test_the_first_screen_shows_the_matrix(
    chromium: browser.Browser, pages: Pages, width: int, language: Language
) -> None:
    chromium.open(pages["report", language], width)
    found = chromium.look(FIRST_SCREEN)
    assert all(found["rows"][:2]), "the rows of two runners are on it, whole"
    assert found["beyond"] <= 0, "and so are all of their columns"
    assert chromium.look(f"{browser.UNFOLD} {LETTERS}") > 9.5, "figures can be read"


@pytest.mark.parametrize(
    ("kind", "table", "columns"),
    [
        ("report", "table.costs", ("Cost ratio", "Verdict")),
        ("comparison", "table.changes", ("Cost", "Verdict")),
        ("ab", "table.changes", ("Cost", "Verdict")),
        ("fleet", "table.classes", ("Cost",)),
    ],
)
@pytest.mark.parametrize("width", browser.WIDTHS)
def test_tables_keep_ratio_and_verdict_in_view(
    chromium: browser.Browser, pages: Pages, kind: str, table: str, columns: tuple[str, ...], width: int
) -> None:
    chromium.open(pages[kind, "en"], width)
    wanted = msgspec.json.encode(columns).decode()
    found = chromium.look(OUT_OF_SIGHT.replace("TABLE", table).replace("WANTED", wanted))
    assert found["out"] == []
    assert found["rows"] > 1


def test_the_script_lays_tables_out_filters_and_sorts(used: dict[str, Any]) -> None:
    assert used["sheets"] == 0, "opened sheets are tables"
    assert not used["ditto"], "whose cells are all there"
    assert set(used["names"]) == {""}, "names of rows are no numbers"
    assert used["bars"] > 2
    assert used["filtered"] == ["cpu-all|namespaces|sysbench.events"]
    assert used["families"] == ["Start-up", "CPU", "Memory", "Kernel", "Disk", "Applications"]
    assert set(used["family"]) == {"python"}
    assert used["sorted"] == sorted(used["sorted"])
    assert len(used["sorted"]) > 20
    assert used["choices"] == [], "no value is offered as a runner"


def test_the_script_copies_what_a_table_shows(used: dict[str, Any]) -> None:
    markdown, csv = (text.splitlines() for text in used["copied"])
    assert markdown[0].startswith("| Workload | Runner | Median | bare | Cost ratio |")
    assert markdown[1].startswith("| --- | --- |")
    assert len(markdown) == len(csv) + 1 > 20
    assert markdown[2].startswith("| start-up (null) launch.total | namespaces |")
    assert csv[1].startswith("start-up (null) launch.total,namespaces,")
    assert not any("#" in line for line in csv), "permalinks are no part of a name"
    inert_markdown, inert_csv = used["inert"]
    assert inert_markdown.startswith("| =1\\|\\<b> ")
    assert inert_csv.startswith("'=1|<b> ")


def test_each_permalink_says_whose_row_it_is(used: dict[str, Any]) -> None:
    assert len(used["permalinks"]) == len(set(used["permalinks"])) > 20
    assert used["permalinks"][0] == "# start-up (null) launch.total namespaces"


def test_what_is_packed_is_there_for_readers_and_printers(
    chromium: browser.Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [(Cell(f"row {n}"), Cell("95 % <b>")) for n in range(9)]
    sheet = Table("all", ("Workload", "Runner"), tuple(cells), form="sheet")
    figure = Canvas(WIDE)
    figure.text(0, 10, "drawn")
    page = Document(
        words("en"), "", "", (Section("data", "Data", (sheet, Picture("one", "alt", "caption"))),), "", {"one": Drawing(figure, figure)}
    )  # fmt: skip
    monkeypatch.setattr(packing, "PACKED_FROM", 100)
    text = render_document(page)
    assert text.count('class="packed"') == 2
    (tmp_path / "packed.html").write_text(text, "utf-8")
    chromium.open(tmp_path / "packed.html", PHONE)
    found = chromium.look(f"""
    await new Promise((done) => setTimeout(done, 100));
    const before = document.querySelector("pre.sheet").textContent;
    {browser.UNFOLD}
    return {{
      before, left: document.querySelectorAll(".packed, pre").length, figures: document.querySelectorAll("svg.fig").length,
      rows: [...document.querySelectorAll("table.laid tbody tr")].map((row) => [...row.cells].map((one) => one.textContent)),
    }};""")
    assert found["before"].startswith("Workload\tRunner\nrow 0\t95\N{NO-BREAK SPACE}% <b>\nrow 1\t〃\n")
    assert found["left"] == 0
    assert found["figures"] == 2
    assert found["rows"] == [[f"row {n}", "95\N{NO-BREAK SPACE}% <b>"] for n in range(9)]
    assert chromium.complaints == []


POINTED = """
const svg = document.querySelector(".chart svg");
const dot = [...svg.querySelectorAll("circle")].reduce((one, other) => (other.cy.baseVal.value < one.cy.baseVal.value ? other : one));
svg.scrollIntoView({ block: "center", behavior: "instant" });
const box = dot.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
svg.onpointermove({ clientX: x, clientY: y });
const told = svg.nextElementSibling;
return {
  told: told.textContent,
  covers: told.getBoundingClientRect().top < svg.getBoundingClientRect().bottom - 1,
  reached: document.elementFromPoint(x, y).closest("svg") === svg,
};
"""


@pytest.mark.parametrize("width", browser.WIDTHS)
def test_what_a_point_says_covers_no_point(chromium: browser.Browser, pages: Pages, width: int) -> None:
    chromium.open(pages["history", "en"], width)
    found = chromium.look(POINTED)
    assert "quartiles" in found["told"]
    assert not found["covers"]
    assert found["reached"], "a click leads to the run's report"


def test_all_metrics_fit_on_a_wide_page_and_every_row_names_its_own(
    chromium: browser.Browser, pages: Pages
) -> None:
    chromium.open(pages["report", "en"], 1300)
    found = chromium.look(f"""
    {browser.UNFOLD}
    const table = document.querySelector("#overhead table.laid"), region = table.closest(".scroll");
    return {{
      beyond: region.scrollWidth - region.clientWidth,
      nameless: [...table.tBodies[0].rows].map((row) => row.cells[0].textContent).filter((one) => !one.includes("(")),
      bounds: table.tBodies[0].querySelectorAll("td.number small").length,
    }};""")
    assert found["beyond"] <= 0
    assert found["nameless"] == []
    assert found["bounds"] > 20


def test_no_line_ends_within_options_dates_runs_and_quantities(
    chromium: browser.Browser, tmp_path: Path
) -> None:
    text = "run 20261127-181906-4wk1z of 2026-11-27 by “tare run --budget 6m -k claims” in 25 min with n = 2"
    page = Document(words("en"), "", "", (Section("data", "Data", (Paragraph(text),)),), "")
    (tmp_path / "kept.html").write_text(render_document(page), "utf-8")
    chromium.open(tmp_path / "kept.html", PHONE)
    parted = chromium.look(f"""
    {browser.UNFOLD}
    const told = document.querySelector("#data p"), found = [];
    for (let width = 190; width < 400; width += 3) {{
      told.style.width = `${{width}}px`;
      for (const one of told.querySelectorAll(".unbroken")) if (one.getClientRects().length > 1) found.push(one.textContent);
    }}
    return [found, [...told.querySelectorAll(".unbroken")].map((one) => one.textContent), told.textContent];""")
    assert parted == [
        [],
        ["20261127-181906-4wk1z", "2026-11-27", "--budget", "-k"],
        text.replace("25 min", "25\xa0min").replace("n = 2", "n\xa0=\xa02"),
    ]


@pytest.mark.parametrize("width", browser.WIDTHS)
def test_the_list_of_runs_fits_and_names_what_cards_hold(
    chromium: browser.Browser, pages: Pages, width: int
) -> None:
    chromium.open(pages["index", "en"], width)
    found = chromium.look("""
    const table = document.querySelector("table.runs"), region = table.closest(".scroll");
    const heads = [...table.tHead.rows[0].cells].map((one) => one.textContent.trim());
    const cells = [...table.tBodies[0].rows[0].cells].map((one) => getComputedStyle(one, "::before").content.replaceAll('"', ""));
    return { beyond: region.scrollWidth - region.clientWidth, heads: heads.slice(1), cells: cells.slice(1) };""")
    assert found["beyond"] <= 0
    assert found["cells"] == (found["heads"] if width == PHONE else ["none"] * len(found["heads"]))


def test_faults_would_be_found(chromium: browser.Browser, pages: Pages, tmp_path: Path) -> None:
    text = pages["ab", "en"].read_text("utf-8")
    faults = (
        '<p style="width: 200rem">wide</p><p style="width: 2rem; word-break: break-all">uninterrupted</p>'
    )
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("<main", f"{faults}<img src='x:'><script>1</script><main", 1), "utf-8")
    chromium.open(broken, PHONE)
    found = chromium.look(FITS)
    assert found["folded"] == ["P  wide"]
    assert found["scrolls"] > 0
    assert found["broken"] == ["uninterrupted"]
    assert any("script" in one for one in chromium.complaints)
    assert not browser.axe() or any("image-alt" in one for one in chromium.violations())


LOST = msgspec.structs.replace(run_of(), trials=(trial(0, outcome="failed", reason="no"),))
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
    "interrupted": msgspec.structs.replace(
        make_input(blocks=2),
        manifest=msgspec.structs.replace(make_input(blocks=2).manifest, status="interrupted"),
    ),
    "hostile": make_input(blocks=2, hostile=True),
    "damaged": msgspec.structs.replace(
        make_input(blocks=2),
        problems=(Problem(3, "cut", "the last line has no end", '{"run":"' + "x" * 300),),
    ),
}


ENDLESS = run_of(
    compared("A" * 300, 1.5, "worse", runner="x" * 200),
    compared("작업" * 100, 1.5, "worse", runner="x" * 200),
)
"""Names without a joint, which are broken somewhere wherever they stand."""


@pytest.mark.parametrize("given", [ENDLESS, ODD["damaged"]], ids=["names", "damaged line"])
def test_endless_texts_fit_on_a_phone_and_on_paper(
    chromium: browser.Browser, tmp_path: Path, given: ReportInput
) -> None:
    page = build_report(given, tmp_path / "out").index
    chromium.open(page, PHONE)
    found = chromium.look(FITS)
    assert found["folded"] == found["unfolded"] == []
    chromium.open(page, browser.PAPER, media="print")
    assert chromium.look(PRINTED)["wide"] == []


@needs_axe
@pytest.mark.parametrize("name", ODD)
def test_odd_runs_fit_as_well(chromium: browser.Browser, tmp_path: Path, name: str) -> None:
    page = build_report(ODD[name], tmp_path / "out").index
    for width in browser.WIDTHS:
        judge(chromium, page, width)
