"""Pair the two answers of a comparison: time, the workload's primary metric, and CPU, the seconds that were spent on it.

Other load on the machine lengthens times and hardly changes CPU seconds, so CPU often decides where time does not. CPU is
what the host counted from outside, for guests the whole VMM: of jobs that shared one CPU where there are such trials
(:data:`tare.results.record.DUET_CPU_TIME`), else of each job by itself (:data:`tare.results.record.HOST_CPU_TIME`); where
either side lacks both, it is the job's own account (:data:`tare.results.record.CPU_TIME`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from tare.results.judgement.multiplicity import control_false_calls
from tare.results.record import CPU_TIME, DUET_CPU_TIME, HOST_CPU_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tare.results.judgement.comparison import Comparison

LEVEL = 0.10
"""Expected share of false calls (Benjamini-Hochberg), or chance of any (Holm). Calls against a margin never reach it:
where nothing differs, their p-values gather at 1 instead of being spread evenly."""

By = Literal["both", "time", "cpu", "none"]
"""What decided a row."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one question: what does this workload cost under this runner."""

    time: Comparison
    """Comparison of the primary metric; for rates, that is the time for each operation."""
    cpu: Comparison | None
    """Comparison of CPU time; ``None`` where a side has none, or where CPU time is the primary metric."""
    inside: Comparison | None
    """CPU time as the guest counts it, beside ``cpu``; ``None`` for whatever is no guest, and where ``cpu`` is the same."""

    @property
    def by(self) -> By:
        """Tell which of the two is decided."""
        cpu = self.cpu is not None and decided(self.cpu)
        if decided(self.time):
            return "both" if cpu else "time"
        return "cpu" if cpu else "none"

    @property
    def all(self) -> tuple[Comparison, ...]:
        """Return the comparisons that are judged: time, and CPU if there is one."""
        return (self.time,) if self.cpu is None else (self.time, self.cpu)


def decided(comparison: Comparison) -> bool:
    """Tell whether a comparison has a verdict."""
    return comparison.verdict != "undecided"


def pair_answers(comparisons: Iterable[Comparison]) -> list[Answers]:
    """Pair each comparison of a primary metric with that of CPU time, in the order of the former."""
    found = {(*_row(c), c.metric): c for c in comparisons}
    return [_answers(c, found) for c in found.values() if c.primary]


def withdraw_chance(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Withdraw calls that chance explains, among all answers of both kinds; other comparisons stay as they are."""
    judged = [one for answers in pair_answers(comparisons) for one in answers.all]
    checked = control_false_calls(judged, level=LEVEL)
    changed = {(*_row(c), c.metric): c for c in checked}
    return [changed.get((*_row(c), c.metric), c) for c in comparisons]


_Row = tuple[str, bytes, str, str]


def _row(c: Comparison) -> _Row:
    return c.workload, msgspec.json.encode(c.parameters, order="deterministic"), c.runner, c.base


def _answers(time: Comparison, found: dict[tuple[str, bytes, str, str, str], Comparison]) -> Answers:
    row = _row(time)
    duet, outside, inside = (found.get((*row, name)) for name in (DUET_CPU_TIME, HOST_CPU_TIME, CPU_TIME))
    if time.metric in {HOST_CPU_TIME, CPU_TIME}:
        return Answers(time, None, None)
    # A pair whose sides are unlike has no verdict, whatever they say.
    cpu = next((one for one in (duet, outside) if one is not None and not one.refused), inside)
    guest = time.accelerator != "none"
    return Answers(time, cpu, inside if guest and cpu is not inside else None)
