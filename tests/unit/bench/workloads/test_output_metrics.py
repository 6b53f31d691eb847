"""Numbers out of a program's output, by a user's rules."""

import pytest

from tare.bench.workloads.base import ParseError
from tare.bench.workloads.command import Command, CommandTerms
from tare.bench.workloads.output_metrics import MetricRule
from tare.results.record import COMMAND_TIME
from tare.runners.model import JobResult


def result(stdout=b"", stderr=b""):
    return JobResult(0, None, False, 0, 10**9, 1.0, None, stdout, stderr, len(stdout), len(stderr))


@pytest.mark.parametrize(
    ("rule", "stdout", "stderr", "value"),
    [
        (MetricRule(regex=r"rate: ([0-9.,]+) req"), b"x\nrate: 1,234.5 req/s\n", b"", 1234.5),
        (MetricRule(regex=r"^took (\S+)$"), b"it took 1 s", b"took 2e-3", 2e-3),
        (MetricRule(json="a.1.b"), b'{"a": [0, {"b": 3}]}', b"", 3),
        (MetricRule(json="rate"), b'warming up\n{"rate": 0.0}\n', b"", 0),
    ],
)
def test_a_rule_finds_its_number(rule, stdout, stderr, value):
    found = rule.read("w", "m", result(stdout, stderr))
    assert (found.name, found.value, found.direction) == ("m", value, "none")


@pytest.mark.parametrize(
    ("rule", "stdout", "said"),
    [
        (MetricRule(regex="(1)"), b"1 1", r"m: 2 matches of '\(1\)' instead of one"),
        (MetricRule(regex="(1)"), b"2", r"m: no match of '\(1\)'"),
        (MetricRule(regex="(.*)x"), b"ax", "m: no number but 'a'"),
        (MetricRule(regex="(n.n)"), b"nan", "m: no number but 'nan'"),
        (MetricRule(json="a"), b"text", "m: no JSON"),
        (MetricRule(json="a.b"), b'{"a": 1}', "m: nothing at 'a.b'"),
        (MetricRule(json="a.7"), b'{"a": [1]}', "m: nothing at 'a.7'"),
        (MetricRule(json="a"), b'{"a": true}', "m: no number but 'True'"),
        (MetricRule(json="a"), b'{"a": "12"}', "m: no number but \"'12'\""),
    ],
)
def test_without_a_number_the_trial_fails_with_the_reason(rule, stdout, said):
    with pytest.raises(ParseError, match=said) as caught:
        rule.read("w", "m", result(stdout))
    assert "correct the metric" in str(caught.value)


def test_a_primary_metric_takes_the_place_of_the_time():
    for primary in (False, True):
        rules = (("rps", MetricRule(regex="([0-9]+)", direction="higher", unit="ops/s", primary=primary)),)
        found = Command(("x",), CommandTerms(metrics=rules)).metrics(result(b"7"))
        assert {one.name: one.primary for one in found} == {COMMAND_TIME: not primary, "rps": primary}
