"""The ladder's section and figure, from runs at known costs."""

import pytest

from support.figures import Seen
from support.ladder_runs import COSTS, run
from tare.bench.analysis.styles import runner_styles
from tare.reports.content.page import Page
from tare.reports.content.sections import ladder as section
from tare.reports.model import ReportInput
from tare.reports.plots import ladder as plot
from tare.reports.plots.canvas import NARROW, WIDE
from tare.reports.summaries.run import Summary
from tare.reports.summaries.runners import RunnerDisplay
from tare.reports.text.words import words
from tare.results.judgement.rungs import rung_costs
from tare.results.tables.frame import read_frame
from tare.runners.containers.namespaces.ladder import ladder


def page_of(folder, costs, language="en"):
    loaded = run(folder, costs)
    given = ReportInput(
        loaded.manifest, tuple(loaded.trials()), (), rung_costs=tuple(rung_costs(read_frame(loaded)))
    )
    return Page(Summary(given), words(language), frozenset({"ladder"}))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_section_has_a_row_for_each_rung(tmp_path, language):
    made = section.section(page_of(tmp_path, COSTS, language))
    table = next(node for node in made.body if hasattr(node, "rows"))
    assert [row[0].text.split(" ")[0] for row in table.rows] == ["chroot", "+mount", "+seccomp"]
    assert [row[1].text for row in table.rows] == ["bare", "chroot", "+mount"]
    assert table.rows[1][4].kind == "worse"


def test_one_rung_is_no_ladder(tmp_path):
    page = page_of(tmp_path, {"bare": 1.0, "namespaces": 2.0})
    assert section.section(page) is None
    assert plot.draw(page.summary, page.words, WIDE) is None


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_flight_of_steps_is_drawn_with_n_and_a_bar_for_each(tmp_path, width):
    page = page_of(tmp_path, COSTS)
    seen = Seen(plot.draw(page.summary, page.words, width))
    bars = [
        (float(one.get("x")), float(one.get("width")))
        for one in seen.named("rect")
        if one.get("height") == "14"
    ]
    assert len(bars) == 3
    assert bars[1][0] == pytest.approx(bars[0][0] + bars[0][1], abs=0.2)
    assert sum("n=8" in text for text in seen.texts) == 3
    assert seen.outside() == []


def test_reports_show_the_rungs_from_the_ground_up():
    names = ladder(root=True)
    assert sorted(names, key=RunnerDisplay(runner_styles()).rank) == list(names)
