"""Each rung against the one below it: pairing, missing rungs, branches; and what the report makes of it."""

import pytest

from support.results_making import manifest, metric, trial, write_run
from tare.bench.analysis.styles import runner_styles
from tare.reports.content.page import Page
from tare.reports.content.sections import ladder as section
from tare.reports.model import ReportInput
from tare.reports.plots import ladder as plot
from tare.reports.plots import style
from tare.reports.summaries.run import Summary
from tare.reports.summaries.runners import RunnerDisplay
from tare.reports.text.words import words
from tare.results.environment import ProbeRecord
from tare.results.judgement.rungs import rung_costs, rungs
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame
from tare.runners.containers.namespaces.ladder import ladder, ladder_rung, rung_record

COSTS = {"bare": 1.0, "namespaces:chroot": 1.1, "namespaces:+mount": 2.1, "namespaces": 2.3}


def probes(*names):
    return {
        name: ProbeRecord(ok=True, rung=rung_record(ladder_rung(name, root=True), root=True))
        for name in names
    }


def run(folder, costs, *, blocks=8, drift=0.5, nested=False, **changes):
    """Each runner's cost in each block, on a machine that drifts by a factor from block to block."""
    trials = []
    for block in range(blocks):
        for runner, cost in costs.items():
            number = len(trials)
            value = metric(cost * (1 + drift * (block % 3)) / 1000, primary=True)
            invocation = list(costs).index(runner) if nested else number
            trials.append(trial(number, value, runner=runner, block=block, invocation=invocation))
    asked = probes(*(name for name in costs if name != "bare"))
    return load_run(write_run(folder, trials, probes=asked, **changes))


def test_drift_cancels_and_each_rung_is_its_own_step(tmp_path):
    rises = {rise.runner: rise for rise in rung_costs(read_frame(run(tmp_path, COSTS)))}
    mount = rises["namespaces:+mount"]
    assert mount.below == "namespaces:chroot"
    assert mount.cost.value == pytest.approx(2.1 / 1.1)
    assert mount.cost.low == pytest.approx(2.1 / 1.1)
    assert mount.total.value == pytest.approx(2.1)
    assert mount.cost.n == 8
    assert mount.difference.low > 0


def test_without_drift_the_difference_is_exact(tmp_path):
    (first, *_) = rung_costs(read_frame(run(tmp_path, COSTS, drift=0.0)))
    assert (first.rung, first.below) == ("chroot", "bare")
    assert first.difference.value == pytest.approx(0.1e-3)


def test_a_rung_that_was_not_measured_is_passed_over(tmp_path):
    rises = rung_costs(read_frame(run(tmp_path, COSTS)))
    assert [(rise.rung, rise.below) for rise in rises] == [
        ("chroot", "bare"),
        ("mount", "namespaces:chroot"),
        ("seccomp", "namespaces:+mount"),
    ]


def test_branches_are_compared_with_where_they_leave(tmp_path):
    costs = {"bare": 1.0, "namespaces:+net": 2.0, "namespaces:+net-nat": 3.0, "namespaces:+cgroup": 2.2}
    rises = {rise.rung: rise.below for rise in rung_costs(read_frame(run(tmp_path, costs)))}
    assert rises == {"net": "bare", "net-nat": "namespaces:+net", "cgroup": "namespaces:+net"}


def test_where_an_invocation_holds_several_blocks_only_ratios_are_said(tmp_path):
    rises = rung_costs(read_frame(run(tmp_path, COSTS, nested=True)))
    assert all(rise.difference is None for rise in rises)
    assert rises[0].cost.low < rises[0].cost.value < rises[0].cost.high


def test_runners_that_stand_on_no_rung_climb_nothing():
    assert rungs(manifest(probes={})) == rungs(manifest(probes={"bare": ProbeRecord(ok=True)})) == ()


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
    assert plot.draw(page.summary, page.words) is None


def test_the_flight_of_steps_is_drawn_with_n_and_a_bar_for_each(tmp_path):
    page = page_of(tmp_path, COSTS)
    with style.styled():
        figure = plot.draw(page.summary, page.words)
        (axes,) = figure.get_axes()
        assert len(axes.patches) == 3
        assert axes.patches[1].get_x() == pytest.approx(axes.patches[0].get_x() + axes.patches[0].get_width())
        assert sum("n=8" in text.get_text() for text in axes.texts) == 3


def test_reports_show_the_rungs_from_the_ground_up():
    names = ladder(root=True)
    assert sorted(names, key=RunnerDisplay(runner_styles()).rank) == list(names)
