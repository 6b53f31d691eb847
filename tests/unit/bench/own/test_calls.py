"""Definitions from calls in Python: what they become, and what is said of those that cannot be used."""

from pathlib import Path

import pytest

from tare.bench.own.calls import workload
from tare.bench.own.definition import OwnServer
from tare.bench.own.metric_text import read_metric
from tare.bench.workloads.output_metrics import MetricRule
from tare.runners.errors import UsageError


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("sort -n file", "sort"),
        (["./bin/prog", "{n}"], "prog"),
        ((Path("/usr/bin/env"), "x"), "env"),
        ("7z b", "command-7z"),
        ("'/opt/my prog' x", "my_prog"),
    ],
)
def test_a_command_is_called_by_its_program(command, name):
    assert workload(command).name == name
    assert workload(command, name="other").name == "other"


def test_options_are_the_keys_of_a_definition_in_the_forms_of_python():
    made = workload(
        ["./prog", "{n}"], parameters={"n": range(1, 4)}, prepare="touch {scratch}/x", carry=[Path("data")],
        environment={"A": "1"}, exit_codes=(0, 3), timeout=5, summary="s", family="mine", identity="prog",
        metric="rps,ops/s,higher=([0-9.]+) req/s", metrics={"rows": {"json": "n"}, "m": MetricRule(regex="(.)")},
        server={"command": "serve {port}", "client": "host"},
    ).definition  # fmt: skip
    assert made.command == ("./prog", "{n}")
    assert made.parameters == {"n": (1, 2, 3)}
    assert (made.carry, made.exit_codes, made.identity) == (("data",), (0, 3), "prog")
    assert set(made.metrics) == {"rps", "rows", "m"}
    assert made.metrics["rps"] == MetricRule(regex="([0-9.]+) req/s", unit="ops/s", direction="higher")
    assert made.server == OwnServer(command="serve {port}", client="host")


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ("x", {"prepair": "y"}, "there is no option 'prepair'; did you mean prepare?"),
        ("", {}, "'' is not a command: give a line, a list of words, or a function"),
        (3, {}, "3 is not a command"),
        (["a", 3], {}, "is not a command"),
        ("a 'b", {}, '"a \'b" cannot be split into words'),
        ("a | b", {}, "a: command: 'a | b' is written for a shell"),
        ("a", {"timeout": -1}, "a: timeout: expected"),
        ("a", {"parameters": {"n": [1]}}, "a: parameters.n: no command has {n} in it"),
        ("a", {"parameters": {"n": 1}}, "a: parameters.n: expected a list"),
        ("a", {"metric": "x"}, "metric 'x': give NAME"),
        ("a", {"calls": 5}, "a: calls is for Python functions"),
        ("a", {"name": "a b"}, "a b: a name begins with a letter"),
        (lambda: 0, {}, "a function to be measured has no name: give name='…'"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(what, options, said):
    with pytest.raises(UsageError) as caught:
        workload(what, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_text_of_a_metric_is_that_of_the_command_line():
    assert read_metric("n=(.)", "metric") == ("n", MetricRule(regex="(.)"))
    with pytest.raises(UsageError, match=r"--metric 'n,lower,higher=\(.\)': give NAME"):
        read_metric("n,lower,higher=(.)", "--metric")
