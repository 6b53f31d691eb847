"""``tare run --resume``: more time may be asked for, and nothing that would change the plan."""

import argparse

import pytest

from tare.bench import pipeline
from tare.bench.analysis.conclusion import Finished
from tare.bench.commands import run
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
    request = asked("--resume", "latest", "--budget", "6m", "--no-report", "--results-dir", "there")
    assert (request.resume, request.extension_seconds, request.report) == ("latest", 360.0, False)


def test_without_a_budget_nothing_is_added(asked, tmp_path):
    (tmp_path / "tare.toml").write_text("[run]\nbudget = 90\n")
    assert asked("--resume", "latest").extension_seconds == 0
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
        asked("--resume", "latest", "--budget", "6m", *words)
    assert f"{named} cannot be given with it" in str(caught.value)


def test_the_added_time_can_be_for_some_workloads(asked):
    request = asked("--resume", "latest", "--budget", "6m", "-k", "cpu or disk")
    assert (request.extension_seconds, request.extension_keyword) == (360.0, "cpu or disk")
    with pytest.raises(UsageError, match="give --budget with it"):
        asked("--resume", "latest", "-k", "cpu")
    assert asked("-k", "cpu").extension_keyword == ""


def test_a_command_cannot_be_exchanged(asked):
    with pytest.raises(UsageError, match="-- CMD cannot be given"):
        asked("--resume", "latest", trailing=("/bin/true",))
