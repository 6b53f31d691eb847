"""Names that readers see: start-up for the workload null, bare (again) for the base's second measurement."""

import pytest

from support.synthetic import make_input
from support.verdicts import compared
from tare.reports.content import comparison, history
from tare.reports.content.nodes import Table
from tare.reports.content.page import Page
from tare.reports.content.sections import FULL, sections
from tare.reports.model import LANGUAGES
from tare.reports.render import changes, markdown
from tare.reports.summaries.cases import CaseKey
from tare.reports.summaries.names import case_name, runner_name, spoken_case
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.judgement.gate import gate
from tare.results.record import CONTROL

EN = words("en")


def test_start_up_is_called_so():
    assert spoken_case(CaseKey("null", ()), EN) == "start-up"
    assert spoken_case(CaseKey("null", (("n", "2"),)), EN) == "start-up [n=2]"
    assert case_name(CaseKey("null", ()), EN) == "start-up (null)"


def test_other_cases_and_runners_keep_their_names():
    case = CaseKey("disk-rand", (("bs", "4k"),))
    assert case_name(case, EN) == spoken_case(case, EN) == case.label == "disk-rand [bs=4k]"
    assert runner_name("runc", EN) == "runc"
    assert runner_name(CONTROL, EN) == "bare (again)"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_second_measurement_of_the_base_has_no_row_of_its_own(language):
    page = Page(Summary(make_input(blocks=4)), words(language))
    for section in sections(page, FULL):
        for node in section.body:
            cells = [cell for row in getattr(node, "rows", ()) for cell in row]
            assert not any(cell.text == CONTROL for cell in cells), section.name
    assert CONTROL not in markdown.render(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_comparisons_and_histories_call_start_up_so(language):
    spoken = words(language)
    name = case_name(CaseKey("null", ()), spoken)
    found = gate([compared("null", 1.5, "worse"), compared("cpu", 1.0, "same")])
    made = comparison.sections(comparison.Compared("one", "two", found), spoken)
    assert [row[0].text for row in tables(made)] == [name, "cpu"]
    assert f"| {name} |" in changes.markdown(changes.Changes("one", "two", found), spoken)
    run = history.PastRun("a", "", 0.0, "", 1.0, 0.9, 1.1, 9, "", "", 1.0)
    series = history.PastSeries("null", "launch.total", "s", "bare", "#000", (run,) * 8)
    assert [row[0].text for row in tables(history.sections([series], (), spoken))] == [name]


def tables(made):
    """Collect the rows of all tables of sections, those of folded ones included."""
    nodes = list(made)
    rows = []
    while nodes:
        node = nodes.pop(0)
        rows += node.rows if isinstance(node, Table) else ()
        nodes += getattr(node, "body", ())
    return rows
