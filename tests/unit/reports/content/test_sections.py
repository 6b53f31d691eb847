"""Sections are built once for all forms of a report."""

import dataclasses

import msgspec

from support.synthetic import make_input
from tare.reports.content.nodes import Paragraph, Section
from tare.reports.content.page import Page
from tare.reports.content.sections import cpu, notes, sections
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


def test_more_cpu_time_inside_than_outside_is_explained_where_it_stands():
    given = make_input(blocks=2)

    def counted(inside):
        trial = next(
            t for t in given.trials if t.workload == "cpu" and "tcg" in t.runner and t.outcome == "ok"
        )
        metrics = tuple(
            msgspec.structs.replace(m, value=inside) if m.name in ("cpu.user", "cpu.system") else m
            for m in trial.metrics
        )
        changed = dataclasses.replace(given, trials=(msgspec.structs.replace(trial, metrics=metrics),))
        section = cpu.section(Page(Summary(changed), words()))
        return [node.text for node in section.body if isinstance(node, Paragraph)]

    assert len(counted(0.01)) == 1
    told = counted(40.0)[1]
    assert "80.0 s inside" in told
    assert "qemu" in told
