import msgspec
import pytest

from tare.bench.pytest_plugin.replay import ReplayClock, samples_of
from tare.results.record import Metric, Trial


def trial(number, *, runner="bare", outcome="ok", unit="s", value=0.5, direction="lower", **fields):
    metric = Metric(name="x", value=value, unit=unit, direction=direction, primary=True)
    metrics = (metric,) if outcome == "ok" else ()
    return Trial(
        run="r", number=number, workload="cpu", family="cpu", runner=runner, accelerator="none", block=number,
        outcome=outcome, metrics=metrics, **fields,
    )  # fmt: skip


class FakeBenchmark:
    def __init__(self):
        self._timer, self.extra_info, self.samples, self.params = ReplayClock(), {}, [], None

    def pedantic(self, target, rounds, iterations):
        for _ in range(rounds):
            start = self._timer()
            target()
            self.samples.append((self._timer() - start) / iterations)


def test_the_clock_returns_what_was_measured():
    benchmark = FakeBenchmark()
    samples_of([trial(0, value=0.25), trial(1, value=0.75)], "cpu", "bare").replay(benchmark)
    assert benchmark.samples == [0.25, 0.75]
    assert benchmark.extra_info["metrics"]["x"]["values"] == [0.25, 0.75]


def test_a_rate_is_replayed_as_seconds_per_unit_and_says_so():
    benchmark = FakeBenchmark()
    rate = trial(0, unit="ops/s", value=4.0, direction="higher")
    samples_of([rate], "cpu", "bare").replay(benchmark)
    assert benchmark.samples == [0.25]
    assert benchmark.extra_info["seconds_are"] == "seconds per unit: 1 / x"


def test_what_is_no_time_is_replayed_as_it_is_and_says_so():
    benchmark = FakeBenchmark()
    samples_of([trial(0, unit="bytes", value=4096.0)], "cpu", "bare").replay(benchmark)
    assert benchmark.samples == [4096.0]
    assert benchmark.extra_info["seconds_are"] == "no seconds but bytes: x"


def test_warm_ups_and_other_runners_are_not_replayed():
    rows = [trial(0, warmup=True), trial(1), trial(2, runner="bare-again"), trial(3, runner="namespaces")]
    assert [t.number for t in samples_of(rows, "cpu", "bare").trials] == [1]


def test_a_runner_is_found_under_its_emulation_label():
    rows = [trial(0, runner="qemu-microvm(tcg)")]
    assert len(samples_of(rows, "cpu", "qemu-microvm").trials) == 1


@pytest.mark.parametrize("outcome", ["failed", "timeout", "invalid"])
def test_any_trial_that_is_not_ok_fails_the_test_with_its_reason(outcome):
    series = samples_of([trial(0), trial(1, outcome=outcome, reason="it broke")], "cpu", "bare")
    assert "it broke" in series.failure


def test_a_skip_keeps_its_reason_and_remedy():
    series = samples_of(
        [trial(0, outcome="skipped", reason="no QEMU.", remedy="apt install it")], "cpu", "bare"
    )
    assert series.skipped == "no QEMU. apt install it"


def test_a_case_without_a_single_trial_fails_and_does_not_pass_empty():
    assert samples_of([], "cpu", "bare").failure


def test_trials_without_a_primary_metric_are_a_series_all_the_same():
    facts = [msgspec.structs.replace(trial(number), metrics=()) for number in range(3)]
    series = samples_of(facts, "cpu", "bare")
    assert (len(series.trials), series.skipped, series.failure) == (3, "", "")


def test_trials_of_duets_have_no_round_and_a_control_whose_turn_did_not_come_is_skipped():
    duet = msgspec.structs.replace(trial(1), duet=True, metrics=())
    found = samples_of([trial(0), duet], "cpu", "bare")
    assert [t.number for t in found.trials] == [0]
    control = samples_of([trial(0), duet], "cpu", "bare-again")
    assert (control.trials, control.failure) == ((), "")
    assert "half of the blocks" in control.skipped
