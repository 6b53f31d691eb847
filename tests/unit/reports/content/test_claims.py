"""The ledger on the page and in the summary: verdicts beside the note's sentences, rules and measurements folded."""

import pytest
from msgspec.structs import replace

from support.claims import GUEST, kvm_unusable, looked
from support.results_making import manifest
from support.synthetic import empty_input, make_input
from tare.reports.content import ledger
from tare.reports.content.nodes import Details, Table
from tare.reports.content.page import Page
from tare.reports.content.sections import claims
from tare.reports.model import LANGUAGES
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.judgement.claims.declared import CLAIMS


def page(given, language="en"):
    return Page(Summary(given), words(language))


def table(section):
    return next(node for node in section.body if isinstance(node, Table))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_claim_has_a_row_and_a_fold_with_its_rule(language):
    made = claims.section(page(make_input(), language))
    assert [row[0].text for row in table(made).rows] == [claim.id for claim in CLAIMS]
    folds = [node for node in made.body if isinstance(node, Details)]
    assert len(folds) == len(CLAIMS)
    assert all("{" not in node.body[0].text for node in folds)


def test_the_note_s_own_sentence_stands_below_its_translation():
    original = words("ko")("claim.kernel-shared")
    rows = table(claims.section(page(make_input()))).rows
    assert any((row[1].detail, row[1].detail_language) == (original, "ko") for row in rows)
    assert any(row[1].text == original for row in table(claims.section(page(make_input(), "ko"))).rows)


def test_an_effect_that_does_not_count_says_so():
    (first, *_) = table(claims.section(page(make_input()))).rows
    assert first[2].text == "not measured here"
    assert "not counted: emulated guest (TCG)" in first[3].detail


def test_the_summary_has_only_what_was_judged_and_names_the_rest():
    made = claims.short(page(make_input()))
    assert [row[0].text for row in table(made).rows] == ["container-near-zero", "seconds-to-start"]
    assert "hypervisor-tax" in made.body[1].text
    assert "tare run -k claims" in made.body[1].text


def test_a_run_that_bears_on_no_claim_has_no_ledger():
    assert claims.section(page(empty_input())) is None
    assert claims.short(page(empty_input())) is None


def test_open_attempts_and_differing_facts_are_named_in_words():
    trials = (
        looked("bare", facts={"cpu.seen": 2}),
        looked("namespaces", opened=["reboot", "set-time"], facts={"cpu.seen": 1}),
        looked(GUEST, same_kernel=False, facts={"cpu.seen": 1}),
    )
    given = replace(empty_input(), manifest=manifest(probes=kvm_unusable()), trials=trials)
    found = {verdict.claim: verdict for verdict in Summary(given).claims}
    assert "reboot; set the clock" in str(claims.section(page(given)).body)
    assert "cpu.seen" in ledger.because(found["same-everywhere"], words("en"))
    assert found["kernel-shared"].outcome == "supported"
