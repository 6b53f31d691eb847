"""Hosts beside each other: the interval of a class is formed over its hosts."""

import math
import random

import pytest

from support.verdicts import compared, cpu
from tare.results.judgement.across_hosts import HostRun, across_hosts


def _cost(value):
    return compared("null", value, "undecided")


def runs(*costs, of_class="A"):
    return [HostRun(f"h{at}", of_class, [_cost(cost)]) for at, cost in enumerate(costs)]


def test_one_host_answers_for_itself():
    (one,) = across_hosts(runs(1.2))
    assert one.cost == _cost(1.2).cost
    assert (one.spread, one.verdict) == (None, "undecided")


def test_two_hosts_give_a_centre_and_a_spread_but_no_interval():
    (one,) = across_hosts(runs(1.2, 1.4))
    assert one.cost.value == pytest.approx(math.sqrt(1.2 * 1.4))
    assert (one.cost.low, one.verdict) == (None, "undecided")
    assert one.spread > 0.05


def test_hosts_that_differ_widen_the_interval_of_their_class():
    (alike,) = across_hosts(runs(1.20, 1.21, 1.19, 1.20))
    (unlike,) = across_hosts(runs(1.0, 1.4, 1.1, 1.3))
    assert alike.verdict == "worse"
    assert unlike.verdict == "undecided"
    assert unlike.spread > alike.spread
    assert unlike.cost.high / unlike.cost.low > 1.5 * alike.cost.high / alike.cost.low


def test_the_interval_of_a_class_holds_as_often_as_it_says():
    dice, held = random.Random(3), 0  # noqa: S311 - no secret
    for _ in range(300):
        costs = [math.exp(dice.gauss(0.2, 0.05)) for _ in range(5)]
        (one,) = across_hosts(runs(*costs))
        held += one.cost.low <= math.exp(0.2) <= one.cost.high
    assert 0.91 < held / 300 <= 0.99


def test_classes_and_answers_are_kept_apart():
    answers = [_cost(1.2), cpu("null", 1.5, "worse")]
    found = across_hosts([HostRun("a", "A", answers), HostRun("b", "B", answers)])
    assert [(one.key.what, one.host_class) for one in found] == [
        ("time", "A"), ("cpu", "A"), ("time", "B"), ("cpu", "B"),
    ]  # fmt: skip


def test_two_runs_of_a_host_are_one_host():
    (one,) = across_hosts([*runs(1.2, 1.2), HostRun("h0", "A", [_cost(1.4)])])
    assert [each.host for each in one.hosts] == ["h0", "h1"]
    assert one.hosts[0].cost.value == pytest.approx(math.sqrt(1.2 * 1.4))
    assert one.hosts[0].cost.high / one.hosts[0].cost.low < 1.03


def test_hosts_within_the_threshold_are_the_same():
    (one,) = across_hosts(runs(1.001, 0.999, 1.0, 1.0005))
    assert one.verdict == "same"
    assert one.cost.n == 4
