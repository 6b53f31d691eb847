"""Two stored runs compared, and what that means for a change: pass or fail, as text, JSON, Markdown and JUnit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from tare.bench.analysis.known import known_calibration
from tare.reports.render import changes
from tare.reports.text import numbers
from tare.results.judgement.between_runs import RunsCompared, compare_runs
from tare.results.judgement.calibration import quotes
from tare.results.judgement.gate import Gate, gate, judged
from tare.results.judgement.multiplicity import control_false_calls
from tare.results.judgement.thresholds import Thresholds, read_thresholds
from tare.results.judgement.within_run import compare_variants, compare_versions
from tare.results.record import CPU_TIME
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Manifest
    from tare.results.storage.load import Run
    from tare.results.tables.frame import RunFrame


Multiplicity = Literal["bh", "holm", "none"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How two sides are judged."""

    thresholds: Path | None = None
    multiplicity: Multiplicity = "bh"
    """How the calls of a matrix of comparisons are kept from being chance; see :func:`control_false_calls`."""

    def limits(self) -> Thresholds:
        """The thresholds."""
        return read_thresholds(self.thresholds) if self.thresholds else Thresholds()

    def gate(
        self, comparisons: Iterable[Comparison], *, primary_only: bool, also: tuple[str, ...] = ()
    ) -> Gate:
        """Sort what a change is judged by, after the calls that so many comparisons lead to by chance are withdrawn."""
        chosen = judged(comparisons, primary_only=primary_only, also=also)
        return gate(
            chosen
            if self.multiplicity == "none"
            else control_false_calls(chosen, method=self.multiplicity, level=LEVEL)
        )


LEVEL = 0.10
"""Of Benjamini's and Hochberg's share of false calls, or of Holm's chance of any. Against a margin it is never reached:
where nothing differs, p-values gather at 1, not evenly."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A comparison of two runs and its gate."""

    base: str
    head: str
    compared: RunsCompared
    gate: Gate
    remarks: tuple[str, ...] = ()
    """What a reader must know besides, one sentence each."""

    @property
    def regressed(self) -> bool:
        """Whether a judged metric became worse by more than its threshold and the noise."""
        return not self.gate.passed

    def as_json(self) -> str:
        """Everything, for machines."""
        return json.dumps(
            {
                "base": self.base,
                "head": self.head,
                "passed": self.gate.passed,
                "remarks": list(self.remarks),
                "unlike": list(self.compared.unlike),
                "missing": [key._asdict() for key in self.compared.missing],
                "added": [key._asdict() for key in self.compared.added],
                "comparisons": msgspec.to_builtins(self.compared.comparisons),
            },
            indent=2,
        )

    def as_text(self) -> str:
        """What a person needs: regressions first, then improvements, then counts."""
        return "\n".join(self._lines())

    def as_markdown(self) -> str:
        """A table for reviewers."""
        return changes.markdown(self._changes())

    def as_junit(self) -> bytes:
        """A case for each series, for CI servers."""
        return changes.junit(self._changes())

    def _changes(self) -> changes.Changes:
        return changes.Changes(self.base, self.head, self.gate, self.compared.unlike, self.remarks)

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
        yield (
            f"{len(self.gate.regressions)} worse, {len(self.gate.improvements)} better, {len(self.gate.same)} same, "
            f"{len(self.gate.undecided)} undecided, {len(self.gate.refused)} refused; "
            f"{len(self.compared.missing)} series only in the base, {len(self.compared.added)} only in the head"
        )


def _row(comparison: Comparison) -> str:
    name = f"{comparison.workload} {comparison.metric} on {comparison.runner}"
    return f"{name:<48} cost {numbers.cost(comparison.cost)}: {comparison.because}"


