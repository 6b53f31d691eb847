from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.draws import draws
from support.paths import GOLDEN
from support.results_making import metric, trial, write_run
from tare.reports.text.numbers import changed, cost
from tare.results.judgement.between_runs import UnlikeRunsError, compare_runs
from tare.results.judgement.gate import gate, judged
from tare.results.judgement.multiplicity import control_false_calls
from tare.results.judgement.thresholds import Exemption, Thresholds
from tare.results.judgement.within_run import compare_within
from tare.results.statistics.estimates import Estimate
from tare.results.statistics.lasting import lasting_state, rounds_for
from tare.results.statistics.series import good_series
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame

FOLDER = GOLDEN / "record-v1"


def noise(seed, n, sd=0.005):
    draw = random.Random(seed)  # noqa: S311 - noise, not secrets
    return [math.exp(draw.gauss(0, sd)) for _ in range(n)]


def taken(start=0, **series):
    """Trials of several runners, a block each; keyword ``bare_again`` is the control."""
    number = start
    for name, values in series.items():
        for block, value in enumerate(values):
            control = name == "bare_again"
            values_ = value if isinstance(value, tuple) else (value,)
            yield trial(
                number,
                *values_,
                block=block,
                invocation=number,
                runner="bare" if control else name,
                control=control,
            )
            number += 1


def within(tmp_path, trials, **options):
    return compare_within(load_run(write_run(tmp_path, trials)), **options)


def scaled(values, factor):
    return [v * factor for v in values]


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.10, "worse"), (0.90, "better"), (1.0, "same"), (1.02, "undecided")]
)
def test_the_four_verdicts(tmp_path, factor, verdict):
    trials = list(taken(bare=noise(1, 48), bare_again=noise(2, 48), namespaces=scaled(noise(3, 48), factor)))
    (found,) = within(tmp_path, trials)
    assert found.verdict == verdict, found.because
    assert found.cost.value == pytest.approx(factor, rel=0.01)
    assert found.cost.low < found.cost.value < found.cost.high
    assert found.cost.n == 48
    assert found.floor.value == pytest.approx(1, abs=0.01)
    assert found.because.endswith(".")
    assert (found.runner, found.base, found.metric, found.unit, found.threshold) == (
        "namespaces",
        "bare",
        "wall",
        "s",
        0.02,
    )


def test_higher_is_better_turns_the_ratio(tmp_path):
    def ops(values):
        return [(metric(v, name="ops", unit="ops/s", direction="higher"),) for v in values]

    (found,) = within(tmp_path, list(taken(bare=ops(noise(1, 10)), vm=ops(scaled(noise(2, 10), 0.5)))))
    assert found.verdict == "worse"
    assert found.cost.value == pytest.approx(2, rel=0.02)
    assert found.subject_value.value == pytest.approx(0.5, rel=0.02)
    assert found.because.startswith("It costs")


def test_drift_cancels_within_blocks(tmp_path):
    drift = [1 + 0.2 * i for i in range(48)]
    bare = [d * v for d, v in zip(drift, noise(1, 48, 0.001), strict=True)]
    (found,) = within(tmp_path, list(taken(bare=bare, vm=scaled(bare, 1.05))))
    assert found.cost.low == pytest.approx(1.05, abs=1e-9)
    assert found.verdict == "worse"


def test_noise_floor_forbids_calls_below_it(tmp_path):
    bare = noise(1, 48, 0.002)
    trials = list(
        taken(bare=bare, bare_again=scaled(noise(2, 48, 0.002), 1.08), vm=scaled(noise(3, 48, 0.002), 1.06))
    )
    (found,) = within(tmp_path, trials)
    assert found.verdict == "undecided"
    assert "lies within the noise floor of 7.9 %" in found.because
    trials = list(taken(bare=bare, bare_again=scaled(noise(2, 48, 0.002), 1.08), vm=noise(3, 48, 0.002)))
    (found,) = within(tmp_path / "b", trials)
    assert found.verdict == "undecided"
    assert "cannot show equality" in found.because


