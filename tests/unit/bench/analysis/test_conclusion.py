from types import SimpleNamespace

import pytest

from support.campaigns import Telling
from support.results_making import trial, write_run
from tare.bench.analysis import report
from tare.bench.analysis.conclusion import conclude
from tare.bench.campaign.run import Measured
from tare.bench.errors import Exit
from tare.bench.request.request import Request
from tare.bench.request.settings import RunSettings, Settings
from tare.results.storage.load import load_run
from tare.runners.undoing import UndoLog

GOOD = trial(0, 1.0)
SKIPPED = trial(1, outcome="skipped", reason="no daemon")
FAILED = trial(2, outcome="failed", reason="exit status 1", last_line="ls: no such file")


@pytest.fixture(autouse=True)
def written(monkeypatch):
    """Keep the runs that a report was written of."""
    kept = []

    def report_run(run_dir, reports_dir, *, language, stream, answer):
        answer("bare: 1 s\nbox: 2 s")
        kept.append((run_dir, language))
        return SimpleNamespace(index=reports_dir / "index.html", summary="bare: 1 s\nbox: 2 s")

    monkeypatch.setattr(report, "report_run", report_run)
    return kept


def finish(tmp_path, *trials, interrupted=False, **request):
    run_dir = write_run(tmp_path, trials)
    return conclude(Request(**request), Measured(run_dir, interrupted), Telling())


@pytest.mark.parametrize(
    ("trials", "code"),
    [((GOOD,), Exit.OK), ((GOOD, SKIPPED), Exit.OK), ((GOOD, SKIPPED, FAILED), Exit.SOME_FAILED)],
)
def test_a_run_is_reported_and_its_failures_are_the_exit_code(tmp_path, written, trials, code):
    finished = finish(tmp_path, *trials)
    assert written == [(finished.run_dir, "en")]
    assert finished.exit_code == code
    assert finished.closing_lines()[:2] == ["bare: 1 s", "box: 2 s"]
    assert finished.closing_lines()[-1] == str(finished.report)


def test_the_answer_is_told_once_and_before_the_report_is_written(tmp_path, written):
    told = []
    run_dir = write_run(tmp_path, (GOOD,))
    finished = conclude(
        Request(), Measured(run_dir, False), Telling(), lambda text: told.append((text, list(written)))
    )
    assert told == [("bare: 1 s\nbox: 2 s", [])]
    assert finished.summary
    assert finished.closing_lines() == [f"raw data: {run_dir / 'trials.jsonl'}", str(finished.report)]


@pytest.mark.parametrize(
    "without", [{"interrupted": True}, {"report": False}, {"trials": (FAILED, SKIPPED)}], ids=str
)
def test_no_report_is_written_of_a_run_that_has_nothing_to_report_or_wants_none(tmp_path, written, without):
    trials = without.pop("trials", (GOOD,))
    finished = finish(tmp_path, *trials, **without)
    assert written == []
    assert finished.report is None
    assert finished.closing_lines()[-1] == str(finished.run_dir)


def test_a_failure_of_clean_up_costs_no_report_and_is_the_exit_code(tmp_path, written):
    log = UndoLog()
    log.note("the cgroup", OSError("busy"))
    run_dir = write_run(tmp_path, (GOOD,), status="complete")
    finished = conclude(Request(), Measured(run_dir, False, log), Telling())
    assert written == [(run_dir, "en")]
    assert finished.exit_code == Exit.SOME_FAILED
    assert finished.as_json()["not_undone"] == ["the cgroup: busy"]
    assert load_run(run_dir).manifest.not_undone == ("the cgroup: busy",)
    assert load_run(run_dir).manifest.status == "complete"


def test_an_interruption_is_the_exit_code_whatever_failed(tmp_path):
    assert finish(tmp_path, GOOD, FAILED, interrupted=True).exit_code == Exit.INTERRUPTED


def test_machines_are_told_where_things_are_and_how_trials_ended(tmp_path):
    finished = finish(tmp_path, GOOD, SKIPPED, FAILED)
    assert finished.as_json() == {
        "run": finished.run_dir.name,
        "results": str(finished.run_dir),
        "report": str(finished.report),
        "outcomes": {"ok": 1, "skipped": 1, "failed": 1},
        "failures": [
            {
                "workload": "null",
                "runner": "bare",
                "outcome": "failed",
                "reason": "exit status 1",
                "last_line": "ls: no such file",
                "trials": 1,
                "of": 2,
            }
        ],
        "interrupted": False,
        "unmeasured": [],
        "not_undone": [],
    }


@pytest.mark.parametrize("without", [{"report": False}, {"interrupted": True}, {}], ids=str)
def test_without_a_report_the_reasons_of_failures_are_told(tmp_path, without):
    trials = (GOOD, FAILED) if without else (FAILED,)
    told = finish(tmp_path, *trials, **without).closing_lines()[0]
    assert "failed: exit status 1; last line: ls: no such file" in told


def test_what_a_program_said_cannot_steer_the_terminal(tmp_path):
    bad = trial(2, outcome="failed", reason="exit status 1", last_line="\x1b[31mred")
    assert "\\x1b[31mred" in finish(tmp_path, bad).closing_lines()[0]


LXC = trial(1, runner="lxc", block=-1, outcome="skipped", reason="no lxc.", remedy="apt install lxc")


@pytest.mark.parametrize(
    ("asked", "more", "code"),
    [
        (("bare", "lxc"), {}, Exit.SOME_FAILED),
        (("bare", "lxc"), {"skip_missing": True}, Exit.OK),
        (("bare", "ladder"), {}, Exit.OK),
        (None, {}, Exit.OK),
    ],
)
def test_a_runner_asked_for_by_name_that_was_skipped_is_no_success(tmp_path, asked, more, code):
    settings = Settings(run=RunSettings(runners=asked))
    telling = Telling()
    run_dir = write_run(tmp_path, (GOOD, LXC))
    finished = conclude(Request(settings=settings, **more), Measured(run_dir, False), telling)
    assert finished.exit_code == code
    said = "nothing was measured under lxc: no lxc. apt install lxc"
    assert any(said in line for line in telling.lines) == bool(code)
    assert finished.as_json()["unmeasured"] == (["lxc"] if code else [])
