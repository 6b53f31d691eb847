"""From version 1: what was in notes is in fields; what is damaged there stays in notes, and nothing raises."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.mutilation import mutilated
from support.paths import GOLDEN
from tare.results.details import DeployDetails, IsolationDetails, StartsDetails
from tare.results.environment import EngineFacts, GuestFacts, HostFacts, LimitsUnverified, ToolFacts
from tare.results.errors import ResultError
from tare.results.record import Manifest, Trial
from tare.results.storage.from_version_1 import upgrade_manifest, upgrade_trial
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame

OLD = GOLDEN / "experiments-v1"
MANIFEST = msgspec.json.decode((OLD / "manifest.json").read_bytes())
TRIALS = [msgspec.json.decode(line) for line in (OLD / "trials.jsonl").read_bytes().splitlines()]


def upgraded(raw):
    return msgspec.json.decode(msgspec.json.encode(upgrade_trial(raw)), type=Trial)


def about(**notes):
    return msgspec.convert(upgrade_manifest(MANIFEST | {"notes": notes}), Manifest)


def with_notes(number, **notes):
    return TRIALS[number] | {"notes": TRIALS[number].get("notes", {}) | notes}


def test_what_is_given_is_not_changed():
    before = msgspec.json.encode([MANIFEST, *TRIALS])
    upgrade_manifest(MANIFEST)
    for raw in TRIALS:
        upgrade_trial(raw)
    assert msgspec.json.encode([MANIFEST, *TRIALS]) == before


def test_notes_beside_those_of_an_experiment_stay_as_texts():
    found = upgraded(with_notes(0, exit_code=0, log="end"))
    assert isinstance(found.details, StartsDetails)
    assert found.notes == {"exit_code": "0", "log": "end"}


@pytest.mark.parametrize(
    ("number", "damage"),
    [
        (0, {"bursts": [[[0, 1]]]}),
        (0, {"bursts": "none"}),
        (1, {"weights": [{"places": 1}]}),
        (1, {"start_seconds": ["soon"]}),
        (2, {"attempts": [{"name": "set-time", "verdict": "perhaps", "error": "", "tried": ""}]}),
        (2, {"fingerprint": [1]}),
        (2, {"same_kernel": None}),
        (3, {"layers": {"v1": [{"name": "base"}]}}),
        (3, {"read": 3}),
        (6, {"not_finite": ["nan"]}),
    ],
)
def test_damaged_notes_stay_notes(number, damage):
    found = upgraded(with_notes(number, **damage))
    assert found.details is None
    assert found.not_finite == ()
    for name, value in damage.items():
        assert found.notes[name] in (value, msgspec.json.encode(value).decode())


def test_a_number_of_threads_is_read_only_from_names_of_the_family():
    assert upgraded(TRIALS[5] | {"workload": "scale-many"}).details is None
    assert upgraded(TRIALS[5] | {"family": "other"}).details is None


def test_an_imported_run_keeps_its_source():
    old = {"file": "a.json", "sha256": "01", "format": "fio", "ignored_columns": ["x"], "fio version": "3"}
    found = about(imported=old).imported
    assert (found.file, found.format, found.ignored_columns) == ("a.json", "fio", ("x",))
    assert found.metadata == {"fio version": "3"}


def test_one_damaged_probe_takes_nothing_from_the_others():
    good = MANIFEST["notes"]["probes"]["namespaces:+mount"]
    found = about(probes={"good": good, "bad": 3}, limits={"bad": {"cpus": 1}, "lost": {"error": "gone"}})
    assert list(found.probes) == ["good"]
    assert found.limits == {"lost": LimitsUnverified(reason="gone")}
    assert found.notes == {"probes": '{"bad":3}', "limits": '{"bad":{"cpus":1}}'}


@pytest.mark.parametrize("name", ["probes", "limits", "resumed", "images", "imported"])
def test_damaged_notes_of_a_run_stay_notes(name):
    assert about(**{name: 3}).notes == {name: "3"}


def test_a_manifest_whose_notes_are_none_is_damaged(tmp_path):
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(MANIFEST | {"notes": 3}))
    with pytest.raises(ResultError, match="cut or damaged"):
        load_run(tmp_path)


@settings(deadline=None)
@given(st.data())
def test_no_mutilation_of_a_trials_notes_raises_or_loses_the_trial(data):
    raw = data.draw(st.sampled_from([one for one in TRIALS if "notes" in one]))
    notes = mutilated(data.draw, raw["notes"])
    found = upgrade_trial(raw | {"notes": notes})
    if isinstance(notes, dict):
        trial = msgspec.json.decode(msgspec.json.encode(found), type=Trial)
        assert trial.number == raw["number"]
    else:
        assert found["notes"] is notes


@settings(deadline=None)
@given(st.data())
def test_no_mutilation_of_a_manifests_notes_raises(data):
    notes = mutilated(data.draw, MANIFEST["notes"])
    if isinstance(notes, dict):
        msgspec.convert(upgrade_manifest(MANIFEST | {"notes": notes}), Manifest)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1000), st.binary(max_size=3)), max_size=3))
def test_damaged_lines_of_version_1_are_problems_and_both_readers_agree(damages):
    lines = (OLD / "trials.jsonl").read_bytes().splitlines(keepends=True)
    for which, where, junk in damages:
        line = lines[which]
        at = where % len(line)
        lines[which] = line[:at] + junk.replace(b"\n", b"") + line[at + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "manifest.json").write_bytes((OLD / "manifest.json").read_bytes())
        (path / "trials.jsonl").write_bytes(b"".join(lines))
        run = load_run(path)
        trials = list(run.trials())
        frame = read_frame(load_run(path))
    assert frame.trials["number"].tolist() == [one.number for one in trials]
    assert [one.line for one in frame.problems] == [one.line for one in run.problems]


def test_deploy_is_told_from_other_experiments_by_its_family():
    assert isinstance(upgraded(TRIALS[3]).details, DeployDetails)
    assert upgraded(TRIALS[3] | {"family": "other"}).details is None
    assert isinstance(upgraded(TRIALS[2]).details, IsolationDetails)


@pytest.mark.parametrize(
    ("facts", "typed", "notes"),
    [
        ({"cgroups": "v2"}, HostFacts(cgroups="v2"), {}),
        ({"tool": "runc 1.1", "origin": "system"}, ToolFacts(tool="runc 1.1", origin="system"), {}),
        ({"engine": "Docker 24", "more": [1]}, EngineFacts(engine="Docker 24"), {"more": "[1]"}),
        (
            {"accelerator_why": "TCG was asked for", "accelerator": "tcg"},
            GuestFacts(accelerator_why="TCG was asked for", accelerator="tcg"),
            {},
        ),
        ({"cgroups": 2}, None, {"cgroups": "2"}),
        ({"fake": True}, None, {"fake": "true"}),
        ({}, None, {}),
    ],
)
def test_facts_of_a_probe_are_typed_by_kind_of_runner(facts, typed, notes):
    found = about(probes={"box": {"ok": True, "facts": facts}}).probes["box"]
    assert found.ok
    assert found.facts == typed
    assert found.notes == notes
