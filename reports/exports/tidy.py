"""Build the tidy table: one row per metric of a trial, and one for each trial without metrics.

``tare import`` reads it back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.model import ReportInput

COLUMNS = (
    "series", "runner", "metric", "value", "unit", "direction", "block", "invocation", "trial", "warmup", "control",
    "outcome", "reason", "primary", "clock", "source", "error", "family", "parameters", "accelerator", "run", "mode",
)  # fmt: skip


def rows(given: ReportInput) -> Iterator[tuple[Any, ...]]:
    """Give the rows in stored order; ``None`` where a cell has no value."""
    run, mode = given.manifest.run, given.manifest.mode
    for t in given.trials:
        parameters = json.dumps(t.parameters, sort_keys=True) if t.parameters else None
        place = (t.block, t.invocation, t.number, t.warmup, t.control, t.outcome, t.reason or None)
        rest = (t.family, parameters, t.accelerator, run, mode)
        if not t.metrics:
            yield (t.workload, t.runner, None, None, None, None, *place, None, None, None, None, *rest)
        for m in t.metrics:
            what = (m.name, m.value, m.unit, m.direction)
            yield (
                t.workload,
                t.runner,
                *what,
                *place,
                m.primary,
                m.clock or None,
                m.source or None,
                m.error,
                *rest,
            )
