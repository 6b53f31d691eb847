"""Sections of runs of older versions of the record: the same as of today's, and none for what is damaged."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.mutilation import mutilated
from support.paths import GOLDEN
from tare.reports.content.page import Page
from tare.reports.content.sections import sections
from tare.reports.model import ReportInput
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.record import FORMAT_VERSION, Trial
from tare.results.storage.from_version_1 import upgrade_trial
from tare.results.storage.load import load_run

OLD = GOLDEN / "experiments-v1"
TRIALS = [msgspec.json.decode(line) for line in (OLD / "trials.jsonl").read_bytes().splitlines()]


def page(manifest, trials):
    return Page(Summary(ReportInput(manifest, tuple(trials), ())), words("en"))


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION))
def test_sections_of_an_older_run_are_those_of_todays(version):
    old, new = (load_run(GOLDEN / f"experiments-v{one}") for one in (version, FORMAT_VERSION))
    made = sections(page(old.manifest, old.trials()))
    assert made == sections(page(new.manifest, new.trials()))
    names = {section.name for section in made}
    assert {"crowd", "isolation", "deploy", "scaling", "limits", "guests"} <= names


@settings(max_examples=40)
@given(st.data())
def test_mutilated_notes_leave_a_report(data):
    raws = [dict(raw) for raw in TRIALS]
    which = data.draw(st.sampled_from([raw for raw in raws if "notes" in raw]))
    notes = mutilated(data.draw, which["notes"])
    which["notes"] = notes if isinstance(notes, dict) else {}
    trials = [msgspec.convert(msgspec.to_builtins(upgrade_trial(raw)), Trial) for raw in raws]
    assert sections(page(load_run(OLD).manifest, trials))
