"""The main job, small: real places, a real report, read back."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tare.bench.__main__ import main
from tare.bench.analysis.report import report_input
from tare.bench.campaign import profiling

pytestmark = pytest.mark.integration

OUTCOMES = {"ok", "failed", "timeout", "invalid", "skipped"}


def tare(folder, *words, **options):
    return subprocess.run(
        [sys.executable, "-m", "tare", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        **options,
    )


def stored(folder):
    (run_dir,) = (folder / "results/runs").iterdir()
    lines = (run_dir / "trials.jsonl").read_text().splitlines()
    return run_dir, [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tare-run")
    done = tare(
        folder,
        "run",
        "--quick",
        "--blocks",
        "3",
        "--runners",
        "bare,namespaces",
        "-k",
        "null or (cpu and not (float or crypto or zstd or compil))",
        "--seed",
        "7",
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_reports_path_is_the_last_line_and_the_page_is_there(finished):
    folder, done = finished
    page = folder / done.stdout.splitlines()[-1]
    assert page.name == "index.html"
    assert "<html" in page.read_text()


def test_every_case_has_its_blocks_and_its_control(finished):
    _, trials = stored(finished[0])
    measured = {
        (t["workload"], t["runner"], t["block"])
        for t in trials
        if t["outcome"] == "ok" and not t.get("warmup")
    }
    for workload in ("null", "cpu", "cpu-all"):
        for runner in ("bare", "bare-again", "namespaces"):
            assert {block for w, r, block in measured if (w, r) == (workload, runner)} == {0, 1, 2}


def test_the_order_within_blocks_is_shuffled_and_repeatable(finished):
    _, trials = stored(finished[0])
    orders = {}
    for trial in trials:
        if trial["workload"] == "null":
            orders.setdefault(trial["block"], []).append(trial["runner"])
    assert len({tuple(order) for order in orders.values()}) > 1


def test_each_trial_says_what_it_must(finished):
    _, trials = stored(finished[0])
    for trial in trials:
        assert trial["outcome"] in OUTCOMES
        assert trial["accelerator"] == "none"
        for metric in trial.get("metrics", ()):
            assert metric["unit"]
            assert metric["direction"] in {"lower", "higher", "none"}


def test_numbers_on_the_page_are_those_of_the_store(finished):
    folder, done = finished
    page = (folder / done.stdout.splitlines()[-1]).read_text()
    shown = {float(value) for value in re.findall(r'data-value="([^"]+)"', page)}
    run_dir, _ = stored(folder)
    for comparison in report_input(run_dir).comparisons:
        if comparison.primary and comparison.runner == "namespaces":
            assert any(abs(value - comparison.cost.value) <= 1e-9 * abs(value) for value in shown), comparison


def test_progress_goes_to_stderr_and_data_to_stdout(finished):
    _, done = finished
    assert "measuring:" in done.stderr
    assert "measuring:" not in done.stdout


def test_ones_own_command_is_weighed_in_every_place(tmp_path):
    command = ["--", sys.executable, "-c", "print(sum(range(10**5)))"]
    done = tare(
        tmp_path, "run", "--quick", "--blocks", "2", "--runners", "bare,namespaces", "--no-report", *command
    )
    assert done.returncode == 0, done.stderr
    _, trials = stored(tmp_path)
    own = [trial for trial in trials if trial["family"] == "command"]
    assert {trial["runner"] for trial in own} == {"bare", "bare-again", "namespaces"}
    assert {trial["outcome"] for trial in own} == {"ok"}


def test_a_command_that_fails_is_recorded_as_failed_and_the_exit_code_says_so(tmp_path):
    done = tare(
        tmp_path, "run", "--quick", "--blocks", "2", "--runners", "bare", "--no-report", "--", "/bin/false"
    )
    assert done.returncode == 4, done.stderr
    _, trials = stored(tmp_path)
    assert {trial["outcome"] for trial in trials if trial["family"] == "command"} == {"failed"}
    assert all("exit status 1" in trial["reason"] for trial in trials if trial["outcome"] == "failed")


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_a_run_that_is_ended_keeps_its_trials_and_can_be_resumed(tmp_path, number, expected):
    # Where the tests run in the background SIGINT may be ignored, which children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words = ["run", "--quick", "--blocks", "40", "--runners", "bare", "-k", "null or syscall", "--no-report"]
    process = subprocess.Popen([sys.executable, "-m", "tare", *words], cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        wait_for_trials(tmp_path, 10, process)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == expected, error
    run_dir, before = stored(tmp_path)
    assert len(before) >= 10
    done = tare(tmp_path, "run", "--resume", run_dir.name, "--no-report")
    assert done.returncode == 0, done.stderr
    _, after = stored(tmp_path)
    assert after[: len(before)] == before
    blocks = sorted(t["block"] for t in after if t["workload"] == "null" and t["runner"] == "bare")
    assert blocks == list(range(40))
    assert json.loads((run_dir / "manifest.json").read_text())["status"] == "complete"


def wait_for_trials(folder, count, process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        lines = sum(path.read_bytes().count(b"\n") for path in folder.glob("results/runs/*/trials.jsonl"))
        if lines >= count:
            return
        time.sleep(0.05)
    raise AssertionError(
        f"no {count} trials: {process.stderr.read() if process.poll() is not None else 'time is up'}"
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["run", "--runners", "bear"], 2, "did you mean bare"),
        (["run", "-k", "nothing-like-this"], 2, "no workload or family has"),
        (["run", "--resume", "20200101-000000-xxxx"], 2, "20200101"),
        (["report", "nowhere"], 2, "nowhere"),
        (["plan", "--memory", "lots"], 2, "--memory"),
    ],
)
def test_bad_input_is_one_clear_line_and_no_traceback(tmp_path, words, code, text):
    done = tare(tmp_path, *words)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_nothing_heavy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tare", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"numpy", "pandas", "scipy", "matplotlib", "rich", "pytest", "psutil", "msgspec"}


def test_nothing_is_left_on_the_host(finished):
    ours = [
        path for path in Path("/proc").glob("[0-9]*/comm") if _comm(path) in {"tare-agent", "tare-launcher"}
    ]
    parents = {str(os.getpid())}
    assert [path for path in ours if _parent(path) in parents | {"1"}] == []


def _comm(path):
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _parent(path):
    try:
        return (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return ""


def test_profiles_are_made_in_every_place_that_allows_it_and_the_others_say_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(profiling, "JOB_SECONDS", 0.5)
    words = [
        "--quick",
        "--blocks",
        "1",
        "--runners",
        "bare,namespaces",
        "-k",
        "python",
        "--profile",
        "--no-report",
    ]
    assert main(["run", *words]) == 0
    run_dir, _ = stored(tmp_path)
    found = json.loads((run_dir / "profiles/profiles.json").read_text())
    refused = found["refused"]
    for label in ("bare", "namespaces"):
        if f"python@{label}" in refused:
            continue
        speedscope = json.loads((run_dir / f"profiles/python@{label}.speedscope.json").read_text())
        names = {frame["name"] for frame in speedscope["shared"]["frames"]}
        assert any("json" in name or "regex" in name or "main" in name for name in names)
        assert "<svg" in (run_dir / f"profiles/python@{label}.svg").read_text()
    if os.getuid() == 0:
        assert not refused
        assert "<svg" in (run_dir / "profiles/python@namespaces.against-bare.svg").read_text()
