"""Compare two stored runs, or two versions within one run, and decide whether a change passes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tare.bench.analysis.calibration_lookup import known_calibration
from tare.bench.analysis.gate_report import GateReport
from tare.bench.analysis.sides import sides_of
from tare.bench.request.record import request_of
from tare.reports.content.bills import bill
from tare.reports.content.page import host_line
from tare.reports.render.changes import answers_of
from tare.reports.summaries.prices import Prices
from tare.reports.text.words import quotable
from tare.results.judgement.answers import LEVEL
from tare.results.judgement.between_runs import RunsCompared, compare_runs
from tare.results.judgement.calibration import expected_rates
from tare.results.judgement.counts import compare_counts
from tare.results.judgement.gate import gate, judged
from tare.results.judgement.multiplicity import control_false_calls
from tare.results.judgement.thresholds import Thresholds
from tare.results.judgement.within_run import compare_variants, compare_versions
from tare.results.said import Name, listed, say
from tare.results.statistics.phrases import count
from tare.results.storage.counts import read_counts
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.counts import CountsCompared
    from tare.results.judgement.gate import Gate
    from tare.results.record import Manifest
    from tare.results.storage.load import Run
    from tare.results.tables.frame import RunFrame


Multiplicity = Literal["bh", "holm", "none"]
"""Correction for many comparisons: by Benjamini and Hochberg, by Holm, or none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds and correction by which two sides are judged."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    """Relative differences that matter, by series."""
    multiplicity: Multiplicity = "bh"
    """See :func:`tare.results.judgement.multiplicity.control_false_calls`."""

    def gate(self, comparisons: Iterable[Comparison], *, answers_only: bool) -> Gate:
        """Sort the comparisons that a change is judged by, after withdrawing calls that chance explains."""
        chosen = judged(comparisons, answers_only=answers_only)
        return gate(
            chosen
            if self.multiplicity == "none"
            else control_false_calls(chosen, method=self.multiplicity, level=LEVEL)
        )


def compare_stored(
    base: Path, head: Path, *, rules: Rules = Rules(), allow_unlike: bool = False
) -> GateReport:
    """Load and compare two runs: workloads by time and CPU, imported runs by all of their metrics.

    Raises:
        UnlikeRunsError: the contexts of the two differ and that is not allowed.
        ResultError: a run or the thresholds cannot be read.
    """
    runs = [load_run(folder) for folder in (base, head)]
    frames = [read_frame(run) for run in runs]
    compared = compare_runs(*frames, threshold=rules.thresholds, allow_unlike=allow_unlike)
    before, after = (_label(run) for run in runs)
    remarks = (
        *(
            text
            for frame, side in zip(frames, ("base", "head"), strict=True)
            for text in _damage(frame, side)
        ),
        *_between_runs(_error_rates(runs[1].manifest, compared.comparisons)),
    )
    # An imported run does not say which metrics are primary, so all of them are judged.
    imported = any(run.manifest.mode == "imported" for run in runs)
    gated = rules.gate(compared.comparisons, answers_only=not imported)
    missing = tuple(one for one in compared.missing if imported or one.primary)
    return GateReport(before, after, compared, gated, remarks, missing, hosts=_hosts(runs))


def not_compared(base: Path, head: Path, unlike: tuple[str, ...]) -> GateReport:
    """Report that two runs were not compared, since they are not alike, for whoever reads the report and no message.

    Args:
        base: folder of the earlier run.
        head: folder of the run that was to be judged.
        unlike: what differs, as :attr:`tare.results.judgement.between_runs.UnlikeRunsError.fields` has it.
    """
    runs = [load_run(folder) for folder in (base, head)]
    before, after = (_label(run) for run in runs)
    compared = RunsCompared([], (), (), unlike)
    return GateReport(before, after, compared, gate(()), hosts=_hosts(runs), turned_down=True)


def _hosts(runs: Sequence[Run]) -> tuple[str, ...]:
    """Describe the host of each run in a few words."""
    spoken = quotable()
    return tuple(
        spoken("comparison.host_of", name=_label(run), host=host_line(run.manifest, spoken)) for run in runs
    )


def _label(run: Run) -> str:
    name = run.manifest.name or run.manifest.run
    return (
        say("compare.imported", "{name} (imported)", name=name)
        if run.manifest.mode == "imported"
        else Name(name)
    )


def compare_measured(run_dir: Path, base: str, head: str, *, rules: Rules = Rules()) -> GateReport:
    """Compare two versions measured side by side in one run, by time and CPU.

    Raises:
        ResultError: the run or the thresholds cannot be read.
    """
    run = load_run(run_dir)
    about = run.manifest
    asked = request_of(about)
    compare = compare_variants if asked and asked.variants else compare_versions
    frame = read_frame(run)
    found = compare(frame, base=base, head=head, threshold=rules.thresholds)
    remarks = [
        say(
            "remark.in_turn",
            "Both were measured in turn in run {run}, paired by block (mode {mode}, seed {seed}).",
            run=about.run,
            mode=about.mode,
            seed=about.seed,
        )
    ]
    if about.mode == "quick":
        remarks.append(
            say("remark.quick", "A quick run shows that everything works; it is too short for decisions.")
        )
    if about.status != "complete":
        remarks.append(
            say(
                "remark.status", "The run is {status}: it has fewer blocks than planned.", status=about.status
            )
        )
    compared = RunsCompared(found, (), (), ())
    gated = rules.gate(found, answers_only=True)
    if price := bill(answers_of(gated), Prices(about, run.trials()), about.run, quotable()):
        remarks.append(price)
    hosts = (host_line(about, quotable()),)
    counts = _counts(run_dir, base, head)
    sides = sides_of(asked, base, head)
    return GateReport(base, head, compared, gated, tuple(remarks), counts=counts, hosts=hosts, sides=sides)


def _counts(run_dir: Path, base: str, head: str) -> CountsCompared | None:
    """Compare the instructions of two commands; ``None`` if they were not counted."""
    counts = {one.version: one for one in read_counts(run_dir)}
    return compare_counts(counts[base], counts[head]) if base in counts and head in counts else None


def _error_rates(about: Manifest, compared: Sequence[Comparison]) -> list[str]:
    """Quote the error rates that a calibration of this host class found for comparisons with so many blocks."""
    known = known_calibration(about)
    blocks = max((c.cost.n for c in compared if c.primary), default=0)
    metrics = {c.metric for c in compared}
    told = [quote for quote in expected_rates(known, blocks) if quote.metric in metrics] if known else []
    if not known or not told:
        return []
    lines = []
    for quote in told:
        found = [
            say("remark.found", "{rate} % at {share} %", rate=f"{rate * 100:.0f}", share=f"{share * 100:g}")
            for share, rate in quote.found.items()
        ]
        lines.append(say(
            "remark.rates", "{metric}: {alarms} % false alarms, slowdowns found {found} ({blocks})",
            metric=quote.metric, alarms=f"{quote.false_alarms * 100:.1f}", found=listed(found, ", "),
            blocks=count(quote.blocks, "block"),
        ))  # fmt: skip
    return [
        say(
            "remark.calibrated",
            "Calibrated on {date}: {rates}.",
            date=known.created[:10],
            rates=listed(lines),
        )
    ]


def _damage(frame: RunFrame, side: str) -> list[str]:
    """Count the lines of a result file that could not be used, by kind."""
    kinds = Counter(problem.kind for problem in frame.problems)
    if not kinds:
        return []
    counts = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    first = frame.problems[0]
    lines = count(len(frame.problems), "line")
    verb = "was" if len(frame.problems) == 1 else "were"
    return [
        say(
            "remark.damaged",
            "{lines} of the {side}'s trials.jsonl {verb} not used as recorded ({counts}); the first is line {line}: {what}.",
            lines=lines,
            side=side,
            verb=verb,
            counts=counts,
            line=first.line,
            what=first.what,
        )
    ]


def _between_runs(remarks: list[str]) -> tuple[str, ...]:
    """Qualify rates for a comparison of two runs: they were measured within one."""
    return tuple(
        say(
            "remark.between_runs",
            "{remark} Within a run; between runs, what differs from day to day comes on top.",
            remark=remark,
        )
        for remark in remarks
    )
