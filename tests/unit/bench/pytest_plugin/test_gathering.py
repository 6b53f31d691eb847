"""The fixture ``tare`` in the tests of a project: nothing is measured here, and pytest is run for real."""

import json
from types import SimpleNamespace

import pytest

from tare import pytest_plugin
from tare.bench import pipeline
from tare.bench.planning.from_request import choose_workloads
from tare.bench.pytest_plugin import session
from tare.results.record import Metric, Trial

WITH = ("-p", pytest_plugin.__name__, "--tare-runners", "namespaces")

SORTS = """
import pytest

def work(n):
    return sorted(range(n))

def bench_sort(tare):
    trials = tare(["sort", "{n}"], n=[1, 2], metric="rps,ops/s,higher=([0-9.]+) req/s", prepare="touch x")
    assert [one.metrics[0].value for one in trials] == [0.25, 0.5]

def test_function(tare):
    tare(work, n=range(3, 4))

@pytest.mark.parametrize("size", ["small", "big"])
def test_shown(tare, size):
    tare(["cat", size])

class TestThese:
    def test_method(self, tare):
        tare("cat x", name="other")

@pytest.mark.skip(reason="not now")
def test_skipped(tare):
    raise AssertionError("it is not called")

@pytest.mark.skipif(True, reason="never")
def test_never(tare):
    raise AssertionError("it is not called")

def test_skips_itself(tare):
    pytest.skip("no data")

@pytest.mark.workload("mine")
def test_marked(replay):
    replay()

def test_plain():
    pass
"""

