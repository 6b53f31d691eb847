"""All runs of a host class as histories, one for each series, with their change points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tare.results.errors import ResultError
from tare.results.statistics.changepoints import ChangePoint, available, change_points
from tare.results.statistics.series import good_series
from tare.results.storage.find import list_runs
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame
from tare.runners.errors import UsageError
from tare.runners.host.facts import host_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tare.results.judgement.thresholds import Thresholds
    from tare.results.record import Direction, Manifest
    from tare.results.storage.load import Run

IMPORTED = "imported"
"""The host class of runs whose host nobody knows."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run's place in a history."""

    run: str
    name: str
    created: str
    median: float
    values: int


@dataclass(frozen=True, slots=True)
class History:
    """One metric of one workload under one runner, run by run, oldest first."""

    workload: str
    parameters: dict[str, Any]
    metric: str
    unit: str
    direction: Direction
    runner: str
    points: tuple[Point, ...]
    changes: tuple[ChangePoint, ...]

    def worse(self, change: ChangePoint) -> bool:
        """Whether a change is for the worse."""
        return (change.ratio > 1) == (self.direction == "lower")

    @property
    def first_bad(self) -> Point | None:
        """The first run of the latest change for the worse that no later change made good."""
        last = self.changes[-1] if self.changes else None
        return self.points[last.index] if last and self.worse(last) else None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        bad = self.first_bad
        return {
            "workload": self.workload,
            "parameters": self.parameters,
            "metric": self.metric,
            "unit": self.unit,
            "direction": self.direction,
            "runner": self.runner,
            "points": [
                {"run": p.run, "name": p.name, "created": p.created, "median": p.median, "values": p.values}
                for p in self.points
            ],
            "changes": [
                {
                    "run": self.points[c.index].run,
                    "index": c.index,
                    "ratio": c.ratio,
                    "p": c.p,
                    "verdict": "worse" if self.worse(c) else "better",
                }
                for c in self.changes
            ],
            "first_bad_run": bad.run if bad else None,
        }


@dataclass(frozen=True, slots=True)
class Histories:
    """Everything of one host class."""

    host_class: str
    runs: tuple[Path, ...]
    histories: tuple[History, ...]
    left_out: tuple[str, ...]
    """What is not among them, one sentence each."""
    searched: bool
    """Whether change points were looked for; they cannot be without ruptures."""


def class_of(manifest: Manifest) -> str:
    """The host class of a run."""
    return host_class(manifest.host) if manifest.host else IMPORTED


def collect(
    folders: Sequence[Path], *, of_class: str, thresholds: Thresholds, quick: bool, all_metrics: bool
) -> Histories:
    """Read the runs and search their histories.

    Args:
        folders: of runs, oldest first.
        of_class: only those of this host class.
        thresholds: relative changes that matter.
        quick: take quick runs, too.
        all_metrics: not only those that workloads are judged by.

    Raises:
        UsageError: there is no such run; the text names the classes that there are.
    """
    left: list[str] = []
    runs: list[Run] = []
    others: dict[str, int] = {}
    for folder in folders:
        try:
            run = load_run(folder)
        except ResultError as error:
            left.append(str(error))
            continue
        found = class_of(run.manifest)
        if found != of_class:
            others[found] = others.get(found, 0) + 1
        elif run.manifest.mode == "quick" and not quick:
            left.append(f"{run.manifest.run} is a quick run; --with-quick takes it, too.")
        else:
            runs.append(run)
    known = ", ".join(f"{name} ({n})" for name, n in sorted(others.items()))
    if not runs:
        more = f" There are runs of {known}; --host-class chooses." if others else ""
        raise UsageError(f"there is no run of host class {of_class} to show.{more} {' '.join(left)}".strip())
    if others:
        left.append(f"Runs of other host classes: {known}.")
    searched = available()
    if not searched:
        left.append("Change points were not looked for: `pip install ruptures` makes that possible.")
    histories = _histories(runs, thresholds, all_metrics=all_metrics, searched=searched)
    return Histories(of_class, tuple(run.path for run in runs), tuple(histories), tuple(left), searched)


def _histories(
    runs: Iterable[Run], thresholds: Thresholds, *, all_metrics: bool, searched: bool
) -> list[History]:
    points: dict[tuple[str, str, str, str, str, Direction], list[Point]] = {}
    for run in runs:
        about = run.manifest
        for key, series in good_series(read_frame(run)).items():
            wanted = series.primary or all_metrics or about.mode == "imported"
            if key.control or series.direction == "none" or not wanted:
                continue
            identity = (key.workload, key.parameters, key.metric, key.runner, series.unit, series.direction)
            median = float(np.median(series.value))
            point = Point(about.run, about.name, about.created, median, len(series.value))
            points.setdefault(identity, []).append(point)
    found = []
    for (workload, parameters, metric, runner, unit, direction), own in points.items():
        limit, _ = thresholds.of(workload, runner, metric)
        changes = change_points([p.median for p in own], threshold=limit) if searched else []
        decoded = msgspec.json.decode(parameters)
        found.append(History(workload, decoded, metric, unit, direction, runner, tuple(own), tuple(changes)))
    return found


def stored_runs(results_dir: Path) -> list[Path]:
    """All runs, oldest first."""
    return [entry.path for entry in list_runs(results_dir)]


def likely_class(folders: Iterable[Path], here: str) -> str:
    """The class that a user means who names none: this host's, or the only one that there are runs of."""
    found = set()
    for folder in folders:
        try:
            found.add(class_of(load_run(folder).manifest))
        except ResultError:
            # Told of when the runs are collected.
            continue
    return found.pop() if len(found) == 1 else here
