"""Commands of the command line: what they become, and what is said of those that cannot be used."""

import argparse

import pytest

from tare.bench.commands import run
from tare.bench.commands.run import _request
from tare.bench.planning.from_request import choose_workloads
from tare.runners.errors import UsageError


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return a function that makes the request of ``tare run`` with some words."""
    monkeypatch.chdir(tmp_path)

    def call(*words, trailing=()):
        parser = argparse.ArgumentParser()
        run.options(parser)
        arguments = parser.parse_args(words)
        arguments.trailing, arguments.argv = trailing, ("tare", "run", *words)
        return _request(arguments)

    return call


def test_several_commands_with_parameters(asked):
    request = asked(
        "-c", "a=sort {n} {m}", "-c", "b=cat {n}", "-p", "n=1,2", "-p", "m=x", "--prepare", "touch f",
        "--cleanup", "rm f", "--metric", "rps,ops/s,higher=([0-9.]+) req/s", "--metric", "n=(.)", "--ignore-failure",
        "--timeout", "2m", "--show-output",
    )  # fmt: skip
    null, *own = choose_workloads(request)
    assert null.name == "null"
    assert [one.name for one in own] == ["a:n=1,m=x", "a:n=2,m=x", "b:n=1", "b:n=2"]
    terms = own[0].terms
    assert (terms.prepare, terms.cleanup) == (("touch", "f"), ("rm", "f"))
    assert (terms.exit_codes, terms.timeout_seconds, terms.show_output) == (None, 120, True)
    assert [(name, one.unit, one.direction) for name, one in terms.metrics] == [
        ("rps", "ops/s", "higher"), ("n", "count", "none"),
    ]  # fmt: skip


def test_the_command_behind_the_dashes_stays_and_takes_the_same(asked):
    null, own = choose_workloads(asked(trailing=("sort", "x")))
    assert (null.name, own.name, own.parameters) == ("null", "command", {"command": "sort x"})
    null, own = choose_workloads(asked("--prepare", "touch f", trailing=("sort", "x")))
    assert (own.name, own.terms.prepare, own.program) == ("command", ("touch", "f"), "command")
    _, *many = choose_workloads(asked("-p", "n=1,2", trailing=("sort", "{n}")))
    assert [one.argv for one in many] == [("sort", "1"), ("sort", "2")]
    assert many[0].name == "command:n=1"


def test_definitions_in_toml_stand_beside_the_suites_workloads_unless_a_command_is_given(asked, tmp_path):
    (tmp_path / "tare.toml").write_text("[workloads.mine]\ncommand = 'true'\n")
    names = [one.name for one in choose_workloads(asked())]
    assert {"null", "cpu", "mine"} <= set(names)
    assert len(choose_workloads(asked(trailing=("true",)))) == 2
    (tmp_path / "tare.toml").write_text("[workloads.cpu]\ncommand = 'true'\n")
    with pytest.raises(UsageError, match="cpu is the name of one of the suite's workloads or families"):
        choose_workloads(asked())
    (tmp_path / "tare.toml").write_text("[workloads.x]\ncomand = 'true'\n")
    with pytest.raises(UsageError, match="did you mean command"):
        asked()
    assert asked(trailing=("true",)).command == ("true",)


def test_a_command_takes_no_name_of_what_is_measured_beside_it(asked):
    with pytest.raises(UsageError, match="null is the name of one of the suite's workloads or families"):
        choose_workloads(asked("-c", "null=true"))
    assert [one.name for one in choose_workloads(asked("-c", "startup=true"))] == ["null", "startup"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-c", "sort x"], "-c 'sort x': give a name and a command"),
        (["-c", "a="], "-c a: the command is empty."),
        (["-c", "a=x | y"], "-c a: 'x | y' is written for a shell"),
        (["-c", "a=x", "-c", "a=y"], "-c: two commands have the same name."),
        (["-p", "n=1"], "-p: there is no command to use it in"),
        (
            ["--prepare", "x", "--ignore-failure"],
            "--prepare, --ignore-failure: there is no command to use it with",
        ),
        (["-p", "n=1", "-p", "m=1", "-c", "a=x {n}", "-c", "b=y"], "-p m: a, b has no {m} in it."),
        (["-p", "n", "-c", "a=x"], "-p 'n': give a name and values"),
        (["-p", "n=1,,2", "-c", "a=x"], "-p 'n=1,,2': give a name and values"),
        (["-p", "n=1", "-c", "a=x {m}"], "-p n: a has no {n} in it."),
        (["--metric", "rps", "-c", "a=x"], "--metric 'rps': give NAME"),
        (["--metric", "r,a,b=(.)", "-c", "a=x"], "--metric 'r,a,b=(.)': give NAME"),
        (["--metric", "rps=(", "-c", "a=x"], "--metric rps: the regular expression '(' cannot be used"),
        (["--timeout", "long", "-c", "a=x"], "--timeout 'long': give a number of seconds"),
        (["--prepare", "x 'y", "-c", "a=x"], '--prepare: "x \'y" cannot be split'),
        (["--resume", "latest", "-c", "a=x"], "--cmd cannot be given with it"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_that_names_the_option(asked, words, said):
    with pytest.raises(UsageError) as caught:
        choose_workloads(asked(*words))
    assert said in str(caught.value)


def test_a_parameter_may_be_used_by_some_of_the_commands(asked):
    _, *own = choose_workloads(asked("-c", "a=x {n}", "-c", "b=y", "-p", "n=1,2"))
    assert [one.name for one in own] == ["a:n=1", "a:n=2", "b"]


def test_the_output_of_definitions_in_toml_can_be_shown(asked, tmp_path):
    (tmp_path / "tare.toml").write_text("[workloads.mine]\ncommand = 'true'\n")
    shown = {one.name: one for one in choose_workloads(asked("--show-output"))}
    assert shown["mine"].terms.show_output


def test_both_ways_to_give_a_command_are_too_many(asked):
    with pytest.raises(UsageError, match="not both"):
        asked("-c", "a=x", trailing=("y",))


@pytest.mark.parametrize(
    ("words", "duet", "tried"),
    [
        ((), "", True),
        (("--duet",), "one", False),
        (("--no-duet",), "", False),
        (("--prepare", "true"), "", False),
        (("--cleanup", "true"), "", False),
    ],
)
def test_duets_are_asked_for_by_an_option_or_left_to_a_trial(asked, words, duet, tried):
    request = asked(*words, trailing=("true",))
    _, own = choose_workloads(request)
    assert (own.duet, own.terms.duet, request.try_duets) == (duet, duet, tried)


def test_only_the_command_of_the_line_is_tried(asked):
    assert not asked("-c", "a=x").try_duets
    assert not asked().try_duets
