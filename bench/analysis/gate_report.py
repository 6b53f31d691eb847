"""Write whether a change passes a comparison, as text, JSON, Markdown and JUnit."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

from tare.bench.errors import Exit
from tare.reports.render import changes
from tare.reports.summaries.names import titled
from tare.reports.text import numbers
from tare.reports.text.answers import both
from tare.reports.text.columns import padded, width
from tare.reports.text.repeated import repeat
from tare.reports.text.words import words
from tare.results.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.model import Language
    from tare.reports.text.words import Words
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

    sides: tuple[str, str] = ("", "")
    """What base and head are: their commands, or the settings in which they differ; empty for two runs."""

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
                "answers": [answers_json(row) for row in changes.answers_of(self.gate)],
                "counts": asdict(self.counts) if self.counts else None,
                # JSON knows no NaN, which is what a comparison without a ratio has.
                "comparisons": msgspec.json.decode(msgspec.json.encode(self.compared.comparisons)),
            },
            indent=2,
        )

    def as_text(self, language: Language = "en") -> str:
        """Return lines for a person: regressions first, then improvements, then counts."""
        return "\n".join(map(one_line, self._lines(words(language))))

    def as_markdown(self, language: Language = "en") -> str:
        """Return a table for reviewers in Markdown."""
        return changes.markdown(self._changes(), words(language))

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

    def _lines(self, words: Words) -> Iterator[str]:
        tell = functools.partial(repeat, words=words)
        yield words("comparison.title", base=tell(self.base), head=tell(self.head))
        for text in self.compared.unlike:
            yield f"  {words('changes.unlike_in', text=tell(text))}"
        yield from (f"  {tell(remark)}" for remark in self.remarks)
        yield from self._rows(words)
        yield from (f"  {line}" for line in changes.answer_lines(self.gate, words))
        if not self.gate.compared:
            yield f"  {words('changes.nothing')}"
        if self.counts:
            yield f"  {changes.counts_line(self.counts, words)}"
        yield words(
            "changes.totals",
            worse=len(self.gate.regressions), better=len(self.gate.improvements), same=len(self.gate.same),
            undecided=len(self.gate.undecided), refused=len(self.gate.refused),
            missing=len(self.missing), added=len(self.compared.added),
        )  # fmt: skip

    def _rows(self, words: Words) -> Iterator[str]:
        """Tell each comparison but those of equals, and what is missing, under heads of the same width."""
        groups = self.gate.regressions, self.gate.improvements, self.gate.undecided, self.gate.refused
        wide = max(10, *(width(words(f"changes.{verdict}")) for verdict in changes.VERDICTS))
        for comparison in (one for group in groups for one in group):
            yield f"  {padded(changes.verdict(comparison, words), wide)} {_row(comparison, words)}"
            for symptom in comparison.symptoms:
                note = words("changes.note", text=repeat(symptom.text, words))
                yield f"  {' ' * wide} {note}"
        for one in self.missing:
            title, reason = changes.missing_title(one, words), repeat(one.reason, words)
            yield f"  {padded(words('changes.missing'), wide)} {title}: {reason}"


def answers_json(row: Answers) -> dict[str, object]:
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


def _row(comparison: Comparison, words: Words) -> str:
    case = titled(comparison.workload, comparison.workload, words)
    name = words("changes.series", case=case, metric=comparison.metric, runner=comparison.runner)
    cost = "" if comparison.refused else f"{repeat(numbers.changed(comparison.cost), words)}: "
    return f"{padded(name, 48)} {cost}{repeat(comparison.because, words)}"
