"""``tare run --resume``: more time may be asked for, and nothing that would change the plan."""

import argparse

import pytest

from support.results_making import write_run
from tare.bench import pipeline
from tare.bench.analysis import references
from tare.bench.analysis.conclusion import Finished
from tare.bench.commands import run
from tare.results.storage import find
from tare.runners.errors import UsageError


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Call ``tare run`` with some words, and return what it asks the pipeline for."""
    made = []

    def execute(request, _progress, _answer=None):
        made.append(request)
        return Finished(tmp_path, (), None, "")

    monkeypatch.setattr(pipeline, "execute", execute)
    monkeypatch.chdir(tmp_path)

    def call(*words, trailing=()):
        parser = argparse.ArgumentParser()
        run.options(parser)
        arguments = parser.parse_args(words)
        arguments.trailing = trailing
        arguments.argv = ("tare", "run", *words)
        run.run(arguments)
        return made.pop()

    return call


def test_measuring_time_is_added_to_the_run_that_is_gone_on_with(asked):
    request = asked("--resume", "some-run", "--budget", "6m", "--no-report", "--results-dir", "there")
    assert (request.resume, request.extension_seconds, request.report) == ("some-run", 360.0, False)


def test_without_a_budget_nothing_is_added(asked, tmp_path):
    (tmp_path / "tare.toml").write_text("[run]\nbudget = 90\n")
    assert asked("--resume", "some-run").extension_seconds == 0
    assert asked("--budget", "90").extension_seconds == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--runners", "bare"], "--runners"),
        (["--precision", "2%"], "--precision"),
        (["--blocks", "3"], "--blocks"),
        (["--quick"], "--quick"),
        (["--memory", "1G"], "--memory"),
        (["--carry", "file"], "--carry"),
        (["--seed", "3", "--cpus", "1"], "--seed, --cpus"),
    ],
)
def test_what_would_change_the_plan_is_refused_in_a_sentence(asked, words, named):
    with pytest.raises(UsageError, match="goes on with a run as it was planned") as caught:
        asked("--resume", "some-run", "--budget", "6m", *words)
    assert f"{named} cannot be given with it" in str(caught.value)


def test_the_added_time_can_be_for_some_workloads(asked):
    request = asked("--resume", "some-run", "--budget", "6m", "-k", "cpu or disk")
    assert (request.extension_seconds, request.extension_keyword) == (360.0, "cpu or disk")
    with pytest.raises(UsageError, match="give --budget with it"):
        asked("--resume", "some-run", "-k", "cpu")
    assert asked("-k", "cpu").extension_keyword == ""


def test_a_command_cannot_be_exchanged(asked):
    with pytest.raises(UsageError, match="-- CMD cannot be given"):
        asked("--resume", "some-run", trailing=("/bin/true",))


def test_latest_goes_on_with_a_run_whose_moment_has_come_and_tells_of_one_that_is_passed_over(
    asked, tmp_path, capsys
):
    for run_id in ("20261126-000000-aaaaa", "29991231-000000-aaaaa"):
        write_run(tmp_path / "there", [], run=run_id)
    request = asked("--resume", "latest", "--results-dir", "there")
    assert request.resume.endswith("20261126-000000-aaaaa")
    assert "run 29991231-000000-aaaaa is dated in the future" in capsys.readouterr().err


def test_the_runs_are_listed_once_for_latest_and_its_note(asked, tmp_path, monkeypatch):
    write_run(tmp_path / "there", [], run="20261126-000000-aaaaa")
    listed = []
    once = find.list_runs
    for module in (find, references):
        monkeypatch.setattr(module, "list_runs", lambda *folders: listed.append(folders) or once(*folders))
    asked("--resume", "latest", "--results-dir", "there")
    assert len(listed) == 1
