"""Read a metric's rule from one line of text, as ``--metric`` takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.workloads.output_metrics import MetricRule
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from tare.results.record import Direction


def read_metric(text: str, origin: str) -> tuple[str, MetricRule]:
    """Read ``NAME[,UNIT][,lower|higher]=REGEX``; return name and rule.

    Args:
        text: the line.
        origin: what error messages call it.

    Raises:
        UsageError: it is none; the text shows how one is written.
    """
    left, sign, regex = text.partition("=")
    name, *about = left.split(",")
    directions = [word for word in about if word in {"lower", "higher"}]
    units = [word for word in about if word not in {"lower", "higher"}]
    if not sign or not name or len(directions) > 1 or len(units) > 1:
        raise UsageError(say(
            "own.metric_text", "{origin} {text!r}: give NAME[,UNIT][,lower|higher]=REGEX, as in 'rps,ops/s,higher=([0-9.]+) req/s'.",
            origin=origin, text=text,
        ))  # fmt: skip
    direction: Direction = "none" if not directions else "lower" if directions[0] == "lower" else "higher"
    return name, MetricRule(regex=regex, unit=units[0] if units else "count", direction=direction)
