"""Both fronts of the plugin in projects of other people: nothing is measured here."""

import re
from types import SimpleNamespace

import pytest

from support.pytest_projects import rich_project, run_pytest
from tare import pytest_plugin
from tare.bench.pytest_plugin import plugin, session
from tare.bench.pytest_plugin.options import request_of
from tare.bench.request.declarations import SETTINGS
from tare.results.record import Metric, Trial

ELSEWHERE = ("-p", pytest_plugin.__name__)
SUITE = ("-p", plugin.__name__)
KEPT = (session,)
"""Imported here, lest pytester forget it, with the classes in it, after each of its runs."""

LOADED = """
import sys

def test_loaded():
    print(*sorted(name for name in sys.modules if name.partition(".")[0] in {"tare", "msgspec", "pandas"}))
"""

OURS = """
import pytest

@pytest.mark.workload("null")
def test_start_up(replay):
    replay()
"""

THEIRS = """
import pytest

@pytest.fixture
def trials():
    return 3

@pytest.fixture
def runner():
    return "them"

def test_own_fixtures(trials, runner):
    assert (trials, runner) == (3, "them")

@pytest.mark.workload
def test_own_marker(runner):
    assert runner == "them"
"""


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """Run the sessions in these tests as no worker of xdist, for which pytest-benchmark switches itself off."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


def written(pytester, text):
    pytester.makepyfile(test_one=text)
    return pytester


def test_a_project_without_tests_is_left_alone(pytester):
    done = pytester.runpytest_inprocess(*ELSEWHERE)
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.slow
def test_packages_and_options_of_the_same_names_stay_the_projects(tmp_path):
    folder = rich_project(tmp_path / "project")
    done = run_pytest(
        folder, *ELSEWHERE, "--seed", "3", "--tare-seed", "5", "--name", "mine", "--tare-profile"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.slow
def test_an_inert_session_loads_little(tmp_path):
    (tmp_path / "test_loaded.py").write_text(LOADED)
    done = run_pytest(tmp_path, *ELSEWHERE, "-s")
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = {name for line in done.stdout.splitlines() for name in line.split() if name.startswith("tare.")}
    modules = {name for name in loaded if name.count(".") > 1}
    assert modules == {
        "tare.bench.pytest_plugin",
        "tare.bench.pytest_plugin.hooks",
        "tare.bench.pytest_plugin.options",
        "tare.bench.request",
        "tare.bench.request.declarations",
        "tare.bench.request.amounts",
        "tare.bench.request.readers",
        "tare.bench.request.run_names",
        "tare.bench.request.setting",
        "tare.results.nearest",
        "tare.results.said",
        "tare.runners.errors",
    }
    assert "msgspec" not in done.stdout
    assert "warning" not in done.stdout


@pytest.mark.parametrize("prefix", ["--", "--tare-"])
def test_help_lists_every_setting_under_the_prefix(pytester, prefix):
    done = pytester.runpytest_inprocess(*(SUITE if prefix == "--" else ELSEWHERE), "--help")
    assert done.ret == 0
    section = done.stdout.str().partition("tare: what to measure")[2].partition("\n\n")[0]
    listed = set(re.findall(r"^  (--[\w-]+)", section, re.MULTILINE))
    flags = {"quick", "rigorous", "offline", "profile", "resume", "label"}
    options = {
        setting.option.removeprefix("--")
        for setting in SETTINGS
        if setting.key not in {"run.keyword", "run.count"}
    }
    assert listed == {f"{prefix}{name}" for name in flags | options} | {"--tare-config"}
    assert "95 % interval" in " ".join(section.split())


@pytest.mark.slow
@pytest.mark.parametrize(("front", "prefix"), [(ELSEWHERE, "--tare-"), (SUITE, "--")])
def test_destinations_cannot_meet_those_of_a_conftest(pytester, front, prefix):
    config = pytester.parseconfigure(
        *front, f"{prefix}seed", "5", f"{prefix}quick", f"{prefix}runners", "runc"
    )
    found = vars(config.option)
    assert (found["tare_run_seed"], found["tare_mode"], found["tare_run_runners"]) == ("5", "quick", "runc")
    assert not {"seed", "profile", "name", "resume", "memory"} & set(found)
    settings = request_of(config).settings
    assert (settings.run.seed, settings.run.runners) == (5, ("runc",))


@pytest.mark.parametrize("front", [ELSEWHERE, SUITE])
def test_a_test_of_ours_becomes_one_per_runner_and_is_found_by_its_family(pytester, front):
    words = (
        f"{'--tare-' if front == ELSEWHERE else '--'}runners",
        "namespaces",
        "--collect-only",
        "-q",
        "-k",
        "startup",
    )
    done = written(pytester, OURS).runpytest_inprocess(*front, *words)
    assert done.ret == 0
    found = re.findall(r"::test_start_up\[([\w-]+)\]", done.stdout.str())
    assert found == ["bare", "bare-again", "namespaces"]


def test_tests_of_others_are_not_touched(pytester):
    written(pytester, THEIRS).runpytest_inprocess(*ELSEWHERE).assert_outcomes(passed=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("front", "words", "complaint"),
    [
        (ELSEWHERE, ("--tare-memory", "lots"), "--tare-memory: cannot use 'lots'"),
        (ELSEWHERE, ("--tare-runners", "bear"), "did you mean bare"),
        (SUITE, ("--memory", "lots"), "--memory: cannot use 'lots'"),
    ],
)
def test_an_option_that_cannot_be_used_ends_the_session_with_a_sentence(pytester, front, words, complaint):
    done = written(pytester, OURS).runpytest_inprocess(*front, *words)
    assert done.ret in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED}
    text = done.stdout.str() + done.stderr.str()
    assert complaint in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('workload("nul")', "test_start_up: there is no workload 'nul'; did you mean null? `tare workloads` lists them."),
        ("workload()", "test_start_up: there is no workload ''. `tare workloads` lists them."),
    ],
)  # fmt: skip
def test_a_marker_that_names_no_workload_is_a_collection_error(pytester, marker, said):
    done = written(pytester, OURS.replace('workload("null")', marker)).runpytest_inprocess(*ELSEWHERE)
    done.assert_outcomes(errors=1)
    assert said in done.stdout.str()
    assert "Traceback" not in done.stdout.str()


WITH_AND_WITHOUT_REPLAY = """
import pytest

