"""Sort a run's trials once into what sections and plots ask for; nothing is dropped silently."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from tare.reports.summaries.cases import CaseKey, case_of, case_rank, single_cases
from tare.reports.summaries.failures import OUTCOMES, failure_groups
from tare.reports.summaries.matrix import matrix
from tare.reports.summaries.notes import numbered_notes, shared_notes
from tare.reports.summaries.prices import Prices
from tare.reports.summaries.runners import RunnerDisplay, series_name
from tare.reports.summaries.startup import Phases, phases
from tare.reports.summaries.waiting import waited_shares
from tare.reports.text.numbers import width_of
from tare.results.judgement.answers import pair_answers
from tare.results.judgement.claims.evidence import Evidence
from tare.results.judgement.claims.verdict import judge_claims
from tare.results.record import BASE, LAUNCH_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.reports.model import ReportInput
    from tare.reports.summaries.failures import FailureGroup
    from tare.reports.summaries.matrix import Matrix
    from tare.results.environment import KvmBaseline
    from tare.results.judgement.answers import Answers
    from tare.results.judgement.claims.model import ClaimVerdict
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.rungs import RungCost
    from tare.results.origins import Said
    from tare.results.record import Trial

PLACE_CPU = "place.cpu"
"""Vantage point of the launcher's ``wait4``: the CPU time of a whole place, as ``<this>.user``, ``.system``, ``.total``."""


class Sample(NamedTuple):
    """Hold the value of the primary metric in one trial, with the trial's number and block."""

    number: int
    block: int
    value: float


