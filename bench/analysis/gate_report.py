"""Write what a comparison means for a change: pass or fail, as text, JSON, Markdown and JUnit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

from tare.bench.errors import Exit
from tare.reports.render import changes
from tare.reports.text import numbers
from tare.reports.text.answers import both
from tare.reports.text.printable import one_line
from tare.reports.text.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.results.judgement.answers import Answers
    from tare.results.judgement.between_runs import MissingSeries, RunsCompared
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.counts import CountsCompared
    from tare.results.judgement.gate import Gate


@dataclass(frozen=True, slots=True)
class GateReport:
    """Two sides compared, and whether the change from one to the other passes."""

    base: str
    """Name of the side that is compared with."""
    head: str
    """Name of the side that is judged."""
    compared: RunsCompared
    gate: Gate
    remarks: tuple[str, ...] = ()
    """Qualifications that a reader needs, one sentence each."""

    missing: tuple[MissingSeries, ...] = ()
    """Judged series of the base that have no value in the head."""

    counts: CountsCompared | None = None
    """The two commands compared by their instructions; ``None`` if these were not counted."""

    hosts: tuple[str, ...] = ()
    """Host of the base and of the head, in a few words; one if both were measured in one run."""

    turned_down: bool = False
    """The two are not alike, and so were not compared at all."""

    @property
    def exit_code(self) -> Exit:
        """Return the exit code of the command.

        2: the two must not be compared; 1: a regression; 3: nothing could be compared; 4: something is missing or refused.
        """
        if self.turned_down:
            return Exit.USAGE
        if self.gate.regressions or (self.counts and self.counts.verdict == "worse"):
            return Exit.REGRESSION
        if not self.gate.compared:
            return Exit.ENVIRONMENT
        uncounted = self.counts is not None and self.counts.verdict == "refused"
        return Exit.SOME_FAILED if self.missing or self.gate.refused or uncounted else Exit.OK

    def as_json(self) -> str:
        """Return everything as indented JSON."""
        return json.dumps(
            {
                "exit_code": int(self.exit_code),
                "base": self.base,
                "head": self.head,
                "passed": self.gate.passed,
                "remarks": list(self.remarks),
                "unlike": list(self.compared.unlike),
                "missing": [
                    one.key._asdict() | {"primary": one.primary, "reason": one.reason} for one in self.missing
                ],
                "added": [key._asdict() for key in self.compared.added],
                "answers": [_answers_json(row) for row in changes.answers_of(self.gate)],
                "counts": asdict(self.counts) if self.counts else None,
                # JSON knows no NaN, which is what a comparison without a ratio has.
                "comparisons": msgspec.json.decode(msgspec.json.encode(self.compared.comparisons)),
            },
            indent=2,
        )

    def as_text(self) -> str:
        """Return lines for a person: regressions first, then improvements, then counts."""
        return "\n".join(map(one_line, self._lines()))

    def as_markdown(self) -> str:
        """Return a table for reviewers in Markdown."""
        return changes.markdown(self._changes())

    def as_junit(self) -> bytes:
        """Return JUnit XML with a test case for each series, for CI servers."""
        return changes.junit(self._changes())

    def _changes(self) -> changes.Changes:
        return changes.Changes(
            self.base,
            self.head,
            self.gate,
            self.missing,
            self.compared.unlike,
            self.remarks,
            self.counts,
        )

    def _counts_line(self) -> str:
        return f"by instructions: {self.counts.verdict}: {self.counts.because}" if self.counts else ""

    def _lines(self) -> Iterator[str]:
        yield f"{self.head} against {self.base}"
        for text in self.compared.unlike:
            yield f"  unlike: {text}"
        yield from (f"  {remark}" for remark in self.remarks)
        for title, group in (
            ("worse", self.gate.regressions),
            ("better", self.gate.improvements),
            ("undecided", self.gate.undecided),
            ("refused", self.gate.refused),
        ):
            for comparison in group:
                yield f"  {title:<10} {_row(comparison)}"
                yield from (f"             note: {symptom.text}" for symptom in comparison.symptoms)
        for one in self.missing:
            yield f"  {'missing':<10} {changes.missing_title(one)}: {one.reason}"
        yield from (f"  {line}" for line in changes.answer_lines(self.gate))
        if not self.gate.compared:
            yield "  nothing could be compared"
        if self.counts:
            yield f"  {self._counts_line()}"
        yield (
            f"{len(self.gate.regressions)} worse, {len(self.gate.improvements)} better, {len(self.gate.same)} same, "
            f"{len(self.gate.undecided)} undecided, {len(self.gate.refused)} refused; "
            f"{len(self.missing)} series without a value in the head, {len(self.compared.added)} new in it"
        )


def _answers_json(row: Answers) -> dict[str, object]:
    """Give both answers of a row: their metrics and verdicts, which of them is decided, and the price where neither is."""
    return {
        "workload": row.time.workload,
        "parameters": row.time.parameters,
        "runner": row.time.runner,
        "decided_by": row.by,
        "time": {"metric": row.time.metric, "verdict": row.time.verdict},
        "cpu": {"metric": row.cpu.metric, "verdict": row.cpu.verdict} if row.cpu else None,
        "told": both(row, words()),
        "needed_blocks": min((c.needed_blocks for c in row.all if c.needed_blocks), default=None)
        if row.by == "none"
        else None,
    }


def _row(comparison: Comparison) -> str:
    name = f"{comparison.workload} {comparison.metric} on {comparison.runner}"
    cost = "" if comparison.refused else f"{numbers.changed(comparison.cost)}: "
    return f"{name:<48} {cost}{comparison.because}"
