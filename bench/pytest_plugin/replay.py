"""Replay stored trials through pytest-benchmark: rounds of seconds, by a clock that returns what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tare.results.said import joined
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tare.results.record import Metric, Trial


class ReplayClock:
    """A timer whose successive pairs of readings lie one sample apart.

    pytest-benchmark's ``pedantic`` reads its timer twice a round and never calibrates, so nothing else is
    ever read from it.
    """

    __name__ = "replay"
    """pytest-benchmark prints and stores the timer's name."""

    def __init__(self) -> None:
        self.readings: list[float] = []

    def load(self, samples: Sequence[float]) -> None:
        """Replay these samples, in seconds, from now on."""
        self.readings = [reading for sample in samples for reading in (0.0, sample)]

    def __call__(self) -> float:
        """Return the next reading: 0, then the sample."""
        return self.readings.pop(0)


@dataclass(frozen=True, slots=True)
class Samples:
    """The trials of one workload under one runner, or why there are none."""

    trials: tuple[Trial, ...]
    """Good ones without warm-ups. An experiment's may lack a primary metric: then there is nothing to replay."""
    skipped: str
    """Reason and remedy of a skip. Empty: the case was measured."""
    failure: str
    """Why the test must fail. Empty: nothing went wrong."""

    def replay(self, benchmark: Any) -> None:
        """Feed the primary metric to pytest-benchmark and put everything else into ``extra_info``."""
        metrics = [_primary(trial) for trial in self.trials]
        first = metrics[0]
        samples = [_as_seconds(metric) for metric in metrics]
        benchmark.params = {**(benchmark.params or {}), **chosen_in(self.trials[0].workload)}
        benchmark._timer.load(samples)  # noqa: SLF001 - the only way to a timer set by marker
        benchmark.pedantic(lambda: None, rounds=len(samples), iterations=1)
        benchmark.extra_info.update(
            {
                "run": self.trials[0].run,
                "accelerator": self.trials[0].accelerator,
                "primary": first.name,
                "unit": first.unit,
                "direction": first.direction,
                "clock": first.clock,
                "seconds_are": _meaning(first),
                "blocks": [trial.block for trial in self.trials],
                "metrics": _columns(self.trials),
            }
        )


@dataclass(slots=True)
class Call:
    """Function that a test with the fixture ``tare`` calls, now that its call has been gathered and measured."""

    samples: Samples
    benchmark: Any
    _called: bool = False

    def __call__(self, what: object, /, **options: object) -> tuple[Trial, ...]:
        """Replay the trials of the call through pytest-benchmark; return them.

        Args:
            what: command or function, which has been measured.
            options: what has been said of it.
        """
        del what, options
        if self._called:
            pytest.fail(
                "a test calls the fixture tare once: pytest-benchmark has one row for each test. Make a second test.",
                pytrace=False,
            )
        self._called = True
        self.samples.replay(self.benchmark)
        return self.samples.trials


def chosen_in(workload: str) -> dict[str, str]:
    """Read the parameters out of the name of a variant: ``sort:n=1,mode=fast``."""
    pairs = (part.partition("=") for part in workload.partition(":")[2].split(",") if part)
    return {name: value for name, _, value in pairs}


def samples_of(trials: Iterable[Trial], workload: str, runner: str) -> Samples:
    """Pick a case's trials out of a run's.

    Args:
        trials: all trials of the run.
        workload: name of the workload.
        runner: key of the runner; the labels of emulated guests carry ``(tcg)`` after it.
    """
    from tare.results.record import CONTROL_SUFFIX  # noqa: PLC0415 - a session that measures nothing does without msgspec

    own = [
        trial
        for trial in trials
        if trial.workload == workload
        and not trial.duet  # they have CPU time alone
        and (trial.runner == runner or trial.runner.partition("(")[0] == runner)
    ]
    counted = [trial for trial in own if not trial.warmup]
    good = tuple(trial for trial in counted if trial.outcome == "ok")
    bad = [trial for trial in own if trial.outcome not in {"ok", "skipped"}]
    skips = [trial for trial in own if trial.outcome == "skipped"]
    failure = skipped = ""
    if bad:
        failure = (
            f"{len(bad)} of {count(len(own), 'trial')} not ok; the first, {bad[0].outcome}: {bad[0].reason}"
        )
    elif skips:
        skipped = joined(skips[0].reason, skips[0].remedy)
    elif not good and runner.endswith(CONTROL_SUFFIX):
        skipped = "the base was not measured a second time: that is done in half of the blocks"
    elif not good:
        failure = "nothing was measured: the run ended before the first block was complete"
    return Samples(good, skipped, failure)


def _primary(trial: Trial) -> Metric:
    return next(metric for metric in trial.metrics if metric.primary)


def _as_seconds(metric: Metric) -> float:
    """Convert a metric into a number of which less is better, which pytest-benchmark takes for seconds."""
    if metric.direction == "higher":
        return 1.0 / metric.value if metric.value else float("inf")
    return metric.value


def _meaning(metric: Metric) -> str:
    if metric.direction == "higher":
        return f"seconds per unit: 1 / {metric.name}"
    return "as measured" if metric.unit == "s" else f"no seconds but {metric.unit}: {metric.name}"


def _columns(trials: Sequence[Trial]) -> dict[str, dict[str, Any]]:
    columns: dict[str, dict[str, Any]] = {}
    for trial in trials:
        for metric in trial.metrics:
            entry = {"unit": metric.unit, "direction": metric.direction, "clock": metric.clock, "values": []}
            columns.setdefault(metric.name, entry)["values"].append(metric.value)
    return columns
