"""Requests of ``tare.run``: they are those of the command line."""

import json
from types import SimpleNamespace

import pytest

import tare
from tare.bench import api, pipeline
from tare.bench.planning.from_request import choose_workloads
from tare.bench.progress import Lines, Silent
from tare.bench.request.calls import request_of_call
from tare.runners.errors import TareError, UsageError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def asked(work=(), places=(), **options):
    return request_of_call(work, places, report=False, options=options)


def test_commands_and_functions_with_what_surrounds_them(tmp_path):
    request = asked(
        ["sort {n}", json.dumps, ["cat", "x"], tare.workload("true", name="mine")], ["namespaces", "runc"],
        parameters={"n": [1, 2], "obj": [3]}, prepare="touch x", timeout=7, budget="90s", blocks=3, precision=2,
        seed=5, name="n1", labels={"machine": "rack-7"}, results=tmp_path / "r", mode="quick", offline=True,
        settings={"limits.cpus": 1},
    )  # fmt: skip
    names = [one.name for one in choose_workloads(request)]
    assert names == ["null", "sort:n=1", "sort:n=2", "dumps:obj=3", "cat", "mine"]
    run = request.settings.run
    assert (run.runners, run.budget_seconds, run.blocks) == (("namespaces", "runc"), 90, 3)
    assert (run.precision, run.seed, run.name) == (0.02, 5, "n1")
    assert request.settings.output.results_dir == tmp_path / "r"
    assert (request.settings.limits.cpus, request.mode, request.offline) == (1, "quick", True)
    assert request.labels == {"machine": "rack-7"}
    assert request.own["sort"].prepare == "touch x"
    assert request.own["mine"].prepare == ()
    assert asked(["a"], budget=30).settings.run.budget_seconds == 30


def test_without_work_the_suites_and_the_projects_workloads_are_measured(tmp_path):
    (tmp_path / "tare.toml").write_text("[workloads.mine]\ncommand = 'true'\n[run]\nblocks = 4\n")
    request = asked(keyword="mine")
    assert (request.settings.run.keyword, request.settings.run.blocks) == ("mine", 4)
    assert {"null", "mine"} <= {one.name for one in choose_workloads(request)}
    assert [one.name for one in choose_workloads(asked(["true"]))] == ["null", "true"]


@pytest.mark.parametrize(
    ("work", "options", "said"),
    [
        ("sort x", {}, "work is a list of commands and functions: put brackets around a single one"),
        (["a"], {"plces": 1}, "there is no option 'plces'"),
        (["a"], {"budgt": 1}, "did you mean budget?"),
        (["a"], {"budget": "soon"}, "budget: cannot use 'soon'"),
        (["a"], {"blocks": 0}, "blocks: cannot use 0"),
        (["a"], {"mode": "fast"}, "mode: there is no 'fast'; give quick, default, rigorous"),
        (["a"], {"places": "bare"}, "places is a list of runners: give ['bare']"),
        (["a"], {"settings": {"limits.cpuss": 1}}, "settings: there is no 'limits.cpuss'; did you mean limits.cpus?"),
        (["a"], {"keyword": "cpu"}, "keyword chooses among the suite's workloads"),
        (["a"], {"parameters": {"n": [1]}}, "parameters: nothing has {n} in it"),
        (["a x", "a y"], {}, "two workloads are called a: name them apart"),
        ([], {"prepare": "x"}, "prepare: there is no command to use it with"),
        ([max], {"image": "x.tar"}, "max is a Python function, which cannot be carried into an image made elsewhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_sentence(work, options, said):
    with pytest.raises(TareError) as caught:
        asked(work, options.pop("places", ()), **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def executed(monkeypatch, tmp_path):
    """Measure nothing; return what would have been asked, and let tests say how it ended."""
    seen = SimpleNamespace(interrupted=False, calls=[])

    def execute(request, progress):
        seen.calls.append((request, type(progress)))
        return SimpleNamespace(run_dir=tmp_path / "r1", report=tmp_path / "p", interrupted=seen.interrupted)

    monkeypatch.setattr(pipeline, "execute", execute)
    monkeypatch.setattr(api, "load_run", lambda _: SimpleNamespace(manifest=SimpleNamespace(run="r1")))
    return seen


def test_a_run_is_returned_and_nothing_is_printed_unless_asked_for(executed, capsys, tmp_path):
    run = tare.run(["true"], places=["bare"], report=True)
    assert (run.id, run.report) == ("r1", tmp_path / "p")
    tare.run(["true"], progress=True)
    assert [shown for _, shown in executed.calls] == [Silent, Lines]
    assert [request.report for request, _ in executed.calls] == [True, False]
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_run_is_an_interruption(executed):
    executed.interrupted = True
    with pytest.raises(KeyboardInterrupt, match="run r1 was interrupted; what was measured is in"):
        tare.run(["true"])


def test_misuse_is_an_error_of_ours_and_never_an_exit(executed):
    with pytest.raises(UsageError, match="did you mean blocks"):
        tare.run(["true"], block=1)  # type: ignore[call-arg]  # mypy says it as well
    assert executed.calls == []
