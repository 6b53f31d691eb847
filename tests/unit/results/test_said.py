"""A sentence goes its way as a plain text, and what it was made of is found by the text and recorded beside it."""

import msgspec
import pytest

from support.forgetting import forget
from support.results_making import manifest, trial
from tare.results import said
from tare.results.details import DeployDetails, ImageRead
from tare.results.origins import Said, origin, origins
from tare.results.said import listed, say
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter


def test_a_sentence_is_a_plain_text_that_remembers_its_code_and_values():
    text = say("test.lost", "{n} of {what} lost", n=3, what="trials")
    assert type(text) is str
    assert text == "3 of trials lost"
    assert origin(text) == Said("test.lost", {"n": "3", "what": "trials"})
    assert origin("never said") is None


def test_origins_of_a_record_hold_those_of_the_texts_within_texts(monkeypatch):
    monkeypatch.setattr(said, "_fixed", {})  # other tests import modules that say such things as "none"
    inner = say("test.inner", "an inner reason")
    outer = say("test.outer", "outside: {why}", why=inner)
    found = origins([{"deep": [outer, 7, None]}, trial(0, reason="of nobody")])
    assert found == {outer: Said("test.outer", {"why": inner}), inner: Said("test.inner", {})}


def test_texts_in_a_row_are_remembered_one_by_one():
    parts = [say("test.lost", "{n} of {what} lost", n=n, what="pings") for n in (1, 2, 3)]
    row = listed(parts)
    assert row == "1 of pings lost; 2 of pings lost; 3 of pings lost"
    assert set(parts) < origins([row]).keys()
    assert listed(parts[:1]) == parts[0]
    assert listed([]) == ""


def test_the_oldest_texts_are_forgotten_first_but_those_of_modules_never(monkeypatch):
    forget(monkeypatch)
    monkeypatch.setattr(said, "KEPT", 1)
    monkeypatch.setattr(said, "MOST_REMEMBERED", 2)
    say("test.constant", "a constant of {n}", n=7)
    for n in range(3):
        say("test.count", "number {n}", n=n)
    say("test.count", "number {n}", n=1)
    say("test.count", "number {n}", n=4)
    assert [origin(f"number {n}") is not None for n in range(5)] == [False, True, False, False, True]
    assert origin("a constant of 7")
    say("test.other", "a constant of {n}", n=7)
    assert origin("a constant of 7").code == "test.other"


@pytest.fixture
def stored(tmp_path):
    """Store a run whose texts were said, in its manifest, a reason and a finding."""
    state = say("test.state", "{n} in use", n=2)
    reason, remedy = say("test.reason", "It is missing."), say("test.remedy", "Fetch it.")
    method = say("test.method", "by counting")
    about = manifest(host={"conditions": [{"name": "swap", "state": state}]})
    with RunWriter.create(tmp_path, about) as writer:
        writer.append(trial(0, outcome="skipped", reason=reason, remedy=remedy))
        writer.append(trial(1, details=DeployDetails(read=ImageRead(method=method))))
        writer.append(trial(2, 1.0))
        writer.finish("complete")
    return load_run(tmp_path / about.run)


def test_a_stored_run_has_what_its_texts_were_made_of(stored):
    assert stored.manifest.said == {"2 in use": Said("test.state", {"n": "2"})}
    skipped, found, plain = stored.trials()
    assert skipped.said == {"Fetch it.": Said("test.remedy"), "It is missing.": Said("test.reason")}
    assert found.said == {"by counting": Said("test.method")}
    assert plain.said == {}
    assert b"said" not in msgspec.json.encode(plain)


def test_texts_of_contexts_are_recorded_with_the_first_trial_that_has_them(tmp_path):
    disk = say("test.disk", "ext4 on {what}", what="a disk")
    contexts = (
        {"scratch": disk, "cpus": 2},
        {"scratch": disk},
        {"scratch": say("test.disk", "ext4 on {what}", what="tmpfs")},
    )
    with RunWriter.create(tmp_path, manifest()) as writer:
        stored = [writer.append(trial(n, 1.0, context=context)) for n, context in enumerate(contexts)]
    assert [one.said for one in stored] == [
        {"ext4 on a disk": Said("test.disk", {"what": "a disk"})}, {}, {"ext4 on tmpfs": Said("test.disk", {"what": "tmpfs"})}
    ]  # fmt: skip
