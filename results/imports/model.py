"""What a reader of a foreign format gives back, and how it complains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.results.errors import ResultError
from tare.results.record import Metric, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Direction, Outcome

RUNNER = "imported"
"""The runner's label of what names none."""


class ImportFault(ResultError):
    """A file is not what its format says; the text names the file and the line or field."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file held. Runs and numbers of the trials are not set yet."""

    trials: tuple[Trial, ...]
    context: dict[str, Any] = field(default_factory=dict)
    """Of the whole file: must agree before it is compared."""
    ignored_columns: tuple[str, ...] = ()
    """Columns of a table that are not known here."""
    medians_only: tuple[str, ...] = ()
    """Series of which the file has no single values but the median alone."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """What the tool wrote about its own run; kept, not read."""


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
    """A trial of an imported run."""
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
    """A metric of an imported run; which clock was read is not known."""
    return Metric(
        name=name, value=value, unit=unit, direction=direction, clock="", source=source, primary=primary,
        samples=samples,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside a JSON document and the way to it, so that every complaint can name its field."""

    value: Any
    where: str

    def get(self, key: str) -> Node | None:
        """The member of an object, or nothing if it is absent or null."""
        value = self.object().get(key)
        return None if value is None else Node(value, f"{self.where}.{key}")

    def need(self, key: str) -> Node:
        """The member of an object."""
        found = self.get(key)
        if found is None:
            raise ImportFault(f"{self.where} has no {key!r}.")
        return found

    def object(self) -> dict[str, Any]:
        """The value as an object."""
        if not isinstance(self.value, dict):
            raise self._not("an object")
        return self.value

    def items(self) -> list[Node]:
        """The value as a list."""
        if not isinstance(self.value, list):
            raise self._not("a list")
        return [Node(value, f"{self.where}[{i}]") for i, value in enumerate(self.value)]

    def number(self) -> float:
        """The value as a number; NaN and the infinities are let through, to be marked when stored."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._not("a number")
        try:
            return float(self.value)
        except OverflowError:
            raise self._not("a number that a double can hold") from None

    def whole(self) -> int:
        """The value as a whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self._not("a whole number")
        return self.value

    def text(self) -> str:
        """The value as text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self._not("a text")
        return self.value

    def _not(self, what: str) -> ImportFault:
        shown = repr(self.value)
        return ImportFault(f"{self.where} is {shown[:60]}{'…' if len(shown) > 60 else ''}, not {what}.")
