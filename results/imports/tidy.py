"""Read tidy CSV: ``series,runner,metric,value,unit,direction,block,…``, one row for each value.

Cells are separated by ``,``, ``;`` or tabs. ``series``, ``metric``, ``value``, ``unit`` and ``direction`` (``lower`` or
``higher`` is better; ``none`` is never judged) are required, in any order; other columns are optional. Without
``block``, the rows of a series are numbered; without ``invocation``, each block is one, so files whose rows share a
process or environment should have that column. An apostrophe before what a spreadsheet would take for a formula is no
part of a cell.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from tare.results.escapes import original_cell
from tare.results.imports.documents import harmless, small_document_of
from tare.results.imports.model import RUNNER, Imported, ImportFault, check_count
from tare.results.record import Accelerator, Direction, Metric, Outcome, Trial
from tare.results.said import say
from tare.results.storage.load import LARGEST_INT

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "csv"
SUMMARY = "tidy CSV, as `tare export --format csv` writes it"

NEEDED = ("series", "metric", "value", "unit", "direction")
OPTIONAL = (
    "runner", "block", "invocation", "trial", "warmup", "control", "outcome", "reason", "primary", "clock", "source",
    "error", "family", "parameters", "accelerator",
)  # fmt: skip
ABOUT_THE_RUN = ("run", "mode")
"""Columns that exports write and that are ignored, because an imported run has its own."""

_OF_THE_TRIAL = ("block", "invocation", "warmup", "control", "family", "accelerator", "reason")
"""Columns besides series, runner, parameters and outcome in which the rows of one trial agree."""

_OUTCOMES, _ACCELERATORS, _DIRECTIONS = map(get_args, (Outcome, Accelerator, Direction))
_WHOLE = re.compile(r"-?[0-9]{1,10}")

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def fits(text: str) -> bool:
    """Return whether the first line is a header with all required columns."""
    return set(NEEDED) <= set(_names(next(_lines(text), "")))


def read(text: str, where: str) -> Imported:
    """Read a table.

    Raises:
        ImportFault: the table is not valid; the text names the line and the column.
    """
    table = _Table(where)
    rows = _rows(text, where)
    _, header = next(rows, (1, []))
    names = [harmless(name.strip().lower()) for name in header]
    if missing := [name for name in NEEDED if name not in names]:
        raise ImportFault(say(
            "import.header", "{where}, line 1: the header lacks {missing}; required are {needed}, optional are {optional}.",
            where=where, missing=", ".join(missing), needed=", ".join(NEEDED), optional=", ".join(OPTIONAL),
        ))  # fmt: skip
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise ImportFault(say(
            "import.column_twice", "{where}, line 1: column {twice} appears twice.",
            where=where, twice=", ".join(twice),
        ))  # fmt: skip
    for line, row in rows:
        if len(row) != len(names):
            raise ImportFault(say(
                "import.cells", "{where}, line {line}: {row} cells, but the header has {names} columns.",
                where=where, line=line, row=len(row), names=len(names),
            ))  # fmt: skip
        cells = (harmless(original_cell(cell.strip())) for cell in row)
        table.add(_Row(dict(zip(names, cells, strict=True)), f"{where}, line {line}"))
    if not table.trials:
        raise ImportFault(say("import.no_rows", "{where} has a header and no rows.", where=where))
    ignored = tuple(name for name in names if name not in {*NEEDED, *OPTIONAL, *ABOUT_THE_RUN})
    return Imported(table.finish("primary" in names), ignored_columns=ignored)


def _names(line: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in line.split(_separator(line))]


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines one by one, ends kept: a list of them all can take fifty times the text's memory."""
    return (match[0] for match in re.finditer(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+", text))


def _rows(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(text), delimiter=_separator(next(_lines(text), "")), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ImportFault(say(
                "import.no_csv", "{where}, line {line_num}: not CSV: {error}.",
                where=where, line_num=reader.line_num, error=error,
            )) from error  # fmt: skip
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


@dataclass(frozen=True, slots=True)
class _Row:
    """One row, whose errors name line and column."""

    cells: dict[str, str]
    where: str

    def text(self, name: str, default: str = "") -> str:
        return self.cells.get(name, "") or default

    def needed(self, name: str) -> str:
        found = self.cells.get(name, "")
        if not found:
            raise self.fault(name, say("import.is_empty", "is empty"))
        return found

    def one_of(self, name: str, allowed: tuple[Any, ...], default: str = "") -> Any:
        found = self.text(name, default).lower()
        if found not in allowed:
            raise self.fault(
                name,
                say(
                    "import.not_allowed",
                    "is {found!r}, not one of {allowed}",
                    found=found,
                    allowed=", ".join(allowed),
                ),
            )
        return found

    def number(self, name: str) -> float:
        text = self.needed(name)
        try:
            # float() accepts "1_0" as well, which is a typing error.
            return float(text.replace("_", "?"))
        except ValueError:
            raise self.fault(
                name, say("import.not_number", "is {text!r}, not a number", text=text[:60])
            ) from None

    def whole(self, name: str, low: int = 0) -> int | None:
        text = self.text(name)
        if not text:
            return None
        # int() accepts "1_0" and digits of other scripts as well, which are errors.
        number = int(text) if _WHOLE.fullmatch(text) else low - 1
        if not low <= number <= LARGEST_INT:
            raise self.fault(
                name,
                say(
                    "import.not_whole",
                    "is {text!r}, not a whole number from {low} to {largest_int}",
                    text=text[:60],
                    low=low,
                    largest_int=LARGEST_INT,
                ),
            )
        return number

    def truth(self, name: str) -> bool:
        found = _TRUTH.get(self.text(name).lower())
        if found is None:
            raise self.fault(
                name, say("import.not_boolean", "is {text!r}, not true or false", text=self.text(name))
            )
        return found

    def parameters(self) -> dict[str, Any]:
        text = self.text("parameters")
        try:
            found = small_document_of(text) if text else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self.fault("parameters", say("import.not_object", "is not a JSON object"))
        return found

    def fault(self, name: str, what: str) -> ImportFault:
        return ImportFault(
            say("import.fault", "{where}: {name} {what}.", where=self.where, name=name, what=what)
        )


@dataclass(slots=True)
class _Table:
    """Joins rows that agree in ``trial`` and all else but the metric into one trial; others are trials of their own."""

    where: str
    trials: list[tuple[Trial, list[Metric]]] = field(default_factory=list)
    _numbered: dict[tuple[object, ...], int] = field(default_factory=dict)
    _counts: dict[tuple[str, ...], int] = field(default_factory=dict)
    _primary: dict[str, str] = field(default_factory=dict)
    """Series → the metric that the table calls its primary one."""
    _values: int = 0

    def add(self, row: _Row) -> None:
        check_count(self._values, self.where)
        self._values += 1
        outcome: Outcome = row.one_of("outcome", _OUTCOMES, "ok")
        metrics = [] if outcome != "ok" and not row.text("value") else [_metric(row)]
        series, runner = row.needed("series"), row.text("runner", RUNNER)
        for metric in metrics:
            if metric.primary and (known := self._primary.setdefault(series, metric.name)) != metric.name:
                raise row.fault(
                    "primary",
                    say(
                        "import.one_metric",
                        "is {name} here, but {known} before; {series} has one only",
                        name=metric.name,
                        known=known,
                        series=series,
                    ),
                )
        parameters = row.parameters()
        about = json.dumps(parameters, sort_keys=True) if parameters else ""
        number = row.whole("trial")
        if number is not None:
            key = (series, runner, number, about, outcome, *map(row.text, _OF_THE_TRIAL))
            there = self._numbered.setdefault(key, len(self.trials))
            if there < len(self.trials):
                self._join(self.trials[there][1], metrics, row)
                return
        block = row.whole("block", -1)
        if block is None:
            counted = (series, runner, about, *(metric.name for metric in metrics))
            block = self._counts[counted] = self._counts.get(counted, -1) + 1
        trial = _trial(row, block, outcome, parameters)
        self.trials.append((trial, metrics))

    def _join(self, there: list[Metric], metrics: list[Metric], row: _Row) -> None:
        for metric in metrics:
            if any(metric.name == other.name for other in there):
                raise row.fault(
                    "trial", say("import.second_time", "has {name} a second time", name=metric.name)
                )
        there += metrics

    def finish(self, primaries: bool) -> tuple[Trial, ...]:
        """Return the trials; without a column ``primary``, the first judged metric of each series is primary."""
        first: dict[str, str] = {}
        done = []
        for trial, metrics in self.trials:
            kept = metrics
            if not primaries:
                for metric in metrics:
                    if metric.direction != "none":
                        first.setdefault(trial.workload, metric.name)
                kept = [
                    msgspec.structs.replace(m, primary=first.get(trial.workload) == m.name) for m in metrics
                ]
            done.append(msgspec.structs.replace(trial, metrics=tuple(kept)))
        return tuple(done)


def _trial(row: _Row, block: int, outcome: Outcome, parameters: dict[str, Any]) -> Trial:
    invocation = row.whole("invocation")
    return Trial(
        run="",
        number=0,
        workload=row.needed("series"),
        family=row.text("family", RUNNER),
        runner=row.text("runner", RUNNER),
        accelerator=row.one_of("accelerator", _ACCELERATORS, "none"),
        block=block,
        invocation=max(block, 0) if invocation is None else invocation,
        outcome=outcome,
        reason=row.text("reason"),
        control=row.truth("control"),
        warmup=row.truth("warmup"),
        parameters=parameters,
    )


def _metric(row: _Row) -> Metric:
    return Metric(
        name=row.needed("metric"),
        value=row.number("value"),
        unit=row.needed("unit"),
        direction=row.one_of("direction", _DIRECTIONS),
        clock=row.text("clock"),
        source=row.text("source", NAME),
        error=row.number("error") if row.text("error") else None,
        primary=row.truth("primary"),
    )
