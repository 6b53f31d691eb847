"""Durations of starts have the same digits everywhere on a page."""

from support.synthetic import make_input
from tare.reports.content.nodes import Table
from tare.reports.content.page import Page
from tare.reports.content.sections import startup
from tare.reports.summaries.run import Summary
from tare.reports.text import numbers
from tare.reports.text.words import words


def decimals(text):
    return len(text.split()[0].partition(".")[2])


def ends_of(section, words):
    """Give the end-to-end durations of all tables of a section, by runner."""
    heads = {words("startup.end_to_end"), words("column.p50")}
    for table in (node for node in section.body if isinstance(node, Table)):
        for at in (at for at, head in enumerate(table.columns) if head in heads):
            for row in table.rows:
                yield row[0].text, row[at].text


def test_the_end_to_end_duration_has_the_digits_of_the_median_that_is_judged():
    page = Page(Summary(make_input(blocks=20)), words())
    judged = {
        runner: numbers.quantity(found.value, "s", width=numbers.width_of(found))
        for one in page.summary.primary
        if one.metric == "launch.total"
        for runner, found in ((one.base, one.base_value), (one.runner, one.subject_value))
    }
    shown = [*ends_of(startup.section(page), page.words)]
    assert len(shown) == 2 * len(judged)
    assert [(runner, decimals(text)) for runner, text in shown] == [
        (runner, decimals(judged[runner])) for runner, _ in shown
    ]
