"""Widths: the same as the judgement's, and blind for differences."""

import math

import numpy as np
import pytest

from support.campaigns import Steady
from support.results_making import metric, trial
from tare.bench.campaign.precision import Precision, Spread
from tare.bench.campaign.scheduler import reached
from tare.bench.planning.case import Case
from tare.bench.planning.units import Unit
from tare.bench.request.readers import percentage
from tare.results.record import CPU_TIME, HOST_CPU_TIME
from tare.results.statistics.ratios import paired_log_ratio
from tare.results.statistics.series import Series, SeriesKey
from tare.results.statistics.width import CHECKPOINTS, Width, checkpoint, width


@pytest.mark.parametrize("n", [6, 7, 10, 49, 50, 51, 128, 129, 300, 1000])
def test_the_width_is_that_of_the_interval(n):
    random = np.random.default_rng(n)
    # Half of them depend on each other, so that merging and widening are among what must agree.
    x = random.standard_t(3, n) / 100 + (np.cumsum(random.normal(0, 0.01, n)) if n % 2 else 0)
    base = random.uniform(1, 2, n)
    block = np.arange(n, dtype=np.int32)
    bare, box = (
        Series(
            SeriesKey("w", "{}", "wall", name, control=False), "f", "s", "lower", "", primary=True,
            accelerator="none", value=value, block=block, invocation=block, context=(),
        )
        for name, value in (("bare", base), ("box", base * np.exp(x)))
    )  # fmt: skip
    found = paired_log_ratio(box, bare, 0.95).interval
    assert width(x.tolist()).now == pytest.approx((found.high - found.low) / 2)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_have_no_width(n):
    assert width([1.0] * n) == Width(math.inf, math.inf)


@pytest.mark.parametrize(
    ("blocks", "last"), [(0, 0), (9, 0), (10, 10), (14, 10), (15, 15), (79, 60), (5000, 3840)]
)
def test_checkpoints_are_few(blocks, last):
    assert checkpoint(blocks) == last