@pytest.mark.parametrize(("n", "interval"), [(1, False), (2, False), (3, True)])
def test_few_blocks_are_honest(tmp_path, n, interval):
    (found,) = within(tmp_path, list(taken(bare=noise(1, n), vm=scaled(noise(2, n), 1.05))))
    assert (found.cost.low is not None) is interval
    if not interval:
        assert found.verdict == "undecided"
        assert "3 blocks are needed for an interval" in found.because


def test_zero_has_no_ratio(tmp_path):
    (found,) = within(tmp_path, list(taken(bare=[0.0] * 6, vm=[1.0] * 6)))
    assert math.isnan(found.cost.value)
    assert found.verdict == "undecided"
    assert "no ratio" in found.because
    assert found.base_value.value == 0


def test_what_gives_no_value_is_counted(tmp_path):
    trials = [
        *taken(bare=noise(1, 6), vm=noise(2, 6)),
        trial(90, 5.0, block=6, invocation=90, runner="vm", outcome="failed", reason="x"),
        trial(91, 5.0, block=0, invocation=91, runner="vm", warmup=True),
        trial(92, block=7, invocation=92, runner="vm", outcome="timeout", reason="x"),
        trial(93, 1.0, block=9, invocation=93),
    ]
    (found,) = within(tmp_path, trials)
    assert found.cost.n == 6
    assert "1 failed trial left out" in found.notes
    assert "1 timeout trial left out" in found.notes
    assert "1 warm-up trial left out" in found.notes
    assert "1 block without a partner left out" in found.notes


def placed(start, runner, **context):
    return [trial(start + i, v, block=i, runner=runner, context=context) for i, v in enumerate(noise(1, 6))]


def test_context_that_differs_is_noted(tmp_path):
    trials = placed(0, "bare", cpus=2, scratch={"fs": "ext4"}) + placed(
        10, "vm", cpus=1, scratch={"fs": "ext4"}, vmm="q"
    )
    (found,) = within(tmp_path, trials)
    assert found.notes == ("cpus: 2 → 1",)


def test_what_a_place_admits_is_noted_though_bare_metal_admits_nothing(tmp_path):
    trials = placed(0, "bare", cpus=2) + placed(10, "vm", cpus=2, limitations=["no disk", "slow"])
    assert within(tmp_path / "a", trials)[0].notes == ("limitations: none → no disk; slow",)
    trials = placed(0, "bare", cpus=2) + placed(10, "vm", cpus=2, limitations=[])
    assert within(tmp_path / "b", trials)[0].notes == ()


def test_facts_are_series_but_never_judged(tmp_path):
    fact = [(metric(v, name="offset", direction="none"),) for v in noise(1, 8)]
    run = load_run(write_run(tmp_path, list(taken(bare=fact, vm=fact))))
    assert compare_within(run) == []
    assert [(s.key.runner, s.key.metric, len(s.value)) for s in good_series(read_frame(run)).values()] == [
        ("bare", "offset", 8),
        ("vm", "offset", 8),
    ]


def test_parameters_are_part_of_the_identity(tmp_path):
    trials = [
        trial(
            i, 1.0 + 0.01 * i, block=i // 4, runner=("bare", "vm")[i % 2], parameters={"threads": i // 2 % 2}
        )
        for i in range(40)
    ]
    assert [c.parameters for c in within(tmp_path, trials)] == [{"threads": 0}, {"threads": 1}]


def nested(start, runner, invocations, blocks, factor=1.0, seed=1):
    draw = random.Random(seed)  # noqa: S311 - noise, not secrets
    for i in range(invocations):
        level = math.exp(draw.gauss(0, 0.03))
        for j in range(blocks):
            number = start + i * blocks + j
            value = factor * level * math.exp(draw.gauss(0, 0.001))
            yield trial(number, value, block=i * blocks + j, invocation=start + i, runner=runner)


