"""Collect the good values of each series, from which exports are rendered, in plain Python."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from tare.reports.summaries.cases import shown_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tare.reports.model import ReportInput
    from tare.results.record import Manifest, Metric, Trial


@dataclass(slots=True)
class Exported:
    """Hold one metric of one workload under one runner: good values in stored order, warm-ups apart."""

    workload: str
    family: str
    parameters: dict[str, Any]
    runner: str
    accelerator: str
    control: bool
    metric: Metric
    """Metric of the first trial: unit, direction, clock and source are the same in all trials."""
    values: list[float] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    invocations: list[int] = field(default_factory=list)
    warmups: list[tuple[int, float]] = field(default_factory=list)
    """Invocation and value of each warm-up."""

    @property
    def title(self) -> str:
        """Workload, parameters and runner as one unambiguous name."""
        return f"{case_title(self.workload, self.parameters)} on {self.runner}"

    @property
    def median(self) -> float:
        """Median of the good values, in the metric's unit."""
        return median(self.values)

    def by_invocation(self) -> Iterator[tuple[int, list[float], list[float]]]:
        """Give each invocation with the values of its warm-ups and its good values."""
        for invocation in dict.fromkeys([*(i for i, _ in self.warmups), *self.invocations]):
            values = [v for v, i in zip(self.values, self.invocations, strict=True) if i == invocation]
            yield invocation, [v for i, v in self.warmups if i == invocation], values


def host_fact(manifest: Manifest, group: str, name: str) -> str:
    """Return a fact of the host as text; empty if the manifest has none, or something else in its place."""
    facts = manifest.host.get(group)
    return str(facts.get(name, "")) if isinstance(facts, dict) else ""


def case_title(workload: str, parameters: dict[str, Any]) -> str:
    """Name a workload with its parameters: ``cpu [threads=2]``."""
    shown = shown_parameters(workload, sorted(parameters.items()))
    inside = ", ".join(f"{key}={value}" for key, value in shown)
    return f"{workload} [{inside}]" if inside else workload


def all_series(given: ReportInput) -> list[Exported]:
    """Collect every series that has good values, in stored order."""
    return _series(given.trials)


def primary_series(given: ReportInput) -> list[Exported]:
    """Collect the series that workloads are judged by."""
    return [series for series in all_series(given) if series.metric.primary]


def _series(trials: Iterable[Trial]) -> list[Exported]:
    found: dict[tuple[str, str, str, bool, str], Exported] = {}
    for trial in trials:
        if trial.outcome != "ok":
            continue
        parameters = json.dumps(trial.parameters, sort_keys=True)
        for metric in trial.metrics:
            key = (trial.workload, parameters, trial.runner, trial.control, metric.name)
            series = found.get(key)
            if series is None:
                series = found[key] = Exported(
                    trial.workload,
                    trial.family,
                    trial.parameters,
                    trial.runner,
                    trial.accelerator,
                    trial.control,
                    metric,
                )
            if trial.warmup:
                series.warmups.append((trial.invocation, metric.value))
                continue
            series.values.append(metric.value)
            series.blocks.append(trial.block)
            series.invocations.append(trial.invocation)
    return [series for series in found.values() if series.values]


def seconds_per_unit(series: Exported) -> tuple[list[float], str]:
    """Convert values to times, for formats that know nothing else, and give a note on their meaning.

    A rate becomes the time of one unit, as in the pytest plugin. Empty if the values cannot be read as times.
    """
    if series.metric.unit == "s":
        return series.values, "seconds, as measured"
    if series.metric.unit.endswith("/s") and all(value > 0 for value in series.values):
        return [1 / value for value in series.values], f"seconds per unit: 1 / {series.metric.name}"
    return [], ""


def dumped(value: object) -> bytes:
    """Serialise a value as the JSON that all exports write: indented, UTF-8, without NaN."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
