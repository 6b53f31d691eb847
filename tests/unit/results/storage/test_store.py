from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import time

import msgspec
import pytest

from support.paths import ROOT
from support.results_making import RUN, manifest, metric, trial, write_run
from tare.results.details import ScalingDetails
from tare.results.errors import NotWritten, ResultError
from tare.results.record import NotFinite, Resumption, Trial
from tare.results.storage.find import find_run, is_ahead, list_runs
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter, new_run_id, resume


def test_what_is_appended_is_read_back(tmp_path):
    trials = [
        trial(0, 0.001),
        trial(1, outcome="failed", reason="It died. Look at the log."),
        trial(2, 0.002),
    ]
    with RunWriter.create(tmp_path, manifest()) as writer:
        for one in trials:
            writer.append(one)
        # Readable before anything is closed: a kill at this point loses nothing.
        assert list(load_run(tmp_path / RUN).trials()) == trials
        writer.finish("complete")
    run = load_run(tmp_path / RUN / "trials.jsonl")
    assert run.manifest.status == "complete"
    assert list(run.trials()) == trials
    assert run.problems == []


def test_a_killed_writer_loses_nothing(tmp_path):
    code = (
        "import os, sys; sys.path[:0] = sys.argv[2:]\n"
        "from support.results_making import manifest, trial\n"
        "from tare.results.storage.store import RunWriter\n"
        "w = RunWriter.create(sys.argv[1], manifest())\n"
        "[w.append(trial(n, 1.0)) for n in range(50)]\n"
        "os.kill(os.getpid(), 9)\n"
    )
    paths = [str(ROOT / "tests")]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), *paths], check=False)
    assert done.returncode == -9
    assert [t.number for t in load_run(tmp_path / RUN).trials()] == list(range(50))


def test_a_run_is_never_overwritten(tmp_path):
    RunWriter.create(tmp_path, manifest()).close()
    with pytest.raises(ResultError, match="never overwritten"):
        RunWriter.create(tmp_path, manifest())


def test_wrong_numbers_and_foreign_trials_are_refused(tmp_path):
    with RunWriter.create(tmp_path, manifest()) as writer:
        writer.append(trial(0, 1.0))
        for wrong in (trial(0, 1.0), trial(2, 1.0)):
            with pytest.raises(ResultError, match="not the next one"):
                writer.append(wrong)
        with pytest.raises(ResultError, match="belongs to run"):
            writer.append(trial(1, 1.0, run="other"))


def test_two_writers_on_one_run_are_refused(tmp_path):
    with (
        RunWriter.create(tmp_path, manifest()),
        pytest.raises(ResultError, match="being written by another process"),
    ):
        resume(tmp_path / RUN)


def test_a_value_that_is_no_number_becomes_an_invalid_trial(tmp_path):
    with RunWriter.create(tmp_path, manifest()) as writer:
        writer.append(trial(0, metric(float("nan")), metric(2.0, name="ok", error=float("inf"))))
    (read,) = load_run(tmp_path / RUN).trials()
    assert read.outcome == "invalid"
    assert "wall is nan" in read.reason
    assert read.not_finite == (
        NotFinite(metric="wall", part="value", text="nan"),
        NotFinite(metric="ok", part="error", text="inf"),
    )
    assert [(m.name, m.value, m.error) for m in read.metrics] == [("ok", 2.0, None)]


def test_a_full_disk_leaves_whole_trials(tmp_path):
    code = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[2:]\n"
        "from support.results_making import manifest, trial\n"
        "from tare.results.storage.store import RunWriter, ResultError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "w = RunWriter.create(sys.argv[1], manifest())\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    for n in range(50): w.append(trial(n, 1.0))\n"
        "except ResultError as error: print(n, error)\n"
    )
    paths = [str(ROOT / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *paths], check=True, capture_output=True, text=True
    )
    number, _, text = done.stdout.partition(" ")
    assert "kept and readable" in text
    assert "Free some space" in text
    run = load_run(tmp_path / RUN)
    assert len(list(run.trials())) == int(number) > 0
    assert run.problems == []


def test_resume_goes_on_after_the_last_trial(tmp_path):
    path = write_run(tmp_path, [trial(0, 1.0), trial(1, 1.0)], status="interrupted")
    with resume(path) as writer:
        assert writer.notices == ()
        assert writer.next_number == 2
        writer.append(trial(2, 1.0))
        writer.finish("complete")
    assert [t.number for t in load_run(path).trials()] == [0, 1, 2]
    assert load_run(path).manifest.resumed == (Resumption(at_trial=2),)
    with pytest.raises(ResultError, match="nothing to resume"):
        resume(path)


