"""Turn all runs of a host class into histories, one for each series, and search them for change points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from tare.bench.analysis.listing import Filter, class_of
from tare.reports.summaries.names import titled
from tare.reports.text.words import quotable
from tare.results.errors import ResultError
from tare.results.said import listed, say
from tare.results.statistics.changepoints import ChangePoint, change_points
from tare.results.statistics.series import good_series
from tare.results.storage.find import list_runs
from tare.results.storage.load import load_run
from tare.results.stores.model import head_of
from tare.results.stores.queries import Median, medians
from tare.results.tables.frame import read_frame
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tare.results.judgement.thresholds import Thresholds
    from tare.results.record import Direction
    from tare.results.storage.load import Run
    from tare.results.stores.columns import RunColumns
    from tare.results.stores.model import RunHead

T = TypeVar("T")


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
    low: float
    high: float
    """First and third quartile of the values."""


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
    folders: tuple[Path, ...]
    """Folders of the runs, oldest first; empty if they are read from a store."""
    runs: int
    """Number of runs."""
    histories: tuple[History, ...]
    left_out: tuple[str, ...]
    """Notes on runs that are not among them, and on values that count as others, one sentence each."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Choice of the runs and series of a history."""

    host_class: str
    """Host class of the runs."""
    thresholds: Thresholds
    """Smallest relative changes to report, by series."""
    quick: bool = False
    """Include quick runs."""
    all_metrics: bool = False
    """Include metrics that workloads are not judged by."""
    conditions: Filter = field(default_factory=Filter)
    """Further conditions on the runs, such as labels."""

    def shows_all(self, mode: str) -> bool:
        """Tell whether all metrics of a run of this mode are shown.

        A quick run's jobs do less work, so what they cost as a whole is no point of the same history. An imported run does
        not say which of its metrics are judged.
        """
        return mode == "imported" or (self.all_metrics and mode != "quick")


def collect(folders: Sequence[Path], wanted: Wanted) -> Histories:
    """Read the runs of a folder and search their histories.

    Args:
        folders: of runs, oldest first.
        wanted: which runs and series.

    Raises:
        UsageError: no run is of that class; the text names the classes of those that were found.
    """
    left: list[str] = []
    runs: list[tuple[RunHead, Run]] = []
    for folder in folders:
        try:
            run = load_run(folder)
        except ResultError as error:
            left.append(str(error))
            continue
        runs.append((head_of(run.manifest, class_of(run.manifest)), run))
    points = _Points()
    read: list[Path] = []
    for head, run in _chosen(runs, wanted, left):
        try:
            points.add(head, _medians(run, all_metrics=wanted.shows_all(head.mode)))
        except ResultError as error:  # of its trials
            left.append(str(error))
        else:
            read.append(run.path)
    return points.searched(wanted, len(read), left, folders=tuple(read))


def collect_columns(columns: Sequence[RunColumns], wanted: Wanted, connection: Any) -> Histories:
    """Search the histories of runs by their columns, of which one run's are in memory at a time.

    Args:
        columns: of runs, oldest first.
        wanted: which runs and series.
        connection: DuckDB's.

    Raises:
        UsageError: no run is of that class.
        ResultError: columns cannot be read.
    """
    left: list[str] = []
    points = _Points()
    chosen = _chosen([(one.head, one) for one in columns], wanted, left)
    for head, one in chosen:
        points.add(head, medians(connection, one, all_metrics=wanted.shows_all(head.mode)))
    return points.searched(wanted, len(chosen), left)


def _chosen(runs: Iterable[tuple[RunHead, T]], wanted: Wanted, left: list[str]) -> list[tuple[RunHead, T]]:
    """Choose the runs of the host class, and note what is left out."""
    chosen: list[tuple[RunHead, T]] = []
    others: dict[str, int] = {}
    for head, run in runs:
        if not wanted.conditions.admits("", head.mode, head.provenance):
            continue
        if head.host_class != wanted.host_class:
            others[head.host_class] = others.get(head.host_class, 0) + 1
        elif head.mode == "quick" and not wanted.quick:
            left.append(say("history.quick", "{run} is a quick run; --with-quick includes it.", run=head.run))
        else:
            chosen.append((head, run))
    known = ", ".join(f"{name} ({n})" for name, n in sorted(others.items()))
    if not chosen:
        none = say("history.none", "no run of host class {host_class} to show.", host_class=wanted.host_class)
        there = say("history.there_are", "There are runs of {known}; --host-class chooses.", known=known)
        raise UsageError(listed((none, *([there] if others else ()), *left), " "))
    if others:
        left.append(say("history.others", "Runs of other host classes: {known}.", known=known))
    return chosen


def _not_positive(history: History) -> str:
    """Tell of values that have no logarithm; empty if there are none."""
    n = sum(point.median <= 0 for point in history.points)
    if not n:
        return ""
    named = titled(history.workload, history.workload, quotable())
    return say(
        "history.not_positive",
        "{metric} of {workload} on {runner} is 0 or less in {n} of {total} runs, which count as half of the smallest positive "
        "value when changes are searched for.",
        metric=history.metric, workload=named, runner=history.runner, n=n, total=len(history.points),
    )  # fmt: skip


def _medians(run: Run, *, all_metrics: bool) -> Iterator[Median]:
    """Yield the median of every series of a run that a history shows."""
    for key, series in good_series(read_frame(run)).items():
        if not key.control and series.direction != "none" and (series.primary or all_metrics):
            what = (key.workload, key.parameters, key.metric, key.runner, series.unit, series.direction)
            low, middle, high = (float(each) for each in np.quantile(series.value, (0.25, 0.5, 0.75)))
            yield Median(*what, middle, len(series.value), low, high)


class _Points:
    """Collect the points of histories, run by run."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, str, str, str, str, Direction], list[HistoryPoint]] = {}

    def add(self, head: RunHead, found: Iterable[Median]) -> None:
        """Add a run that is later than those before."""
        for one in found:
            about = (head.run, head.name, head.created, head.provenance.commit)
            point = HistoryPoint(*about, one.value, one.values, one.low, one.high)
            self._points.setdefault(one[:6], []).append(point)

    def searched(
        self, wanted: Wanted, runs: int, left: list[str], folders: tuple[Path, ...] = ()
    ) -> Histories:
        """Search every history for changes."""
        found = []
        for (workload, parameters, metric, runner, unit, direction), own in self._points.items():
            limit, _ = wanted.thresholds.for_series(workload, runner, metric)
            changes = tuple(change_points([p.median for p in own], threshold=limit))
            decoded = msgspec.json.decode(parameters)
            found.append(History(workload, decoded, metric, unit, direction, runner, tuple(own), changes))
        left += [note for one in found if (note := _not_positive(one))]
        return Histories(wanted.host_class, folders, runs, tuple(found), tuple(left))


def stored_runs(results_dir: Path) -> list[Path]:
    """List the folders of all stored runs, oldest first: by when they were measured, as files may be imported in any order."""
    return [entry.path for entry in sorted(list_runs(results_dir), key=lambda one: (one.created, one.run))]


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