def test_invocations_are_the_units_where_they_hold_several_blocks(tmp_path):
    (found,) = within(tmp_path, [*nested(0, "bare", 8, 5), *nested(100, "vm", 8, 5, seed=2)])
    assert found.cost.n == 8
    assert found.cost.method.endswith("by invocation")
    assert found.cost.high - found.cost.low > 0.02  # by block it would be a tenth of that
    assert found.base_value.method == "median, by invocation"


def test_a_single_invocation_widens_the_interval_and_says_so(tmp_path):
    (found,) = within(tmp_path, [*nested(0, "bare", 1, 10), *nested(100, "vm", 1, 10, 1.05, seed=1)])
    assert found.verdict == "undecided"
    assert "opened once only" in found.because
    assert found.cost.high - found.cost.low > 0.15
    assert any("between openings" in note for note in found.notes)
    (told,) = within(
        tmp_path / "b", [*nested(0, "bare", 1, 50), *nested(100, "vm", 1, 50, 1.05, seed=1)], spread=0.0
    )
    assert told.verdict == "worse"
    (large,) = within(tmp_path / "c", [*nested(0, "bare", 1, 10), *nested(100, "vm", 1, 10, 3.0, seed=1)])
    assert large.verdict == "worse"


def test_thresholds_by_series(tmp_path):
    trials = list(taken(bare=noise(1, 20), vm=scaled(noise(2, 20), 1.10)))
    lenient = Thresholds(0.02, (Exemption(0.2, "Known: the guest's timer.", runner="v*"),))
    (found,) = within(tmp_path, trials, threshold=lenient)
    assert (found.verdict, found.threshold) == ("same", 0.2)
    assert "threshold by exception: Known: the guest's timer." in found.notes


def test_without_a_good_value_of_the_base_nothing_is_compared():
    # Its only trial of bare that is no control is a warm-up.
    run = load_run(FOLDER)
    assert compare_within(run) == []
    assert [(key.runner, key.metric, key.control) for key in good_series(read_frame(run))] == [
        ("bare", "launch.total", True),
        ("qemu-microvm(tcg)", "launch.total", False),
        ("qemu-microvm(tcg)", "clock.offset", False),
    ]


POSITIVE = st.lists(st.floats(0.5, 2.0).map(lambda v: round(v, 4)), min_size=3, max_size=12)


def cost_of(tmp, base, subject, **changes):
    trials = [
        trial(i * len(base) + n, metric(v, **changes), block=n, runner=name)
        for i, (name, values) in enumerate((("bare", base), ("vm", subject)))
        for n, v in enumerate(values)
    ]
    (found,) = compare_within(load_run(write_run(tmp, trials)))
    return found


@settings(max_examples=draws(40))
@given(POSITIVE, st.randoms(use_true_random=False), st.sampled_from([1e-99, 1e-6, 0.1, 1000.0, 1e99]))
def test_invariances(tmp_path_factory, base, draw, scale):
    subject = [v * draw.uniform(0.8, 1.3) for v in base]
    plain = cost_of(tmp_path_factory.mktemp("a"), base, subject)

    swapped = cost_of(tmp_path_factory.mktemp("b"), subject, base)
    assert swapped.cost.value == pytest.approx(1 / plain.cost.value)
    assert swapped.cost.low == pytest.approx(1 / plain.cost.high)
    opposite = {"worse": "better", "better": "worse"}
    assert swapped.verdict == opposite.get(plain.verdict, plain.verdict)

    larger = cost_of(tmp_path_factory.mktemp("c"), scaled(base, scale), scaled(subject, scale))
    assert (larger.cost.value, larger.cost.low) == pytest.approx((plain.cost.value, plain.cost.low))
    assert larger.subject_value.value == pytest.approx(plain.subject_value.value * scale)

    order = draw.sample(range(len(base)), len(base))
    mixed = cost_of(tmp_path_factory.mktemp("d"), [base[i] for i in order], [subject[i] for i in order])
    assert mixed.cost.value == pytest.approx(plain.cost.value)

    rate = cost_of(
        tmp_path_factory.mktemp("e"),
        [1 / v for v in base],
        [1 / v for v in subject],
        direction="higher",
        unit="ops/s",
    )
    assert (rate.cost.value, rate.cost.low) == pytest.approx((plain.cost.value, plain.cost.low))