@dataclass(frozen=True, slots=True)
class PrimaryValues:
    """Hold the primary metric of one case under one runner, in the order of measurement, without warm-ups."""

    unit: str
    samples: tuple[Sample, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """Values of the samples, in ``unit``."""
        return tuple(sample.value for sample in self.samples)

    @property
    def median(self) -> float:
        """Median of the values, in ``unit``."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Summary:
    """Derive from a :class:`~tare.reports.model.ReportInput` what a report shows; each property is computed once."""

    given: ReportInput

    @cached_property
    def display(self) -> RunnerDisplay:
        """Order and colours of the runners."""
        return RunnerDisplay(self.given.styles)

    @property
    def base(self) -> str:
        """Label of the runner that the others are compared with."""
        found = self.given.comparisons
        return found[0].base if found else BASE

    @cached_property
    def measured(self) -> tuple[Trial, ...]:
        """Trials that count: ``ok`` and no warm-ups, in the order of measurement."""
        kept = (t for t in self.given.trials if t.outcome == "ok" and not t.warmup)
        return tuple(sorted(kept, key=lambda trial: trial.number))

    @cached_property
    def metric_names(self) -> frozenset[str]:
        """Names of all metrics that some trial has that counts."""
        return frozenset(metric.name for trial in self.measured for metric in trial.metrics)

    @cached_property
    def without_numbers(self) -> tuple[Trial, ...]:
        """Trials that were started and gave no number: failed, timed out or invalid."""
        return tuple(t for t in self.given.trials if t.outcome in OUTCOMES)

    @cached_property
    def failures(self) -> tuple[FailureGroup, ...]:
        """Group those trials by what went wrong."""
        return failure_groups(self.given.trials)

    @cached_property
    def emulated(self) -> tuple[str, ...]:
        """Runners whose guests were emulated in software (TCG)."""
        by_trial = {series_name(t) for t in self.measured if t.accelerator == "tcg"}
        by_comparison = {c.runner for c in self.given.comparisons if c.accelerator == "tcg"}
        return tuple(sorted(by_trial | by_comparison, key=self.display.rank))

    @cached_property
    def kvm_on_request(self) -> tuple[str, ...]:
        """Runners whose guests ran under KVM by explicit request although it was judged unusable here."""
        if self.kvm_baseline is None or self.kvm_baseline.usable:
            return ()
        found = {trial.runner for trial in self.measured if trial.accelerator == "kvm"}
        return tuple(sorted(found, key=self.display.rank))

    @cached_property
    def primary(self) -> tuple[Comparison, ...]:
        """Comparisons of the metrics that workloads are judged by, in display order."""
        return tuple(c for c in self.compared if c.primary)

    @cached_property
    def compared(self) -> tuple[Comparison, ...]:
        """All comparisons in display order."""
        return tuple(
            sorted(
                self.given.comparisons,
                key=lambda c: (*case_rank(c.family, case_of(c)), c.metric, self.display.rank(c.runner)),
            )
        )

    @cached_property
    def answers(self) -> tuple[Answers, ...]:
        """Both answers, time and CPU, of each judged workload and runner, in display order."""
        return tuple(pair_answers(self.compared))

    @cached_property
    def claims(self) -> tuple[ClaimVerdict, ...]:
        """Verdicts on the study note's claims, in the order of the note."""
        given = self.given
        kinds = {runner: style.kind for runner, style in given.styles.items() if style.kind}
        return judge_claims(Evidence(given.manifest, given.trials, given.comparisons, kinds))

    @cached_property
    def matrix(self) -> Matrix:
        """Runners × families of workloads, one answer for each."""
        return matrix(self.answers, self.measured, self.display.rank)

    @cached_property
    def said(self) -> Mapping[str, Said]:
        """Text of the record → what it was made of, where that is known."""
        found = dict(self.given.manifest.said)
        for trial in self.given.trials:
            found |= trial.said
        return found

    @cached_property
    def prices(self) -> Prices:
        """Prices of the answers that are open."""
        return Prices(self.given.manifest, self.given.trials)

    @cached_property
    def waited(self) -> Mapping[tuple[CaseKey, str], float]:
        """(case, runner) → share of its jobs' time that was spent waiting for a CPU."""
        return waited_shares(self.measured)

    @cached_property
    def cpu_sources(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """(metric, source) → runners whose CPU time was read there, of the values that answers are formed of."""
        used: dict[tuple[CaseKey, str], set[str]] = defaultdict(set)
        for row in self.answers:
            if row.cpu is not None:
                for runner in (row.time.runner, row.time.base):
                    used[case_of(row.time), runner].add(row.cpu.metric)
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for trial in self.measured:
            if not trial.control and (names := used.get((case_of(trial), trial.runner))):
                for metric in trial.metrics:
                    if metric.name in names:
                        found[metric.name, metric.source].add(trial.runner)
        return {key: tuple(sorted(runners, key=self.display.rank)) for key, runners in found.items()}

    @cached_property
    def note_numbers(self) -> Mapping[str, int]:
        """Fairness note → its number on the page, in the order of the tables."""
        return numbered_notes(self.compared)

    @cached_property
    def shared_notes(self) -> Mapping[str, frozenset[str]]:
        """Runner → the notes that hold for each of its judged comparisons, where there are several of them."""
        return shared_notes(self.primary)

    @cached_property
    def primary_values(self) -> Mapping[CaseKey, Mapping[str, PrimaryValues]]:
        """Case → runner → the values of its primary metric; cases and runners in display order."""
        found: dict[CaseKey, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        units: dict[CaseKey, str] = {}
        families: dict[CaseKey, str] = {}
        for trial in self.measured:
            for metric in trial.metrics:
                if metric.primary:
                    case = case_of(trial)
                    families[case] = trial.family
                    units.setdefault(case, metric.unit)
                    sample = Sample(trial.number, trial.block, metric.value)
                    found[case][series_name(trial)].append(sample)
        return {
            case: {
                name: PrimaryValues(units[case], tuple(found[case][name]))
                for name in sorted(found[case], key=self.display.rank)
            }
            for case in sorted(found, key=lambda case: case_rank(families[case], case))
        }

    @cached_property
    def startup(self) -> Mapping[CaseKey, Mapping[str, Phases]]:
        """Case → runner → phases, for cases whose trials each launched a place; without the base's second measurement."""
        cold: dict[CaseKey, dict[str, list[Trial]]] = defaultdict(lambda: defaultdict(list))
        families: dict[CaseKey, str] = {}
        for trial in self.measured:
            if not trial.control and {"requested", "ready", "finished"} <= trial.timeline.keys():
                cold[case_of(trial)][trial.runner].append(trial)
                families[case_of(trial)] = trial.family
        widths: dict[tuple[CaseKey, str], float | None] = {}
        for one in self.given.comparisons:
            if one.metric == LAUNCH_TIME:
                widths[case_of(one), one.runner] = width_of(one.subject_value)
                widths[case_of(one), one.base] = width_of(one.base_value)
        return {
            case: {
                name: phases(cold[case][name], widths.get((case, name)))
                for name in sorted(cold[case], key=self.display.rank)
            }
            for case in sorted(cold, key=lambda case: case_rank(families[case], case))
        }

    @cached_property
    def ladder(self) -> Mapping[CaseKey, tuple[RungCost, ...]]:
        """Case → what each rung adds to its primary metric, lowest rung first; cases with fewer than two rungs are left out."""
        found: dict[CaseKey, list[RungCost]] = defaultdict(list)
        families: dict[CaseKey, str] = {}
        for rung in self.given.rung_costs:
            found[case_of(rung)].append(rung)
            families[case_of(rung)] = rung.family
        ordered = sorted(found, key=lambda case: case_rank(families[case], case))
        return {case: tuple(found[case]) for case in ordered if len(found[case]) > 1}

    @cached_property
    def rungs(self) -> frozenset[str]:
        """Runners that are only steps to a whole container; empty if the run did not climb the ladder."""
        found = {rung.runner for rungs in self.ladder.values() for rung in rungs}
        return frozenset(runner for runner in found if ":" in runner)

    @cached_property
    def kvm_baseline(self) -> KvmBaseline | None:
        """KVM baseline cost of the host; ``None`` if no runner asked KVM."""
        found = (probe.kvm for probe in self.given.manifest.probes.values())
        return next((kvm for kvm in found if kvm is not None), None)

    @cached_property
    def cpu_seconds(self) -> Mapping[tuple[CaseKey, str], Mapping[str, float]]:
        """(case, runner) → metric of CPU time → median in seconds over the trials that have it.

        The launcher's count of a whole place is under :data:`PLACE_CPU`; for a guest that is the VMM's use.
        """
        values: dict[tuple[CaseKey, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for trial in self.measured:
            found = values[case_of(trial), series_name(trial)]
            for metric in trial.metrics:
                if metric.unit != "s" or "cpu" not in metric.name or "cpu" not in metric.name.split(".")[:2]:
                    continue
                whole = metric.source == "launcher" and metric.name.startswith("cpu.")
                name = metric.name.replace("cpu", PLACE_CPU, 1) if whole else metric.name
                found[name].append(metric.value)
        return {key: {name: statistics.median(v) for name, v in by.items()} for key, by in values.items()}


def summarised(given: ReportInput | Summary) -> Summary:
    """Derive what a report shows, or take what was derived already: several forms of a report share it."""
    return given if isinstance(given, Summary) else Summary(plain_names(given))


def plain_names(given: ReportInput) -> ReportInput:
    """Remove the parameters of workloads that were measured with only one set of them.

    They would lengthen every label and distinguish nothing; the page lists them once, from ``parameters``.
    """
    numbers = {trial.workload for trial in given.trials if trial.outcome == "ok"}
    # What gave no number at all is named by those that were tried.
    run = [t for t in given.trials if t.outcome in ({"ok"} if t.workload in numbers else OUTCOMES)]
    things: tuple[Trial | Comparison | RungCost, ...] = (*run, *given.comparisons, *given.rung_costs)
    plain = single_cases(map(case_of, things))
    parameters = {t.workload: t.parameters for t in things if t.workload in plain and t.parameters}

    return replace(
        given,
        trials=tuple(
            msgspec.structs.replace(t, parameters={}) if t.workload in parameters else t for t in given.trials
        ),
        comparisons=tuple(
            msgspec.structs.replace(c, parameters={}) if c.workload in parameters else c
            for c in given.comparisons
        ),
        rung_costs=tuple(
            msgspec.structs.replace(r, parameters={}) if r.workload in parameters else r
            for r in given.rung_costs
        ),
        parameters=parameters,
    )


def outcomes(trials: Iterable[Trial]) -> Mapping[str, int]:
    """Count the trials by outcome; warm-ups are counted under ``warmup``."""
    counts: dict[str, int] = defaultdict(int)
    for trial in trials:
        counts["warmup" if trial.warmup and trial.outcome == "ok" else trial.outcome] += 1
    return counts
