from __future__ import annotations

import shutil

import msgspec
import pytest

from support.forgetting import forget
from support.paths import GOLDEN
from tare.results.errors import ResultError
from tare.results.record import FORMAT_VERSION
from tare.results.storage import load
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter
from tare.results.storage.upgrade import HISTORY, STEPS, Step, check_version, upgrade_manifest, upgrade_trial

NAMES = ("record", "experiments")
"""Golden runs, each there in every version."""


def test_every_version_has_a_history_a_golden_run_and_a_way_up():
    assert list(HISTORY) == list(range(1, FORMAT_VERSION + 1))
    assert list(STEPS) == list(range(1, FORMAT_VERSION))
    for name in NAMES:
        assert sorted(p.name for p in GOLDEN.glob(f"{name}-v*")) == sorted(f"{name}-v{v}" for v in HISTORY)


@pytest.mark.parametrize("version", HISTORY)
def test_golden_runs_of_every_version_are_read_whole(version):
    run = load_run(GOLDEN / f"record-v{version}")
    trials = list(run.trials())
    assert run.stored_format == version
    assert run.problems == []
    assert [t.outcome for t in trials] == ["ok", "ok", "ok", "timeout", "skipped"]


@pytest.mark.parametrize("version", HISTORY)
@pytest.mark.parametrize("name", NAMES)
def test_golden_runs_of_every_version_load_to_the_same_thing(name, version):
    old, new = (load_run(GOLDEN / f"{name}-v{one}") for one in (version, FORMAT_VERSION))
    assert old.manifest == new.manifest
    assert list(old.trials()) == list(new.trials())
    assert old.problems == new.problems == []


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_run_is_rewritten_byte_by_byte(name, tmp_path, monkeypatch):
    # Texts of the golden run that other tests said in this process would be recorded as said.
    forget(monkeypatch, fixed=True)
    golden = GOLDEN / f"{name}-v{FORMAT_VERSION}"
    run = load_run(golden)
    started = msgspec.structs.replace(run.manifest, status="running")
    with RunWriter.create(tmp_path, started) as writer:
        for trial in run.trials():
            writer.append(trial)
        writer.finish("complete")
        for file in ("manifest.json", "trials.jsonl"):
            assert (writer.path / file).read_bytes() == (golden / file).read_bytes()


def test_steps_are_taken_one_after_the_other():
    steps = {
        1: Step(lambda m: m | {"a": 1}, lambda t: t | {"x": "1"}),
        2: Step(lambda m: m | {"b": m["a"] + 1}, lambda t: t | {"x": t["x"] + "2"}),
    }
    assert upgrade_manifest({"format": 1}, steps=steps, current=3) == {"format": 3, "a": 1, "b": 2}
    assert upgrade_trial({}, 1, steps=steps, current=3) == {"x": "12"}
    assert upgrade_trial({"x": ""}, 2, steps=steps, current=3) == {"x": "2"}
    assert upgrade_trial({"x": ""}, 3, steps=steps, current=3) == {"x": ""}


def test_an_older_run_is_upgraded_while_it_is_read(tmp_path, monkeypatch):
    shutil.copytree(GOLDEN / f"record-v{FORMAT_VERSION}", tmp_path / "run")
    monkeypatch.setattr(load, "FORMAT_VERSION", FORMAT_VERSION + 1)
    monkeypatch.setattr(load, "upgrade_trial", lambda raw, _: raw | {"family": "renamed"})
    run = load_run(tmp_path / "run")
    assert {t.family for t in run.trials()} == {"renamed"}
    assert run.problems == []


def test_newer_and_impossible_versions_are_refused():
    with pytest.raises(ResultError, match="made by a newer tare"):
        check_version(2, "x", current=1)
    with pytest.raises(ResultError, match="never existed"):
        check_version(0, "x", current=1)
