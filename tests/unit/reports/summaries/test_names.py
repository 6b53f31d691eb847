"""Names that readers see: start-up for the workload null, bare (again) for the base's second measurement."""

import pytest

from support.synthetic import make_input
from tare.reports.content.page import Page
from tare.reports.content.sections import FULL, sections
from tare.reports.model import LANGUAGES
from tare.reports.render import markdown
from tare.reports.summaries.cases import CaseKey
from tare.reports.summaries.names import case_name, runner_name, spoken_case
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
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