def two_runs(tmp_path, factor=1.0, trials=None, **head):
    base = write_run(tmp_path, taken(bare=noise(1, 48), bare_again=noise(2, 48)), run="base", name="before")
    head_trials = trials or [
        *taken(bare=scaled(noise(3, 48), factor), bare_again=scaled(noise(4, 48), factor))
    ]
    new = write_run(
        tmp_path, [msgspec.structs.replace(t, run="head") for t in head_trials], run="head", **head
    )
    old = (base / "trials.jsonl").read_bytes().replace(b'"run":"20261123-191748-k3f9"', b'"run":"base"')
    (base / "trials.jsonl").write_bytes(old)
    return load_run(base), load_run(new)


@pytest.mark.parametrize(("factor", "verdict"), [(1.10, "worse"), (0.90, "better"), (1.0, "same")])
def test_runs_are_compared(tmp_path, factor, verdict):
    compared = compare_runs(*two_runs(tmp_path, factor))
    (found,) = compared.comparisons
    assert found.verdict == verdict, found.because
    assert found.base == "before:bare"
    assert found.cost.value == pytest.approx(factor, rel=0.01)
    assert found.floor is not None
    assert (compared.missing, compared.added, compared.unlike) == ((), (), ())


def test_unlike_runs_are_refused_by_name_or_marked(tmp_path):
    runs = two_runs(tmp_path, context={"cpu": "B", "kernel": "6"})
    with pytest.raises(UnlikeRunsError, match="cpu: A → B; kernel: not recorded → 6") as caught:
        compare_runs(*runs)
    assert caught.value.fields == ("cpu: A → B", "kernel: not recorded → 6")
    (found,) = compare_runs(*runs, allow_unlike=True).comparisons
    assert "the runs differ in cpu: A → B" in found.notes
    assert found.verdict == "same"


def test_quick_runs_are_no_baselines(tmp_path):
    head, base = two_runs(tmp_path, mode="quick")
    compare_runs(head, base)  # as the head it may be
    with pytest.raises(UnlikeRunsError, match="quick run, which is never a baseline"):
        compare_runs(base, head)


def test_series_of_another_unit_or_context_are_refused(tmp_path):
    other = [msgspec.structs.replace(t, metrics=(metric(1.0, unit="count"),)) for t in taken(bare=[1.0] * 12)]
    (found,) = compare_runs(*two_runs(tmp_path, trials=other), allow_unlike=True).comparisons
    assert found.refused
    assert found.verdict == "undecided"
    assert "from s, lower to count, lower" in found.because
    other = [msgspec.structs.replace(t, context={"cpus": 4}) for t in taken(bare=[1.0] * 12)]
    (found,) = compare_runs(*two_runs(tmp_path / "b", trials=other)).comparisons
    assert found.refused
    assert "cpus: not recorded → 4" in found.because
    assert gate([found]).refused == (found,)


def test_series_of_one_run_only_are_named(tmp_path):
    other = [msgspec.structs.replace(t, workload="new") for t in taken(bare=[1.0] * 12)]
    compared = compare_runs(*two_runs(tmp_path, trials=other))
    assert compared.comparisons == []
    assert [one.key.workload for one in compared.missing] == ["null"]
    assert [key.workload for key in compared.added] == ["new"]


