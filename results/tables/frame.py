"""Read a run into pandas tables. No other module turns records into tables.

A million trials have to be loaded in seconds, so lines are decoded into slim structs without the fields that no table
needs, and text columns become categories while they are read. Damaged and impossible trials are marked as
:meth:`tare.results.storage.load.Run.trials` marks them; a test holds the two together.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

from tare.results.record import MARKS, Manifest
from tare.results.storage.load import (
    LARGEST_INT,
    LARGEST_VALUE,
    SMALLEST_VALUE,
    UNDECODABLE,
    Problem,
    ProblemKind,
    Run,
    beyond_text,
    duplicate_text,
    excerpt,
    foreign_text,
    mixed_text,
    negative_text,
    no_trial_text,
    range_fault,
    undecodable,
)
from tare.results.tables.coding import Codes, Descriptor, Kind, Kinds
from tare.results.tables.index import LEAST_TRIALS, Index, facts_of, read_index, write_index
from tare.results.tables.slim import SlimTimeline, SlimTrial, TimedTrial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_BATCH_LINES = 1_000

TRIAL_COLUMNS = (
    "number", "workload", "family", "runner", "accelerator", "block", "invocation", "position",
    "control", "warmup", "outcome", "reason", "parameters", "context", "clock_error",
)  # fmt: skip
METRIC_COLUMNS = (
    "run", "number", "workload", "family", "runner", "accelerator", "block", "invocation", "position",
    "control", "warmup", "outcome", "parameters", "metric", "value", "unit", "direction", "clock", "source", "error",
    "samples", "primary", "context",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunFrame:
    """A run as tables, and the problems found in its file."""

    manifest: Manifest
    trials: pd.DataFrame
    """One row for each trial, with the columns :data:`TRIAL_COLUMNS`; if marks were read, also ``mark.<name>``: host
    ``CLOCK_MONOTONIC`` in seconds since the trial's first mark, NaN where the mark is missing."""
    metrics: pd.DataFrame
    """One row for each metric of each trial, with the columns :data:`METRIC_COLUMNS`: values in base units, of every
    outcome, warm-ups and controls included."""
    problems: list[Problem]
    """Lines that were dropped or marked as invalid, in the order of the file."""


def read_frame(run: Run, *, marks: bool = False) -> RunFrame:
    """Read a run into tables in one pass. ``parameters`` and ``context`` are canonical JSON texts.

    Args:
        run: The run to read.
        marks: Also read the timelines into the ``mark.`` columns of the trials.
    """
    if not marks and (known := read_index(run)) is not None:
        return _Reader.from_index(run, known).finish()
    facts = facts_of(run)
    reader = _Reader(run, marks=marks)
    # There are millions of short-lived structs without cycles: the garbage collector would only cost time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for lines in run.batches(_BATCH_LINES):
            reader.add(lines)
        index = None if marks or facts is None else reader.index()
        found = reader.finish()
    finally:
        if collecting:
            gc.enable()
    if index is not None and facts is not None and not found.problems:
        write_index(run, index, facts)
    return found