def test_resume_moves_a_cut_line_aside_and_says_so(tmp_path):
    whole = msgspec.json.encode(trial(1, 1.0))
    path = write_run(tmp_path, [trial(0, 1.0), whole[:60]])
    run = load_run(path)
    assert [t.number for t in run.trials()] == [0]
    assert [p.kind for p in run.problems] == ["cut"]
    with resume(path) as writer:
        assert "was cut (60 bytes)" in writer.notices[0]
        writer.append(trial(1, 1.0))
    assert (path / "trials.damaged").read_bytes() == whole[:60] + b"\n"
    run = load_run(path)
    assert [t.number for t in run.trials()] == [0, 1]
    assert run.problems == []


def test_resume_keeps_a_last_trial_that_only_lacks_its_newline(tmp_path):
    path = write_run(tmp_path, [trial(0, 1.0), msgspec.json.encode(trial(1, 1.0))])
    with resume(path) as writer:
        assert "its trial is whole" in writer.notices[0]
        writer.append(trial(2, 1.0))
    assert [t.number for t in load_run(path).trials()] == [0, 1, 2]


def test_the_manifest_is_replaced_in_one_step(tmp_path):
    with RunWriter.create(tmp_path, manifest()) as writer:
        writer.update(notes={"a": "1"})
        writer.finish("interrupted")
    assert sorted(p.name for p in (tmp_path / RUN).iterdir()) == ["manifest.json", "trials.jsonl"]
    assert load_run(tmp_path / RUN).manifest == manifest(notes={"a": "1"}, status="interrupted")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ResultError, match="--results-dir"):
        RunWriter.create(tmp_path / "runs", manifest())