def compare_stored(base: Path, head: Path, *, rules: Rules = Rules(), allow_unlike: bool = False) -> Outcome:
    """Load and compare two runs; workloads are judged by their primary metrics, imported runs by all of theirs.

    Raises:
        UnlikeRunsError: the two are unlike and that is not allowed.
        ResultError: a run or the thresholds cannot be read.
    """
    runs = [load_run(folder) for folder in (base, head)]
    frames = [read_frame(run) for run in runs]
    compared = compare_runs(*frames, threshold=rules.limits(), allow_unlike=allow_unlike)
    before, after = (_label(run) for run in runs)
    remarks = (
        *(
            text
            for frame, side in zip(frames, ("base", "head"), strict=True)
            for text in _damage(frame, side)
        ),
        *_between(_errors(runs[1].manifest, compared.comparisons)),
    )
    # Of an imported run nobody said what it is to be judged by: all of it is.
    imported = any(run.manifest.mode == "imported" for run in runs)
    gated = rules.gate(compared.comparisons, primary_only=not imported)
    return Outcome(before, after, compared, gated, remarks)


def _label(run: Run) -> str:
    name = run.manifest.name or run.manifest.run
    return f"{name} (imported)" if run.manifest.mode == "imported" else name


def compare_measured(run_dir: Path, base: str, head: str, *, rules: Rules = Rules()) -> Outcome:
    """Compare two versions that were measured side by side in one run; judged by the primary metric and CPU time.

    Raises:
        ResultError: the run or the thresholds cannot be read.
    """
    run = load_run(run_dir)
    about = run.manifest
    compare = compare_variants if about.plan.get("request", {}).get("variants") else compare_versions
    frame = read_frame(run)
    found = compare(frame, base=base, head=head, threshold=rules.limits())
    remarks = [
        f"Both were measured in turn in run {about.run}, paired by block (mode {about.mode}, seed {about.seed})."
    ]
    if about.mode == "quick":
        remarks.append("A quick run shows that everything works; it is too short for decisions.")
    if about.status != "complete":
        remarks.append(f"The run is {about.status}: it has fewer blocks than planned.")
    compared = RunsCompared(found, (), (), ())
    return Outcome(
        base, head, compared, rules.gate(found, primary_only=True, also=(CPU_TIME,)), tuple(remarks)
    )


def _precision(about: Manifest) -> list[str]:
    """What became of the width that was aimed at."""
    target = about.plan.get("request", {}).get("settings", {}).get("run.precision")
    if not target:
        return []
    reached = about.notes.get("precision_reached_after_blocks") or {}
    blocks = ", ".join(str(one) for one in reached.values())
    aim = f"Sampling was to stop when all intervals are within ±{target * 100:g} %"
    return [f"{aim}: they were after {blocks} blocks." if reached else f"{aim}: the budget was spent before."]


def _errors(about: Manifest, compared: Sequence[Comparison]) -> list[str]:
    """What a calibration of this host class says of such comparisons."""
    known = known_calibration(about)
    blocks = max((c.cost.n for c in compared if c.primary), default=0)
    metrics = {c.metric for c in compared}
    told = [quote for quote in quotes(known, blocks) if quote.metric in metrics] if known else []
    if not known or not told:
        return []
    lines = []
    for quote in told:
        found = ", ".join(f"{rate * 100:.0f} % at {share * 100:g} %" for share, rate in quote.found.items())
        alarms = f"{quote.false_alarms * 100:.1f} % false alarms"
        lines.append(f"{quote.metric}: {alarms}, slowdowns found {found} ({quote.blocks} blocks)")
    return [f"Calibrated on {known.created[:10]}: {'; '.join(lines)}."]


def _damage(frame: RunFrame, side: str) -> list[str]:
    """What of a result file could not be used, by kind."""
    kinds = Counter(problem.kind for problem in frame.problems)
    if not kinds:
        return []
    counts = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    first = frame.problems[0]
    return [
        f"Lines of the {side}'s trials.jsonl give no number: {counts}; the first is line {first.line}: {first.what}."
    ]


def _between(remarks: list[str]) -> tuple[str, ...]:
    """Rates are measured within a run; between two, what differs from day to day comes on top."""
    return tuple(
        f"{remark} Within a run; between runs, what differs from day to day comes on top."
        for remark in remarks
    )
