"""Define what readers of foreign formats return, and help them to read JSON with precise errors."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.results.errors import ResultError
from tare.results.record import Metric, Trial
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Direction, Outcome

RUNNER = "imported"
"""Label of the runner, and family of the workload, where a file names none."""


class ImportFault(ResultError):
    """A file is not valid; the text names the file and the line or field."""


MOST_VALUES = 250_000
"""Values that are taken from one file; each takes about a kibibyte of memory and 20 µs until it is stored."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Contents of a file. Run and number of the trials are not set yet."""

    trials: tuple[Trial, ...]
    context: dict[str, Any] = field(default_factory=dict)
    """Facts of the whole file that must agree with another run before the two are compared."""
    ignored_columns: tuple[str, ...] = ()
    """Columns of a table that are unknown here and were not used."""
    medians_only: tuple[str, ...] = ()
    """Series for which the file has only a median and no single values."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """The tool's description of its own run. It is kept for people; no code reads it."""
    moment: str = ""
    """When the file says that it was measured, ISO 8601 in UTC; empty: it does not say."""
    commit: str = ""
    """Commit that the file says was measured; empty: it does not say."""


def moment_of(told: Any) -> str:
    """Read a moment, which tools write as ISO 8601 (without a zone: in UTC) or in seconds since the epoch; empty if it is neither."""
    try:
        if isinstance(told, int | float) and not isinstance(told, bool):
            moment = datetime.datetime.fromtimestamp(told, datetime.UTC)
        else:
            moment = datetime.datetime.fromisoformat(str(told))
    except (ValueError, OverflowError, OSError):
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    try:
        return moment.astimezone(datetime.UTC).isoformat(timespec="seconds")
    except OverflowError:
        return ""


@dataclass(slots=True)
class Names:
    """Names given to the series of a file: two results of one name stay two series, the second one called ``x (2)``."""

    _given: set[tuple[str, str]] = field(default_factory=set)

    def give(self, name: str, parameters: Mapping[str, Any] | None = None) -> str:
        """Return the name of the next result, which is its own among those with the same parameters."""
        about = json.dumps(parameters or {}, sort_keys=True)
        number, given = 1, name
        while (given, about) in self._given:
            number += 1
            given = f"{name} ({number})"
        self._given.add((given, about))
        return given


@dataclass(slots=True)
class Trials:
    """The trials of a file as they are found, counted against :data:`MOST_VALUES`."""

    where: str
    found: list[Trial] = field(default_factory=list)

    def append(self, trial: Trial) -> None:
        """Take one more.

        Raises:
            ImportFault: the file has too many.
        """
        check_count(len(self.found), self.where)
        self.found.append(trial)


def check_count(values: int, where: str) -> None:
    """Refuse a file that has more values than are taken from one."""
    if values >= MOST_VALUES:
        raise ImportFault(say(
            "import.most_values", "{where} has more than {most_values} values, which is the limit. Split it.",
            where=where, most_values=f"{MOST_VALUES:,}",
        ))  # fmt: skip


def trial(
    series: str,
    *metrics: Metric,
    block: int,
    invocation: int,
    outcome: Outcome = "ok",
    reason: str = "",
    warmup: bool = False,
    parameters: Mapping[str, Any] | None = None,
) -> Trial:
    """Make a trial of an imported run."""
    return Trial(
        run="",
        number=0,
        workload=series,
        family=RUNNER,
        runner=RUNNER,
        accelerator="none",
        block=block,
        invocation=invocation,
        outcome=outcome,
        reason=reason,
        warmup=warmup,
        parameters=dict(parameters or {}),
        metrics=metrics,
    )


def metric(
    name: str,
    value: float,
    unit: str,
    direction: Direction,
    source: str,
    *,
    primary: bool = False,
    samples: int = 1,
) -> Metric:
    """Make a metric of an imported run, whose clock is not known."""
    return Metric(
        name=name, value=value, unit=unit, direction=direction, clock="", source=source, primary=primary,
        samples=samples,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside a JSON document and the path to it, so that errors can name the field."""

    value: Any
    where: str
    """Path to the value, which begins with the name of the file: ``x.json.results[0].command``."""

    def get(self, key: str) -> Node | None:
        """Return a member of an object; ``None`` if it is absent or null."""
        value = self.object().get(key)
        return None if value is None else Node(value, f"{self.where}.{key}")

    def need(self, key: str) -> Node:
        """Return a member of an object.

        Raises:
            ImportFault: it is absent or null.
        """
        found = self.get(key)
        if found is None:
            raise ImportFault(say("import.no_key", "{where} has no {key!r}.", where=self.where, key=key))
        return found

    def object(self) -> dict[str, Any]:
        """Return the value as an object.

        Raises:
            ImportFault: it is none.
        """
        if not isinstance(self.value, dict):
            raise self._not(say("import.object", "an object"))
        return self.value

    def items(self) -> list[Node]:
        """Return the items of a list.

        Raises:
            ImportFault: the value is no list.
        """
        if not isinstance(self.value, list):
            raise self._not(say("import.list", "a list"))
        return [Node(value, f"{self.where}[{i}]") for i, value in enumerate(self.value)]

    def number(self) -> float:
        """Return the value as a number. NaN and infinities are allowed: storing marks them as invalid.

        Raises:
            ImportFault: it is no number.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._not(say("import.number", "a number"))
        try:
            return float(self.value)
        except OverflowError:
            raise self._not(say("import.double", "a number that fits into a double")) from None

    def whole(self) -> int:
        """Return the value as a whole number.

        Raises:
            ImportFault: it is none.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self._not(say("import.whole_number", "a whole number"))
        return self.value

    def text(self) -> str:
        """Return the value as text.

        Raises:
            ImportFault: it is no text, or an empty one.
        """
        if not isinstance(self.value, str):
            raise self._not(say("import.text", "a text"))
        if not self.value.strip():
            raise ImportFault(say("import.empty_text", "{where} is empty.", where=self.where))
        return self.value

    def _not(self, what: str) -> ImportFault:
        kinds = {"list": "a list", "dict": "an object"}
        shown = kinds.get(type(self.value).__name__) or repr(self.value)
        found = f"{shown[:60]}{'…' if len(shown) > 60 else ''}"
        return ImportFault(
            say("import.is_not", "{where} is {found}, not {what}.", where=self.where, found=found, what=what)
        )
