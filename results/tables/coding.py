"""Code the fields that trials and metrics repeat as small integers, so that tables of large runs stay small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from tare.results.tables.slim import SlimTrial


class Codes(dict[Any, int]):
    """Map keys to small integers, numbered in the order in which they are first seen."""

    def __missing__(self, key: Any) -> int:
        self[key] = code = len(self)
        return code


class Kind(NamedTuple):
    """The fields that many trials share; one code stands for all of them."""

    workload: str
    family: str
    runner: str
    accelerator: str
    outcome: str
    reason: str
    control: bool
    warmup: bool
    parameters: str
    """Canonical JSON."""
    context: str
    """Canonical JSON."""


class Kinds(dict[tuple[Any, ...], int]):
    """Map the fields of a kind, as spelled in the file, to the code of the kind.

    JSON objects that are equal but spelled differently belong to one kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table: dict[Kind, int] = {}
        """Kind → its code, in the order of codes."""

    def __missing__(self, key: tuple[Any, ...]) -> int:
        *plain, parameters, context = key
        # The record demands objects here; msgspec's error for anything else becomes a problem of the line.
        objects = [
            canonical_json(msgspec.json.decode(raw, type=dict[str, Any])) for raw in (parameters, context)
        ]
        code = self.table.setdefault(Kind(*plain, *objects), len(self.table))
        self[key] = code
        return code

    def code(self, t: SlimTrial) -> int:
        """Return the code of a trial's kind.

        Raises:
            msgspec.MsgspecError: ``parameters`` or ``context`` is not a JSON object.
        """
        return self[
            t.workload, t.family, t.runner, t.accelerator, t.outcome, t.reason, t.control, t.warmup,
            bytes(t.parameters), bytes(t.context),
        ]  # fmt: skip


class Descriptor(NamedTuple):
    """The fields that all values of a metric share; one code stands for all of them."""

    metric: str
    unit: str
    direction: str
    clock: str
    source: str
    primary: bool


def canonical_json(value: object) -> str:
    """Encode a value as JSON with sorted keys, so that equal objects give equal text."""
    return msgspec.json.encode(value, order="sorted").decode()