def test_the_gate_holds_every_comparison(tmp_path):
    series = {
        "bare": noise(1, 48),
        "slow": scaled(noise(2, 48), 1.1),
        "fast": scaled(noise(3, 48), 0.9),
        "twin": noise(4, 48),
    }
    found = within(tmp_path, list(taken(**series, odd=scaled(noise(5, 48), 1.02))))
    sorted_ = gate(found)
    assert [c.runner for c in sorted_.regressions] == ["slow"]
    assert [c.runner for c in sorted_.improvements] == ["fast"]
    assert [c.runner for c in sorted_.same] == ["twin"]
    assert [c.runner for c in sorted_.undecided] == ["odd"]
    assert not sorted_.passed
    assert gate(sorted_.undecided + sorted_.improvements).passed
    assert judged(found, answers_only=True) == []
    assert judged(found, answers_only=False) == found


def test_calls_that_a_large_matrix_makes_by_chance_are_withdrawn(tmp_path):
    (worse,) = within(tmp_path, list(taken(bare=noise(1, 6), slow=scaled(noise(2, 6), 1.6))))
    assert worse.verdict == "worse"
    assert worse.p_worse == pytest.approx(2**-6)
    assert worse.fine_p_worse < worse.p_worse
    worse = msgspec.structs.replace(worse, fine_p_worse=2**-6)
    nothing = msgspec.structs.replace(worse, verdict="undecided", fine_p_worse=0.9)
    assert control_false_calls([worse]) == [worse]
    for method in ("holm", "bh"):
        alone, *_ = control_false_calls([worse] + [nothing] * 9, method=method)
        assert alone.verdict == "undecided"
        assert "among 10 comparisons" in alone.because
    assert [c.verdict for c in control_false_calls([worse] * 9 + [nothing])] == ["worse"] * 9 + ["undecided"]


def disk(number, runner, seconds, syncs=None, flushes=None, **changes):
    counts = {"elementary.fsync.count": syncs, "guest_disk.flushes": flushes}
    more = [
        metric(value, name=name, unit="count", direction="none", clock="")
        for name, value in counts.items()
        if value is not None
    ]
    wall = metric(seconds, primary=True)
    where = {"workload": "disk-fsync", "family": "disk", "runner": runner, "block": number % 100}
    return trial(number, wall, *more, **where | changes)


def doubts(tmp_path, guest_seconds=2.0, **counts):
    trials = [disk(n, "bare", 1.0, 100) for n in range(8)]
    trials += [
        disk(100 + n, "qemu-q35", guest_seconds, **counts, accelerator="kvm", invocation=100 + n)
        for n in range(8)
    ]
    found = next(one for one in within(tmp_path, trials) if one.primary)
    return [note for note in found.notes if note.startswith("durability")]


def test_a_guest_whose_flushes_all_come_through_is_not_in_doubt(tmp_path):
    assert doubts(tmp_path, syncs=100, flushes=101) == []


def test_missing_flushes_are_told_by_count(tmp_path):
    (doubt,) = doubts(tmp_path, syncs=100, flushes=20)
    assert "only 160 flushes of the guest's disk for 800 calls of fdatasync" in doubt


def test_flushes_that_nobody_counts_are_told(tmp_path):
    (doubt,) = doubts(tmp_path, syncs=100)
    assert "not checked" in doubt


def test_a_guest_faster_than_the_host_is_told(tmp_path):
    (doubt,) = doubts(tmp_path, guest_seconds=0.5, syncs=100, flushes=100)
    assert "faster than the file system that its disk lies on" in doubt


def rounded(values, tick):
    return [round(v / tick) * tick for v in values]


@pytest.mark.parametrize("n", [15, 60])
@pytest.mark.parametrize("seed", range(5))
def test_a_coarse_clock_never_shows_equality(tmp_path, seed, n):
    trials = taken(
        bare=rounded(scaled(noise(seed, n, 0.02), 0.1), 0.01),
        vm=rounded(scaled(noise(seed + 50, n, 0.02), 0.103), 0.01),
    )
    (found,) = within(tmp_path, list(trials))
    assert found.verdict == "undecided"
    assert found.cost.low <= found.cost.value / 1.09
    assert found.cost.high >= found.cost.value * 1.09
    assert found.base_value.low < found.base_value.high
    assert "clock" in found.because
    assert any("clock's steps" in note for note in found.notes)