class _Reader:
    """Collects columns batch by batch; it is a class because the columns' codes outlive a batch."""

    def __init__(self, run: Run, *, marks: bool) -> None:
        self._run = run
        self._marks = marks
        self._lines = 0
        self._problems: list[Problem] = []
        self._highest = -1
        self._kinds = Kinds()
        self._descriptors = Codes()
        self._columns: dict[str, list[NDArray[Any]]] = {}
        self._decode = msgspec.json.Decoder(TimedTrial if marks else SlimTrial).decode

    @classmethod
    def from_index(cls, run: Run, index: Index) -> _Reader:
        """Make a reader that has the columns of the whole file already."""
        reader = cls(run, marks=False)
        reader._columns = {name: [column] for name, column in index.columns.items()}
        reader._kinds.table = {Kind(*kind): code for code, kind in enumerate(index.kinds)}
        reader._descriptors.update({one: code for code, one in enumerate(index.descriptors)})
        return reader

    def index(self) -> Index | None:
        """Return the columns for later readers; ``None`` for runs that are small, damaged or still running."""
        if self._problems or self._lines < LEAST_TRIALS or self._run.manifest.status == "running":
            return None
        self._columns = {name: [np.concatenate(parts)] for name, parts in self._columns.items()}
        columns = {name: parts[0] for name, parts in self._columns.items()}
        return Index(columns, list(self._kinds.table), list(self._descriptors))

    def add(self, lines: list[bytes]) -> None:
        """Decode a batch of lines into columns, line by line only if one of them is faulty."""
        decode, code = self._decode, self._kinds.code
        numbers = list(range(self._lines + 1, self._lines + 1 + len(lines)))
        self._lines += len(lines)
        try:
            trials = [decode(line) for line in lines]
            kinds = [code(trial) for trial in trials]
        except UNDECODABLE:
            sound = False
        else:
            sound = self._sound(trials)
        if not sound:
            rows = list(self._usable(numbers, lines))
            numbers, trials, kinds = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
        if trials:
            self._add_columns(numbers, trials, kinds)
            self._highest = max(self._highest, *(trial.number for trial in trials))

    def _sound(self, trials: list[SlimTrial]) -> bool:
        """Return whether all are of this run, in range, and numbered upwards, so that none can be a duplicate."""
        expected = self._run.manifest.run
        before = self._highest
        for t in trials:
            if (
                not before < t.number <= LARGEST_INT
                or t.run != expected
                or not -1 <= t.block <= LARGEST_INT
                or not 0 <= t.invocation <= LARGEST_INT
                or not 0 <= t.position <= LARGEST_INT
            ):
                return False
            before = t.number
        return True

    def _usable(self, numbers: list[int], lines: list[bytes]) -> Iterator[tuple[int, SlimTrial, int]]:
        seen = {int(number) for part in self._columns.get("number", []) for number in part}
        expected = self._run.manifest.run
        for number, line in zip(numbers, lines, strict=True):
            try:
                trial = self._decode(line)
                kind = self._kinds.code(trial)
            except UNDECODABLE as error:
                self._problems.append(undecodable(number, line, error))
                continue
            if fault := range_fault(trial.number, trial.block, trial.invocation, trial.position):
                found: tuple[ProblemKind, str] = "unreadable", no_trial_text(fault)
            elif trial.run != expected:
                found = "foreign", foreign_text(trial.run, expected)
            elif trial.number in seen:
                found = "duplicate", duplicate_text(trial.number)
            else:
                seen.add(trial.number)
                yield number, trial, kind
                continue
            self._problems.append(Problem(number, *found, excerpt(line)))

    def _add_columns(self, numbers: list[int], trials: list[SlimTrial], kinds: list[int]) -> None:
        put = self._put
        put("line", numbers, np.int64)
        put("number", [t.number for t in trials], np.int32)
        put("block", [t.block for t in trials], np.int32)
        put("invocation", [t.invocation for t in trials], np.int32)
        put("position", [t.position for t in trials], np.int32)
        put("kind", kinds, np.int32)
        put("clock_error", [t.clock_error for t in trials], np.float64)
        if self._marks:
            self._add_marks([t.timeline for t in trials if isinstance(t, TimedTrial)])
        put("metrics", [len(t.metrics) for t in trials], np.int32)
        metrics = list(chain.from_iterable([t.metrics for t in trials]))
        codes = self._descriptors
        put(
            "descriptor",
            [codes[m.name, m.unit, m.direction, m.clock, m.source, m.primary] for m in metrics],
            np.int32,
        )
        put("value", [m.value for m in metrics], np.float64)
        put("error", [m.error for m in metrics], np.float64)
        put("samples", [m.samples for m in metrics], np.float64)

    def _add_marks(self, timelines: list[SlimTimeline]) -> None:
        marks = np.array([[getattr(t, name) for t in timelines] for name in MARKS], dtype=np.float64)
        present = ~np.isnan(marks).all(axis=0)
        marks[:, present] -= np.nanmin(marks[:, present], axis=0)
        for i, name in enumerate(MARKS):
            self._put(f"mark.{name}", marks[i] * 1e-9, np.float32)

    def _put(self, name: str, values: Any, dtype: Any) -> None:
        self._columns.setdefault(name, []).append(np.array(values, dtype=dtype))

    def _take(self, name: str, dtype: Any) -> NDArray[Any]:
        parts = self._columns.pop(name, [])
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)

    def finish(self) -> RunFrame:
        """Mark impossible values and mixed units, and make the tables."""
        kinds = _expanded(list(self._kinds.table), Kind._fields, self._take("kind", np.int32))
        trial_of = self._take("metrics", np.int32)
        trial_of = np.repeat(np.arange(len(trial_of), dtype=np.int32), trial_of)
        values = _Values(
            trial_of,
            self._take("descriptor", np.int32),
            self._take("value", np.float64),
            [Descriptor(*key) for key in self._descriptors],
        )
        faulty = self._mark(self._take("line", np.int64), kinds["workload"], values)
        kinds["outcome"] = _with_outcome_invalid(kinds["outcome"], faulty)
        trials: dict[str, Any] = {
            name: kinds[name]
            if name in kinds
            else self._take(name, np.float64 if name == "clock_error" else np.int32)
            for name in TRIAL_COLUMNS
        }
        if self._marks:
            trials |= {f"mark.{mark}": self._take(f"mark.{mark}", np.float32) for mark in MARKS}
        metrics = self._metrics(trials, values)
        problems = sorted(self._problems, key=lambda problem: problem.line)
        return RunFrame(self._run.manifest, pd.DataFrame(trials, copy=False), metrics, problems)

    def _metrics(self, trials: dict[str, Any], values: _Values) -> pd.DataFrame:
        rows = len(values.value)
        columns: dict[str, Any] = {
            "run": _categorical(np.zeros(rows, np.int32), [self._run.manifest.run]),
            "value": values.value,
            "error": self._take("error", np.float64),
            "samples": self._take("samples", np.float64),
        }
        columns |= _expanded(values.table, Descriptor._fields, values.descriptor)
        for name in METRIC_COLUMNS:
            if name in trials:
                columns[name] = trials[name][values.trial_of]
        return pd.DataFrame({name: columns[name] for name in METRIC_COLUMNS}, copy=False)

    def _mark(self, line: NDArray[np.int64], workloads: pd.Categorical, values: _Values) -> NDArray[np.int32]:
        """Record impossible values and mixed units; return the rows of the trials that have them."""
        table, trial_of, descriptor = values.table, values.trial_of, values.descriptor
        judged = np.array([d.direction != "none" for d in table], dtype=np.bool_)
        negative = (values.value < 0) & judged[descriptor]
        size = np.abs(values.value)
        beyond = ((size > LARGEST_VALUE) | (size < SMALLEST_VALUE)) & (size > 0) & ~negative
        # There are few pairs of workload and descriptor; each is checked once, in the order of the file.
        width = max(1, len(table))
        pair = workloads.codes.astype(np.int64)[trial_of] * width + descriptor
        pairs, starts = np.unique(pair[~negative & ~beyond], return_index=True)
        first: dict[tuple[int, str], Descriptor] = {}
        odd: dict[int, tuple[ProblemKind, str]] = {}
        for key in pairs[np.argsort(starts)]:
            here = table[key % width]
            known = first.setdefault((int(key // width), here.metric), here)
            if here.unit != known.unit:
                odd[int(key)] = "mixed-unit", mixed_text(here.metric, "unit", here.unit, known.unit)
            elif here.direction != known.direction:
                text = mixed_text(here.metric, "direction", here.direction, known.direction)
                odd[int(key)] = "mixed-direction", text
        marked = np.flatnonzero(negative | beyond | np.isin(pair, list(odd)))
        excerpts = self._excerpts({int(line[trial_of[i]]) for i in marked})
        for i in marked:
            number = int(line[trial_of[i]])
            d = table[descriptor[i]]
            found: tuple[ProblemKind, str]
            if negative[i]:
                found = "negative", negative_text(d.metric, float(values.value[i]), d.unit)
            elif beyond[i]:
                found = "out-of-range", beyond_text(d.metric, float(values.value[i]), d.unit)
            else:
                found = odd[int(pair[i])]
            self._problems.append(Problem(number, *found, excerpts[number]))
        return np.unique(trial_of[marked])

    def _excerpts(self, wanted: set[int]) -> dict[int, str]:
        """Read the lines of marked trials again, for the excerpts of their problems."""
        if not wanted:
            return {}
        lines = chain.from_iterable(self._run.batches(_BATCH_LINES))
        return {number: excerpt(line) for number, line in enumerate(lines, 1) if number in wanted}


@dataclass(frozen=True, slots=True)
class _Values:
    """All metrics of a run; the arrays have one entry for each value."""

    trial_of: NDArray[np.int32]
    """Row of the trial."""
    descriptor: NDArray[np.int32]
    """Index into ``table``."""
    value: NDArray[np.float64]
    table: list[Descriptor]


def _expanded(table: Sequence[Any], fields: tuple[str, ...], codes: NDArray[np.int32]) -> dict[str, Any]:
    """Give each field of the coded tuples a column of its own."""
    columns: dict[str, Any] = {}
    for name in fields:
        values = [getattr(row, name) for row in table]
        if name in {"control", "warmup", "primary"}:
            columns[name] = np.array(values, dtype=np.bool_)[codes]
        else:
            known = Codes()
            columns[name] = _categorical(np.array([known[v] for v in values], np.int32)[codes], list(known))
    return columns


def _with_outcome_invalid(outcome: pd.Categorical, rows: NDArray[np.int32]) -> pd.Categorical:
    if "invalid" not in outcome.categories:
        outcome = outcome.add_categories(["invalid"])
    outcome[rows] = "invalid"
    return outcome


def _categorical(codes: NDArray[np.int32], categories: list[str]) -> pd.Categorical:
    small: Any = np.int8 if len(categories) < 127 else np.int16 if len(categories) < 32767 else np.int32
    return pd.Categorical.from_codes(codes.astype(small), categories=pd.Index(categories, dtype=object))
