"""What claims need can be measured, and is what ``-k`` selects by their ids."""

import pytest

from tare.bench.catalogue import ours
from tare.bench.request.keyword import compile_keyword
from tare.results.judgement.claims.declared import CLAIMS, EVERYTHING, selections

NAMES = {name for one in ours() for name in (one.name, one.family)}


def selected(expression):
    match = compile_keyword(expression, NAMES, selections())
    return {one.name for one in ours() if match((one.name, one.family))}


def test_what_claims_need_is_in_the_catalogue():
    assert {need for claim in CLAIMS for need in claim.needs} <= NAMES


def test_no_word_of_the_ledger_is_a_name_of_something_else():
    assert selections().keys().isdisjoint(NAMES)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_s_id_selects_what_its_rule_reads(claim):
    chosen = selected(claim.id)
    assert chosen
    assert chosen == {one.name for one in ours() if {one.name, one.family} & set(claim.needs)}
    assert chosen <= selected(EVERYTHING)


def test_words_of_the_ledger_combine_with_others():
    assert selected(f"{EVERYTHING} and not deploy") == {
        name for name in selected(EVERYTHING) if not name.startswith("deploy")
    }
    everything = {
        "isolation",
        "density",
        "deploy-python",
        "cpu",
        "null",
        "neighbours-forks",
        "services-places",
    }
    assert everything <= selected(EVERYTHING)
    assert not {"scale-2", "neighbours-cpu-in-bare"} & selected(EVERYTHING)