def feed(made, noise, effect, blocks, *, versions=(), per_opening=1, cpu=None):
    """Add blocks of two series, and yield the number of blocks after each."""
    chance = np.random.default_rng(5)
    for block in range(blocks):
        for name, factor in (("a", 1.0), ("b", effect)):
            value = factor * math.exp(chance.normal(0, noise))
            metrics = [metric(value, primary=True)]
            if cpu is not None:
                metrics.append(metric(factor * math.exp(chance.normal(0, cpu)), name=CPU_TIME))
            place = {"workload": name, "runner": "bare"} if versions else {"workload": "w", "runner": name}
            made.add(trial(0, *metrics, block=block, invocation=block // per_opening, **place))
        yield block + 1


def run(target, noise, effect, *, blocks=60, versions=(), per_opening=1, cpu=None):
    """Return the number of blocks after which all widths are within the target."""
    made = Precision("", versions[0]) if versions else Precision("a")
    fed = feed(made, noise, effect, blocks, versions=versions, per_opening=per_opening, cpu=cpu)
    return next((n for n in fed if reached(made.ratios(target, n))), None)


@pytest.mark.parametrize("versions", [(), ("a", "b")])
def test_the_target_is_reached_at_a_checkpoint(versions):
    assert run(0.05, 0.01, 1.0, versions=versions) == CHECKPOINTS[0]
    later = run(0.01, 0.02, 1.0, versions=versions)
    assert later in CHECKPOINTS[1:]
    assert run(0.01, 0.2, 1.0, versions=versions) is None


def test_cpu_time_counts_as_well():
    assert run(0.01, 0.001, 1.0) == CHECKPOINTS[0]
    assert run(0.01, 0.001, 1.0, cpu=0.2) is None
    made = Precision("a")
    *_, n = feed(made, 0.001, 1.0, 20, cpu=0.2)
    time, cpu = made.ratios(0.01, n)
    assert time < 1 < cpu


def test_only_the_answers_of_the_unit_count():
    made = Precision("a", answers=frozenset({"time"}))
    *_, n = feed(made, 0.001, 1.0, 20, cpu=0.2)
    (time,) = made.ratios(0.01, n)
    assert time < 1


@pytest.mark.parametrize("effect", [0.5, 1.05, 3.0])
def test_the_difference_does_not_matter(effect):
    made, other = Precision("a"), Precision("a")
    for n, _ in zip(feed(made, 0.02, effect, 50), feed(other, 0.02, 1.0, 50), strict=True):
        assert made.ratios(0.01, n) == pytest.approx(other.ratios(0.01, n), rel=1e-9)
        for one, same in zip(made.spreads(0.01, n), other.spreads(0.01, n), strict=True):
            assert one.units == same.units
            assert (one.single, one.widened) == pytest.approx((same.single, same.widened), rel=1e-9)


def test_between_checkpoints_widths_shrink_but_not_below_the_target():
    made = Precision("a")
    seen = [made.ratios(0.01, n)[0] for n in feed(made, 0.02, 1.0, 19)]
    assert seen[:9] == [math.inf] * 9
    assert seen[9] > seen[10] > seen[13] > 1
    assert seen[10] == pytest.approx(seen[9] * math.sqrt(10 / 11))


def test_the_spread_is_known_from_two_blocks_on_and_from_the_last_interval_as_soon_as_there_is_one():
    made = Precision("a")
    seen = {n: made.spreads(0.01, n) for n in feed(made, 0.02, 1.0, 100)}
    assert seen[1] == ()
    assert [one.units for n in (2, 9, 10, 14, 59, 100) for one in seen[n]] == [2, 9, 10, 10, 40, 80]
    # Two standard errors of the difference of two such values, over the target.
    expected = 1.96 * math.sqrt(2) * 0.02 / math.log1p(0.01)
    for n in (5, 9, 10, 40, 100):
        (one,) = seen[n]
        assert expected / 2 < one.single < 2 * expected
        assert 0.5 < one.widened < 2
    assert made.spreads(0.02, 100)[0].single < 0.6 * seen[100][0].single


def test_the_spread_is_that_of_the_widest_comparison_of_each_answer():
    made = Precision("a")
    *_, n = feed(made, 0.001, 1.0, 5, cpu=0.2)
    time, cpu = made.spreads(0.01, n)
    assert time.single < 1 < cpu.single


def test_equal_values_have_no_spread():
    made = Precision("bare")
    fill(made, ("bare", "box"))
    assert made.spreads(0.01, 5) == (Spread(5, 0.0),)
    assert made.spreads(0.01, 10) == (Spread(10, 0.0),)


def test_blocks_of_one_opening_are_one_unit():
    assert run(0.05, 0.01, 1.0, per_opening=20) is None
    assert run(0.05, 0.01, 1.0, per_opening=5) == 30


def test_what_failed_or_warmed_up_does_not_count():
    made = Precision("bare")
    for block in range(10):
        for runner in ("bare", "box"):
            one = metric(1.0, primary=True)
            made.add(trial(0, one, workload="w", runner=runner, block=block, outcome="failed", reason="x"))
            made.add(trial(0, one, workload="w", runner=runner, block=block, warmup=True))
    assert made.ratios(0.5, 10) == (math.inf,)


def fill(made, runners, **metrics):
    for block in range(10):
        for runner in runners:
            every = [metric(1.0, primary=True), *(metric(1.0, name=name) for name in metrics.values())]
            made.add(trial(0, *every, workload="w", runner=runner, block=block, invocation=block))


def test_the_control_counts_where_nothing_else_is_compared():
    alone, beside = Precision("bare"), Precision("bare")
    fill(alone, ("bare", "bare-again"))
    fill(beside, ("bare", "bare-again", "box"))
    assert {runner for _, runner, _ in alone.widths(10)} == {"bare-again"}
    assert {runner for _, runner, _ in beside.widths(10)} == {"box"}


def test_variants_are_compared_with_their_own_base():
    made = Precision("bare")
    fill(made, ("runc@base", "runc@base-again", "runc@head", "crun@base", "crun@head"))
    assert {runner for _, runner, _ in made.widths(10)} == {"runc@head", "crun@head"}


def test_what_the_host_spent_takes_the_place_of_what_the_job_saw():
    made = Precision("bare")
    fill(made, ("bare", "box"), seen=CPU_TIME, spent=HOST_CPU_TIME)
    assert [made.judged(name) for _, _, name in made.widths(10)] == ["time", "cpu"]
    assert HOST_CPU_TIME in {name for _, _, name in made.widths(10)}


def test_several_workloads_of_a_unit_are_compared_with_its_first():
    unit = Unit("", tuple(Case(Steady(name), "bare") for name in ("base", "head")))
    assert Precision.of_unit(unit, "bare").base_workload == "base"
    assert Precision.of_unit(Unit("", unit.cases[:1]), "bare").base == "bare"


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.5 %", 0.005), ("2", 0.02)])
def test_percentages(text, value):
    assert percentage(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["0", "100%", "-1", "x"])
def test_percentages_that_are_none(text):
    with pytest.raises(ValueError, match=r".+"):
        percentage(text)