@pytest.mark.workload("null")
def test_start_up(replay):
    replay()

@pytest.mark.workload("isolation")
def test_what_is_not_replayed(trials):
    assert trials
"""


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Measure nothing; return the workloads of each call that would have."""
    calls = []

    def measure(config, cases, *, named):
        calls.append({workload for workload, _ in cases})
        metric = Metric(name="x", value=0.5, unit="s", direction="lower", primary=True)
        trials = [
            Trial(
                run="r", number=number, workload=workload, family="f", runner=runner, accelerator="none", block=0,
                outcome="ok", metrics=(metric,),
            )
            for number, (workload, runner) in enumerate(sorted(cases))
        ]  # fmt: skip
        return SimpleNamespace(trials=trials, run_dir=tmp_path)

    monkeypatch.setattr(session, "measure", measure)
    monkeypatch.setattr(session, "report", lambda *_: SimpleNamespace(closing_lines=list))
    return calls


@pytest.mark.parametrize(
    ("words", "called", "outcomes"),
    [
        ((), [{"null", "isolation"}], {"passed": 4}),
        (("--benchmark-only",), [{"null"}], {"passed": 2, "skipped": 2}),
        (("--benchmark-skip",), [{"isolation"}], {"passed": 2, "skipped": 2}),
    ],
)
def test_what_pytest_benchmark_leaves_out_is_not_measured(pytester, measured, words, called, outcomes):
    done = written(pytester, WITH_AND_WITHOUT_REPLAY).runpytest_inprocess(
        *ELSEWHERE, "--tare-runners", "bare", "-k", "null or isolation", *words
    )
    done.assert_outcomes(**outcomes)
    assert measured == called