INI = "[pytest]\npython_functions = bench_* test_*\n"


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Measure nothing; return the requests that would have been executed."""
    requests = []

    def execute(request, _progress):
        requests.append(request)
        trials = [
            Trial(
                run="r", number=number, workload=workload, family="f", runner=runner, accelerator="none", block=number,
                outcome="ok", metrics=(Metric(name="x", value=value, unit="s", direction="lower", primary=True),),
            )
            for workload, runner in sorted(request.cases)
            for number, value in enumerate((0.25, 0.5))
        ]  # fmt: skip
        return SimpleNamespace(trials=trials, run_dir=tmp_path, interrupted=False)

    monkeypatch.setattr(pipeline, "execute", execute)
    monkeypatch.setattr(session, "report", lambda *_: SimpleNamespace(closing_lines=list))
    return requests


@pytest.fixture
def project(pytester):
    pytester.makeini(INI)
    pytester.makefile(
        ".toml", tare="[workloads.mine]\ncommand = 'echo {k}'\nparameters = { k = ['a', 'b'] }\n"
    )
    return pytester


def names(done):
    return [line.partition("::")[2] for line in done.stdout.lines if "::" in line]


def test_calls_are_gathered_measured_in_one_run_and_replayed(project, measured):
    project.makepyfile(test_all=SORTS)
    done = project.runpytest_inprocess(*WITH, "--benchmark-json", "out.json")
    # sort × 2, function, shown × 2, other and mine × 2, each in three places
    done.assert_outcomes(passed=8 * 3 + 1, skipped=3 * 3)
    (request,) = measured
    workloads = {
        "sort:n=1",
        "sort:n=2",
        "function:n=3",
        "shown.small",
        "shown.big",
        "other",
        "mine:k=a",
        "mine:k=b",
    }
    places = ("bare", "bare-again", "namespaces")
    assert request.cases == {(workload, runner) for workload in workloads for runner in places}
    assert workloads <= {one.name for one in choose_workloads(request)}
    assert (request.own["sort"].prepare, request.own["sort"].metrics["rps"].unit) == ("touch x", "ops/s")
    kept = json.loads((project.path / "out.json").read_text())["benchmarks"]
    assert len(kept) == 24
    row = next(one for one in kept if one["name"] == "bench_sort[namespaces-n=2]")
    assert row["stats"]["data"] == [0.25, 0.5]
    assert row["params"] == {"runner": "namespaces", "n": "2"}


@pytest.mark.slow
def test_one_variant_can_be_named_and_chosen(project, measured):
    project.makepyfile(test_all=SORTS)
    project.runpytest_inprocess(*WITH, "test_all.py::bench_sort[bare-n=2]").assert_outcomes(passed=1)
    project.runpytest_inprocess(*WITH, "-k", "sort and not again").assert_outcomes(passed=4, deselected=30)
    assert [request.cases for request in measured] == [
        {("sort:n=2", "bare")},
        {(f"sort:n={n}", runner) for n in (1, 2) for runner in ("bare", "namespaces")},
    ]


@pytest.mark.slow
def test_only_benchmarks_are_measured_and_replayed_and_without_them_nothing_is(project, measured):
    project.makepyfile(test_all=SORTS)
    done = project.runpytest_inprocess(*WITH, "--benchmark-only")
    done.assert_outcomes(passed=24, skipped=3 * 3 + 1)
    project.runpytest_inprocess(*WITH, "--benchmark-skip").assert_outcomes(passed=1, skipped=33)
    assert len(measured) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('tare("sort x", prepair="y")', "test_it: there is no option 'prepair'; did you mean prepare? If it is a parameter, give"),
        ('tare("sort {n}", n=1)', "there is no option 'n'"),
        ('tare("sort", n=[1])', "test_it: it: parameters.n: no command has {n} in it"),
        ('tare("sort | x")', "is written for a shell"),
        ("tare(print, calls=-1)", "builtins.print: calls and warmups are whole numbers"),
        ("pass", "test_it: it takes the fixture tare and does not call it."),
        ('tare("x", name="cpu")', "test_it: cpu is one of the suite's workloads or families: give name='…'."),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_used_is_a_collection_error_of_one_sentence(project, measured, body, said):
    project.makepyfile(test_it=f"def test_it(tare):\n    {body}\n", test_good="def test_good():\n    pass\n")
    done = project.runpytest_inprocess(*WITH)
    done.assert_outcomes(errors=1)
    assert said in done.stdout.str()
    assert "gathering.py" not in done.stdout.str()
    assert measured == []


def test_other_fixtures_and_a_second_call_are_told(project, measured):
    project.makepyfile(test_it="def test_it(tare, tmp_path):\n    tare('x')\n")
    done = project.runpytest_inprocess(*WITH)
    assert (
        "it takes the fixture tmp_path beside tare, but is called while tests are collected"
        in done.stdout.str()
    )
    project.makepyfile(test_it="def test_it(tare):\n    tare('x')\n    tare('y')\n")
    done = project.runpytest_inprocess(*WITH)
    done.assert_outcomes(failed=3)
    assert "a test calls the fixture tare once" in done.stdout.str()


@pytest.mark.slow
def test_two_calls_of_one_name_are_told(project, measured):
    project.makepyfile(
        test_it="def test_it(tare):\n    tare('x')\n", test_other="def test_it(tare):\n    tare('y')\n"
    )
    done = project.runpytest_inprocess(*WITH)
    assert (
        "test_it.py::test_it measures something else as it: give one of them name='…'." in done.stdout.str()
    )
    assert measured == [], "there is nothing to replay into"
    done = project.runpytest_inprocess(*WITH, "--continue-on-collection-errors")
    done.assert_outcomes(passed=3, errors=1)
    assert [request.cases for request in measured] == [
        {("it", runner) for runner in ("bare", "bare-again", "namespaces")}
    ]


def test_a_definition_in_toml_that_is_wrong_is_told_where_it_is_needed(project, measured):
    project.makefile(".toml", tare="[workloads.mine]\ncomand = 'x'\n")
    project.makepyfile(
        test_it="import pytest\n@pytest.mark.workload('mine')\ndef test_it(replay):\n    replay()\n"
    )
    done = project.runpytest_inprocess(*WITH)
    done.assert_outcomes(errors=1)
    assert "did you mean command" in done.stdout.str()


def test_a_fixture_of_the_projects_own_stays_the_projects(project, measured):
    project.makepyfile(
        test_it="import pytest\n@pytest.fixture\ndef tare():\n    return 3\ndef test_it(tare):\n    assert tare == 3\n"
    )
    project.runpytest_inprocess(*WITH).assert_outcomes(passed=1)
    assert measured == []


def test_workers_of_xdist_measure_nothing(project, measured):
    project.makeconftest("def pytest_configure(config):\n    config.workerinput = {'workerid': 'gw0'}\n")
    project.makepyfile(test_it="def test_it(tare):\n    tare('x')\n")
    done = project.runpytest_inprocess(*WITH, "-p", "no:xdist")
    assert "run these tests without -n" in done.stdout.str()
    assert measured == []