def test_ids_sort_by_time_and_differ():
    assert re.fullmatch(r"20010909-014640-[0-9a-z]{5}", new_run_id(1e9))
    assert new_run_id(1e9) < new_run_id(1e9 + 1)
    moments = [1e9 + step / 1000 for step in range(0, 1000, 7)]
    ids = [new_run_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert len({new_run_id(1e9) for _ in range(30)}) > 25


def test_finding_runs(tmp_path):
    runs, baselines = tmp_path / "runs", tmp_path / "baselines"
    first = write_run(runs, [], run="20260101-000000-aaaa", name="nightly")
    second = write_run(runs, [], run="20260102-000000-bbbb", name="tuned")
    kept = write_run(baselines, [], run="20250101-000000-cccc", name="release")
    assert find_run("latest", runs) == second
    assert find_run("20260101-000000-aaaa", runs) == first
    assert find_run("tuned", runs) == second
    assert find_run("20260101", runs) == first
    assert find_run(str(first), tmp_path) == first
    assert find_run(first / "trials.jsonl", tmp_path) == first
    assert find_run("release", runs, also=[baselines]) == kept
    assert [entry.name for entry in list_runs(runs)] == ["nightly", "tuned"]
    with pytest.raises(ResultError, match=r"matches 2 runs: .*aaaa \(nightly\), .*bbbb"):
        find_run("2026", runs)
    with pytest.raises(ResultError, match=r"no run is called 'nope'.*Known runs: "):
        find_run("nope", runs)
    with pytest.raises(ResultError, match=r"no run in .* yet"):
        find_run("latest", tmp_path / "empty")


def test_a_copy_hides_nothing_and_is_told_by_its_path(tmp_path):
    first = write_run(tmp_path, [], run="20260101-000000-aaaa")
    copy = shutil.copytree(first, tmp_path / "copy")
    assert find_run("20260101-000000-aaaa", tmp_path) == first
    assert find_run("copy", tmp_path) == copy
    with pytest.raises(ResultError, match=re.escape(f"matches 2 runs: {first}, {copy}.")):
        find_run("2026", tmp_path)


def test_latest_is_no_run_from_before_the_clock_was_set_back(tmp_path):
    ahead, made = new_run_id(time.time() + 86_400), new_run_id()
    write_run(tmp_path, [], run=ahead)
    assert find_run("latest", tmp_path).name == ahead, "there is no other"
    write_run(tmp_path, [], run=made)
    assert find_run("latest", tmp_path).name == made
    assert [is_ahead(run) for run in (ahead, made, new_run_id(time.time() + 30), "named-so")] == [
        True, False, False, False,
    ]  # fmt: skip


def test_a_run_is_running_only_while_it_is_written(tmp_path):
    with RunWriter.create(tmp_path, manifest()) as writer:
        assert load_run(tmp_path / RUN).manifest.status == "running"
    # Its maker is gone without a word, as after a kill or on a full disk.
    assert load_run(tmp_path / RUN).manifest.status == "interrupted"
    assert writer.manifest.status == "running"
    with resume(tmp_path / RUN):
        assert load_run(tmp_path / RUN).manifest.status == "running"


def test_a_damaged_manifest_is_listed_not_hidden(tmp_path):
    path = write_run(tmp_path, [], name="x")
    (path / "manifest.json").write_bytes(b'{"format": 1, "ru')
    (entry,) = list_runs(tmp_path)
    assert (entry.run, entry.status) == (RUN, "damaged")
    with pytest.raises(ResultError, match=r"cut or damaged.*trials are untouched"):
        load_run(path)


def test_a_run_that_has_lost_its_manifest_is_listed_not_hidden(tmp_path):
    path = write_run(tmp_path, [trial(0, 1.0)])
    (path / "manifest.json").unlink()
    (tmp_path / "of-something-else").mkdir()
    (entry,) = list_runs(tmp_path)
    assert (entry.run, entry.status, entry.path) == (RUN, "damaged", path)


def test_a_manifest_of_the_present_format_with_a_wrong_field_is_called_damaged(tmp_path):
    path = write_run(tmp_path, [], plan=[])
    with pytest.raises(ResultError, match=r"cut or damaged.*\$\.plan"):
        load_run(path)


def test_errors_of_manifests(tmp_path):
    with pytest.raises(ResultError, match="there is no run at"):
        load_run(tmp_path / "none")
    with pytest.raises(ResultError, match="is not a run"):
        load_run(tmp_path)
    path = write_run(tmp_path, [trial(0, 1.0)])
    (path / "manifest.json").unlink()
    with pytest.raises(ResultError, match="has trials but no manifest"):
        load_run(path)
    path = write_run(tmp_path, [], run="newer", format=99)
    with pytest.raises(ResultError, match="made by a newer tare; upgrade to read it"):
        load_run(path)
    path = write_run(tmp_path, [], run="never", format=0)
    with pytest.raises(ResultError, match="never existed"):
        load_run(path)


def test_a_newer_manifest_with_other_fields_is_called_newer_not_damaged(tmp_path):
    (tmp_path / "manifest.json").write_bytes(b'{"format": 99, "shape": []}')
    with pytest.raises(ResultError, match="newer tare"):
        load_run(tmp_path)


def test_a_run_without_trials_is_empty(tmp_path):
    path = write_run(tmp_path, [])
    (path / "trials.jsonl").unlink()
    assert list(load_run(path).trials()) == []


def test_the_store_reads_what_the_record_can_hold(tmp_path):
    full = Trial(
        run=RUN, number=0, workload="w", family="f", runner="qemu-microvm(tcg)", accelerator="tcg", block=-1,
        outcome="skipped", reason="No KVM. Load the module.", remedy="modprobe kvm", parameters={"a": [1, {"b": None}]},
        timeline={"requested": 1, "gone": 2**60}, clock_error=1e-6, metrics=(metric(0.0, error=0.1, samples=9),),
        context={"cpus": 1}, details=ScalingDetails(threads=4), notes={"stderr": "ä\x00\ud7ff"},
        not_finite=(NotFinite(metric="x", part="value", text="nan"),),
    )  # fmt: skip
    with RunWriter.create(tmp_path, manifest()) as writer:
        writer.append(full)
    assert list(load_run(tmp_path / RUN).trials()) == [full]


def test_what_is_not_utf8_is_stored_readably(tmp_path):
    with RunWriter.create(tmp_path, manifest(name="n\udcff")) as writer:
        writer.append(trial(0, 1.0, parameters={"command": "echo a\udcff"}, reason="\ud800"))
    run = load_run(tmp_path / RUN)
    (read,) = run.trials()
    assert (run.manifest.name, run.problems) == ("n\\xff", [])
    assert (read.parameters, read.reason) == ({"command": "echo a\\xff"}, "\\ud800")


def test_a_disk_that_refuses_is_no_usage_error(tmp_path, monkeypatch):
    def fsync(_file):
        raise OSError(5, "Input/output error")

    with RunWriter.create(tmp_path, manifest()) as writer:
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(NotWritten, match="--resume"):
            writer.sync()


@pytest.mark.parametrize("reference", ["", "a" * 5_000, "../..", "/", "a\nb", "*", "\udcff", "latest/x"])
def test_references_that_name_no_run_are_told(tmp_path, reference):
    write_run(tmp_path, [trial(0, 1.0)])
    with pytest.raises(ResultError) as told:
        find_run(reference, tmp_path)
    assert len(str(told.value)) < 500


def test_a_run_whose_manifest_has_no_room_leaves_no_folder_and_is_not_resumed(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotWritten, match=r"No space left on device\. Free some space, then start again\.$"):
        RunWriter.create(tmp_path, manifest())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["manifest.json", "trials.jsonl"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_holds_nobody_up(tmp_path, name):
    path = write_run(tmp_path, [], run="20260101-000000-aaaa")
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(ResultError, match="it is a FIFO, a socket or a device"):
        list(load_run(path).trials())
    with pytest.raises(ResultError, match="it is a FIFO, a socket or a device"):
        resume(path)
    assert [entry.status for entry in list_runs(tmp_path)] == [
        "damaged" if name == "manifest.json" else "running"
    ]


def test_a_folder_of_runs_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refuse(_folder):
        raise PermissionError(13, "Permission denied")

    assert list_runs(tmp_path / "absent") == []
    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    with pytest.raises(ResultError, match=r"cannot read .*: Permission denied\.$"):
        list_runs(tmp_path)