def test_a_declared_error_is_the_least_half_width(tmp_path):
    def ticks(values):
        return [(metric(v, error=0.05),) for v in values]

    (found,) = within(tmp_path, list(taken(bare=ticks(noise(1, 48)), vm=ticks(noise(2, 48)))))
    assert found.verdict == "undecided"
    assert found.cost.high == pytest.approx(1.1, rel=0.02)
    (found,) = within(
        tmp_path / "b", list(taken(bare=ticks(noise(1, 48)), vm=ticks(scaled(noise(2, 48), 1.5))))
    )
    assert found.verdict == "worse"


def test_counts_have_no_clock(tmp_path):
    pages = [(metric(4.0, name="pages", unit="count", clock=""),)] * 48
    (found,) = within(tmp_path, list(taken(bare=pages, vm=pages)))
    assert found.verdict == "same"


@pytest.mark.parametrize(
    ("n", "factor", "verdict"),
    [
        (10, 1.15, "undecided"),
        (10, 1.4, "worse"),
        (20, 1.15, "undecided"),
        (30, 1.15, "worse"),
        (48, 1.04, "worse"),
    ],
)
def test_few_blocks_call_large_differences_only(tmp_path, n, factor, verdict):
    (found,) = within(tmp_path, list(taken(bare=noise(1, n, 0.001), vm=scaled(noise(2, n, 0.001), factor))))
    assert found.verdict == verdict, found.because
    if verdict == "undecided":
        assert "lasting state" in found.because


def test_enough_blocks_are_named():
    for difference in (0.003, 0.03, 0.1, 0.249, 0.25, 0.6, 4.0):
        enough = rounds_for(math.log1p(difference))
        assert lasting_state(enough) <= math.log1p(difference) * (1 + 1e-9)
        assert enough < 2 or lasting_state(enough - 1) > math.log1p(difference)


def test_blocks_that_depend_on_each_other_are_not_judged(tmp_path):
    draw = random.Random(3)  # noqa: S311 - noise, not secrets
    level, walk = 0.0, []
    for _ in range(60):
        level += draw.gauss(0, 0.01)
        walk.append(1.1 * math.exp(level))
    (found,) = within(tmp_path, list(taken(bare=noise(1, 60), vm=walk)))
    assert found.verdict == "undecided"
    assert "depend on each other" in found.because
    (found,) = within(tmp_path / "b", list(taken(bare=noise(1, 60), vm=scaled(walk, 20))))
    assert found.verdict == "worse"


def test_a_drift_under_one_runner_is_noise_of_all_between_runs(tmp_path):
    def run(name, drift, level):
        runners = {
            "bare": [v * (1 + drift * i / 48) for i, v in enumerate(noise(1, 48))],
            "box": scaled(noise(2 + level * 100, 48), level),
        }
        return load_run(write_run(tmp_path / name, taken(**runners)))

    (_, calm) = compare_runs(run("a", 0.0, 1.0), run("b", 0.0, 1.05)).comparisons
    assert (calm.runner, calm.verdict) == ("box", "worse")
    (_, told) = compare_runs(run("c", 0.2, 1.0), run("d", 0.0, 1.05)).comparisons
    assert (told.runner, told.verdict) == ("box", "undecided")
    assert "drift" in told.because


@pytest.mark.parametrize("n", [2, 3, 4, 12])
def test_values_at_both_ends_of_the_range_are_judged_without_a_warning(tmp_path, n):
    wild = [(1e-100, 1e100)[i % 2] for i in range(n)]
    trials = list(taken(bare=noise(1, n), bare_again=wild[::-1], vm=wild))
    run = write_run(tmp_path, trials)
    for found in compare_within(load_run(run)):
        assert found.verdict in {"undecided", "noise"}
        assert changed(found.cost)
        assert len(cost(found.cost)) < 60
        assert msgspec.json.decode(msgspec.json.encode(found.cost), type=Estimate) == found.cost
