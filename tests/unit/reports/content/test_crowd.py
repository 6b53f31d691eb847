import pytest
from msgspec.structs import replace

from support import synthetic
from support.crowds import TRIALS, ramp
from support.figures import Seen
from tare.reports.content.nodes import Table
from tare.reports.content.page import Page
from tare.reports.content.sections import crowd as section
from tare.reports.plots import density, starts
from tare.reports.plots.canvas import NARROW, WIDE
from tare.reports.summaries import crowd
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words


def page(trials=TRIALS, language="en", **fields):
    return Page(Summary(replace(synthetic.empty_input(), trials=trials)), words(language), **fields)


def tables(made):
    return [node for node in made.body if isinstance(node, Table)]


def test_starts_are_pooled_over_trials_and_sorted_by_runner_and_number():
    found = crowd.starts(page().summary)
    assert list(found) == ["bare", "namespaces"]
    assert [point.count for point in found["namespaces"]] == [2, 16]
    two = found["namespaces"][0]
    assert len(two.latencies) == 122
    assert two.latencies[-1] == pytest.approx(0.007)
    assert two.rates == (201.0, 204.0)
    assert two.rate == 202.5


def test_the_table_has_a_p99_only_where_there_are_enough_starts():
    rows = {(row[0].text, row[1].text): row for row in tables(section.section(page()))[0].rows}
    assert rows["namespaces", "2"][4].text == "5.00 ms"
    assert "100" in rows["namespaces", "16"][4].text
    assert rows["bare", "2"][3].value == pytest.approx(0.0003)
    assert ("bare-again", "2") not in rows


def test_the_density_table_shows_what_was_weighed_and_how_it_varied():
    table = tables(section.section(page()))[1]
    (row,) = table.rows
    assert row[1].text == "6–8"
    assert row[1].detail == "enough"
    pss = row[table.columns.index(words("en")("crowd.pss"))]
    assert (pss.value, pss.low, pss.high) == (35_000, 30_000, 40_000)
    assert words("en")("crowd.attendants") not in table.columns
    assert words("en")("crowd.daemons_idle") in table.columns


@pytest.mark.parametrize("module", [starts, density])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_figures_are_drawn(module, width):
    made = module.draw(Summary(replace(synthetic.empty_input(), trials=TRIALS)), words("en"), width)
    assert Seen(made).outside() == []
    assert len(Seen(made).named("circle")) > 3


def test_a_run_without_crowds_has_neither_section_nor_figures():
    nothing = Summary(synthetic.empty_input())
    assert section.section(page(trials=())) is None
    assert starts.draw(nothing, words("en"), WIDE) is None
    assert density.draw(nothing, words("en"), WIDE) is None


def test_a_ramp_that_saw_no_memory_still_has_its_starts():
    blind = ramp(0, "runsc", 4, 0)
    made = density.draw(Summary(replace(synthetic.empty_input(), trials=(blind,))), words("en"), WIDE)
    assert words("en")("figure.density.start") in Seen(made).texts


def test_numbers_in_names_are_sorted_by_value():
    summary = Summary(replace(synthetic.empty_input(), trials=TRIALS))
    assert [case.workload for case in summary.primary_values] == ["starts-2", "starts-16"]
    assert case_of(TRIALS[0]).label == "starts-16"
