"""Baselines: what may become one, and what is refused on which host, and why."""

import dataclasses
import datetime
import json

import pytest

from support.results_making import metric, trial, write_run
from tare.bench.__main__ import main
from tare.bench.analysis import baselines
from tare.bench.analysis.baselines import ThisHost
from tare.runners.errors import UsageError
from tare.runners.host.facts import context_facts, host_class

FACTS = {
    "cpu": {"model": "Example 9000", "allowed": 2},
    "kernel": {"release": "6.1", "machine": "x86_64"},
    "memory": {"class_gib": 8},
    "virtualisation": {"kind": "kvm"},
}
NOW = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
HERE = ThisHost(host_class(FACTS), context_facts(FACTS), NOW)


@pytest.fixture
def make(tmp_path):
    def run(outcome="ok", **changes):
        about = {
            "host": FACTS,
            "context": context_facts(FACTS) | {"image": "x"},
            "status": "complete",
            "name": "good",
        }
        values = [metric(1.0, primary=True)] if outcome == "ok" else []
        return write_run(tmp_path / "runs", [trial(0, *values, outcome=outcome)], **about | changes)

    return run


def refusals(tmp_path, here):
    (one,) = baselines.all_baselines(tmp_path / "kept", here)
    return " ".join(one.refusals)


def test_saved_listed_and_used(make, tmp_path):
    path = baselines.save(make(), tmp_path / "kept")
    assert path == tmp_path / "kept" / HERE.host_class / "good"
    assert refusals(tmp_path, HERE) == ""
    with pytest.raises(UsageError, match="no baseline is in use"):
        baselines.used_here(tmp_path / "kept", HERE)
    baselines.use("good", tmp_path / "kept", HERE)
    assert baselines.used_here(tmp_path / "kept", HERE) == path
    assert [one.used for one in baselines.all_baselines(tmp_path / "kept", HERE)] == [True]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": "quick"}, "quick runs never are"),
        ({"mode": "imported"}, "imported"),
        ({"status": "interrupted"}, "--resume"),
        ({"outcome": "failed"}, "no trial in it is ok"),
        ({"name": "../x"}, "not a name for a baseline"),
    ],
)
def test_unfit_runs_are_refused_and_leave_nothing(make, tmp_path, changes, says):
    with pytest.raises(UsageError, match=says):
        baselines.save(make(**changes), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_baseline_is_never_overwritten(make, tmp_path):
    run = make()
    baselines.save(run, tmp_path / "kept")
    with pytest.raises(UsageError, match="already"):
        baselines.save(run, tmp_path / "kept")


def test_foreign_and_stale_ones_are_refused_with_the_reason(make, tmp_path):
    baselines.save(make(), tmp_path / "kept")
    other = FACTS | {"cpu": {"model": "Other", "allowed": 2}}
    foreign = ThisHost(host_class(other), context_facts(other), NOW)
    assert "foreign" in refusals(tmp_path, foreign)
    old = dataclasses.replace(HERE, now=NOW + datetime.timedelta(days=200))
    assert "days old, more than 90" in refusals(tmp_path, old)
    updated = FACTS | {"kernel": {"release": "6.2", "machine": "x86_64"}}
    new = ThisHost(host_class(updated), context_facts(updated), NOW)
    assert "kernel.release was 6.1, is now 6.2" in refusals(tmp_path, new)
    for here, says in ((foreign, "foreign"), (old, "stale"), (new, "kernel.release")):
        with pytest.raises(UsageError, match=says):
            baselines.use("good", tmp_path / "kept", here)


def test_a_baseline_moved_to_another_class_is_refused(make, tmp_path):
    path = baselines.save(make(), tmp_path / "kept")
    other = tmp_path / "kept" / "other-2cpu-000000"
    path.parent.rename(other)
    assert "moved or edited" in refusals(tmp_path, dataclasses.replace(HERE, host_class=other.name))


def test_a_damaged_one_is_listed_as_such(make, tmp_path):
    path = baselines.save(make(), tmp_path / "kept")
    (path / "manifest.json").write_text("{")
    assert "damaged" in refusals(tmp_path, HERE)


def test_the_command(make, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ThisHost, "read", classmethod(lambda _cls, *_: HERE))
    run = make()
    places = ["--results-dir", str(run.parent), "--baselines-dir", "kept"]
    assert main(["compare", "baseline", "good", *places]) == 2
    assert "no baseline is in use" in capsys.readouterr().err
    assert main(["baseline", "save", "good", "--name", "v1", *places]) == 0
    assert main(["baseline", "use", "v1", *places]) == 0
    capsys.readouterr()
    assert main(["baseline", "list", "--json", *places]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["used"], row["refusals"]) == ("v1", True, [])
    assert main(["compare", "baseline", "good", *places]) == 0
