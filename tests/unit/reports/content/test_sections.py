"""Sections are built once for all forms of a report."""

import msgspec

from support.synthetic import make_input
from tare.reports.content.nodes import Paragraph, Section
from tare.reports.content.page import Page
from tare.reports.content.sections import cpu, method, notes, sections
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.plan import PlanRecord, RequestRecord


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
        changed = msgspec.structs.replace(given, trials=(msgspec.structs.replace(trial, metrics=metrics),))
        section = cpu.section(Page(Summary(changed), words()))
        return [node.text for node in section.body if isinstance(node, Paragraph)]

    assert len(counted(0.01)) == 1
    told = counted(40.0)[1]
    assert "80.0 s inside" in told
    assert "qemu" in told


def told_of_precision(precise, language="en", plan=True):
    given = make_input(blocks=2)
    recorded = PlanRecord(
        mode="default", seed=7, precision=0.01, job_seconds=0.05, warmups=False, budget_seconds=60, estimate_seconds=60,
        cheap=("bare",), cases=(), request=RequestRecord(settings={}, mode="default"),
    )  # fmt: skip
    manifest = msgspec.structs.replace(
        given.manifest, plan=msgspec.to_builtins(recorded) if plan else {}, precise_after_blocks=precise
    )
    page = Page(Summary(msgspec.structs.replace(given, manifest=manifest)), words(language))
    return [item.text for item in method.section(page).body[0].items if "±" in item.text]


def test_what_became_as_narrow_as_was_aimed_at_is_told():
    (told,) = told_of_precision({"null": 40, "cpu@qemu-microvm": 12})
    assert "±1 %" in told
    assert "start-up 40, cpu (qemu-microvm) 12." in told
    (told,) = told_of_precision({"null": 40}, "ko")
    assert "±1%" in told
    assert not told_of_precision({})
    assert not told_of_precision({"null": 40}, plan=False)
