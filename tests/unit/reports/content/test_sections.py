"""Sections are built once for all forms of a report."""

from support.synthetic import make_input
from tare.reports.content.nodes import Section
from tare.reports.content.page import Page
from tare.reports.content.sections import notes, sections
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words


def test_a_section_is_built_once_for_a_page():
    built = []

    def make(page):
        built.append(page)
        return Section("one", "One", ())

    def nothing(page):
        built.append(page)

    page = Page(Summary(make_input(blocks=2)), words())
    assert sections(page, (make, nothing)) == sections(page, (nothing, make)) == (Section("one", "One", ()),)
    assert built == [page, page]


def test_notes_are_numbered_once_and_each_says_where_it_holds():
    page = Page(Summary(make_input(blocks=2)), words())
    assert page.summary.note_numbers is page.summary.note_numbers
    numbers = page.summary.note_numbers
    assert list(numbers.values()) == list(range(1, len(numbers) + 1))
    places = notes._places_of_notes(page)
    assert places.keys() == numbers.keys()
    assert all(places.values())
