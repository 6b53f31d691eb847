"""Turn all runs of a host class into histories, one for each series, and search them for change points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tare.bench.analysis.listing import class_of
from tare.results.errors import ResultError
from tare.results.statistics.changepoints import ChangePoint, change_points
from tare.results.statistics.series import good_series
from tare.results.storage.find import list_runs
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tare.bench.analysis.listing import Filter
    from tare.results.judgement.thresholds import Thresholds
    from tare.results.record import Direction
    from tare.results.storage.load import Run


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """One run in a history: the median of its values of the series."""

    run: str
    """Run id."""
    name: str
    """The name that the user gave the run; empty without one."""
    created: str
    """ISO 8601 UTC."""
    commit: str
    """Commit that was checked out, see :attr:`tare.results.record.Provenance.commit`; empty if it is not known."""
    median: float
    """Median of the values, in the history's unit."""
    values: int
    """Number of trials that the median is taken of."""


@dataclass(frozen=True, slots=True)
class History:
    """One metric of one workload under one runner, run by run, oldest first."""

    workload: str
    parameters: dict[str, Any]
    metric: str
    unit: str
    direction: Direction
    runner: str
    points: tuple[HistoryPoint, ...]
    changes: tuple[ChangePoint, ...]

    def worse(self, change: ChangePoint) -> bool:
        """Return whether a change went in the direction that is worse for this metric."""
        return (change.ratio > 1) == (self.direction == "lower")

    def commits_of(self, change: ChangePoint) -> tuple[str, str] | None:
        """Return the commits of the runs before and after a change; ``None`` if they are equal or not known."""
        before, after = (self.points[index].commit for index in (change.index - 1, change.index))
        return (before, after) if before and after and before != after else None

    @property
    def first_bad(self) -> HistoryPoint | None:
        """Return the run in which the metric became worse; ``None`` if its latest change was no such change."""
        last = self.changes[-1] if self.changes else None
        return self.points[last.index] if last and self.worse(last) else None

    def as_json(self) -> dict[str, Any]:
        """Return everything in JSON's types."""
        bad = self.first_bad
        return {
            "workload": self.workload,
            "parameters": self.parameters,
            "metric": self.metric,
            "unit": self.unit,
            "direction": self.direction,
            "runner": self.runner,
            "points": [
                {
                    "run": p.run,
                    "name": p.name,
                    "created": p.created,
                    "commit": p.commit or None,
                    "median": p.median,
                    "values": p.values,
                }
                for p in self.points
            ],
            "changes": [
                {
                    "run": self.points[c.index].run,
                    "commit": self.points[c.index].commit or None,
                    "commit_before": self.points[c.index - 1].commit or None,
                    "index": c.index,
                    "ratio": c.ratio if math.isfinite(c.ratio) else None,
                    "p": c.p,
                    "verdict": "worse" if self.worse(c) else "better",
                }
                for c in self.changes
            ],
            "first_bad_run": bad.run if bad else None,
        }


@dataclass(frozen=True, slots=True)
class Histories:
    """The histories of one host class."""

    host_class: str
    runs: tuple[Path, ...]
    """Folders of the runs, oldest first."""
    histories: tuple[History, ...]
    left_out: tuple[str, ...]
    """Notes on runs that are not among them, and on values that count as others, one sentence each."""


def collect(
    folders: Sequence[Path],
    *,
    of_class: str,
    thresholds: Thresholds,
    quick: bool,
    all_metrics: bool,
    conditions: Filter | None = None,
) -> Histories:
    """Read the runs and search their histories.

    Args:
        folders: of runs, oldest first.
        of_class: host class of the runs to take.
        thresholds: smallest relative changes to report, by series.
        quick: include quick runs.
        all_metrics: include metrics that workloads are not judged by.
        conditions: further conditions on the runs, such as labels.

    Raises:
        UsageError: no run is of that class; the text names the classes of those that were found.
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
        if conditions and not conditions.of(run.manifest, found):
            continue
        if found != of_class:
            others[found] = others.get(found, 0) + 1
        elif run.manifest.mode == "quick" and not quick:
            left.append(f"{run.manifest.run} is a quick run; --with-quick includes it.")
        else:
            runs.append(run)
    known = ", ".join(f"{name} ({n})" for name, n in sorted(others.items()))
    if not runs:
        more = f" There are runs of {known}; --host-class chooses." if others else ""
        raise UsageError(f"no run of host class {of_class} to show.{more} {' '.join(left)}".strip())
    if others:
        left.append(f"Runs of other host classes: {known}.")
    histories = _histories(runs, thresholds, all_metrics=all_metrics)
    left += [note for one in histories if (note := _not_positive(one))]
    return Histories(of_class, tuple(run.path for run in runs), tuple(histories), tuple(left))


def _not_positive(history: History) -> str:
    """Tell of values that have no logarithm; empty if there are none."""
    n = sum(point.median <= 0 for point in history.points)
    if not n:
        return ""
    return (
        f"{history.metric} of {history.workload} on {history.runner} is 0 or less in {n} of {len(history.points)} runs, "
        "which count as half of the smallest positive value when changes are searched for."
    )


def _histories(runs: Iterable[Run], thresholds: Thresholds, *, all_metrics: bool) -> list[History]:
    points: dict[tuple[str, str, str, str, str, Direction], list[HistoryPoint]] = {}
    for run in runs:
        about = run.manifest
        for key, series in good_series(read_frame(run)).items():
            wanted = series.primary or all_metrics or about.mode == "imported"
            if key.control or series.direction == "none" or not wanted:
                continue
            identity = (key.workload, key.parameters, key.metric, key.runner, series.unit, series.direction)
            median = float(np.median(series.value))
            commit = about.provenance.commit if about.provenance else ""
            point = HistoryPoint(about.run, about.name, about.created, commit, median, len(series.value))
            points.setdefault(identity, []).append(point)
    found = []
    for (workload, parameters, metric, runner, unit, direction), own in points.items():
        limit, _ = thresholds.for_series(workload, runner, metric)
        changes = change_points([p.median for p in own], threshold=limit)
        decoded = msgspec.json.decode(parameters)
        found.append(History(workload, decoded, metric, unit, direction, runner, tuple(own), tuple(changes)))
    return found


def stored_runs(results_dir: Path) -> list[Path]:
    """List the folders of all stored runs, oldest first."""
    return [entry.path for entry in list_runs(results_dir)]


def likely_class(folders: Iterable[Path], here: str) -> str:
    """Guess the host class that is meant if none is named: the only one that there are runs of, or this host's."""
    found = set()
    for folder in folders:
        try:
            found.add(class_of(load_run(folder).manifest))
        except ResultError:
            # `collect` tells the user.
            continue
    return found.pop() if len(found) == 1 else here
