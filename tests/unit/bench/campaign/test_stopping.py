"""Stopping by precision: the same widths as the judgement's, and blind for differences."""

import math

import numpy as np
import pytest

from support.results_making import metric, trial
from tare.bench.campaign.stopping import Precision
from tare.bench.request.readers import percentage
from tare.results.statistics.estimates import one_sample
from tare.results.statistics.width import CHECKPOINTS, half_width


@pytest.mark.parametrize("n", [6, 7, 10, 49, 50, 51, 128, 129, 300, 1000])
def test_the_width_is_that_of_the_interval(n):
    x = np.random.default_rng(n).standard_t(3, n)
    found = one_sample(x, 0.95)
    assert half_width(x.tolist()) == pytest.approx((found.high - found.low) / 2)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_have_no_width(n):
    assert half_width([1.0] * n) == math.inf


def run(target, noise, effect, *, blocks=60, versions=(), per_opening=1):
    chance = np.random.default_rng(5)
    made = Precision(target, versions[0] if versions else "bare", versions)
    for block in range(blocks):
        for name, factor in (("a", 1.0), ("b", effect)):
            value = factor * math.exp(chance.normal(0, noise))
            place = {"workload": name, "runner": "bare"} if versions else {"workload": "w", "runner": name}
            if not versions and name == "a":
                place["runner"] = "bare"
            one = metric(value, primary=True)
            made.add(trial(0, one, block=block, invocation=block // per_opening, **place))
        if made.enough("a" if versions else "w", block + 1):
            return block + 1
    return None


@pytest.mark.parametrize("versions", [(), ("a", "b")])
def test_it_stops_when_narrow_and_only_where_it_looks(versions):
    assert run(0.05, 0.01, 1.0, versions=versions) == CHECKPOINTS[0]
    later = run(0.01, 0.02, 1.0, versions=versions)
    assert later in CHECKPOINTS[1:]
    assert run(0.01, 0.2, 1.0, versions=versions) is None


@pytest.mark.parametrize("effect", [0.5, 1.05, 3.0])
def test_the_difference_does_not_matter(effect):
    assert run(0.01, 0.02, effect) == run(0.01, 0.02, 1.0)


def test_blocks_of_one_opening_are_one_unit():
    assert run(0.05, 0.01, 1.0, per_opening=20) is None
    assert run(0.05, 0.01, 1.0, per_opening=5) == 30


def test_what_failed_or_warmed_up_does_not_count():
    made = Precision(0.5, "bare")
    for block in range(10):
        for runner in ("bare", "box"):
            one = metric(1.0, primary=True)
            made.add(trial(0, one, workload="w", runner=runner, block=block, outcome="failed", reason="x"))
            made.add(trial(0, one, workload="w", runner=runner, block=block, warmup=True))
    assert not made.enough("w", 10)


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.5 %", 0.005), ("2", 0.02)])
def test_percentages(text, value):
    assert percentage(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["0", "100%", "-1", "x"])
def test_percentages_that_are_none(text):
    with pytest.raises(ValueError, match=r".+"):
        percentage(text)
