"""Find by rule what the headline of a report says: a few findings for each kind of place, made from verdicts alone.

The rules are data (:data:`RULES`), fixed before anything is measured. A rule looks at the rows of its families, and holds if
all or any of them have one of its verdicts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from tare.reports.summaries.cases import CaseKey, case_of
from tare.reports.summaries.matrix import DENSITY, STARTUP, deciding, family_of
from tare.results.record import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tare.reports.summaries.run import Summary
    from tare.results.judgement.answers import Answers
    from tare.results.judgement.comparison import Comparison, Verdict

GroupKind = Literal["container", "engine", "guest", "emulated", "other"]
"""Kinds of place that a headline has a sentence for."""

Quantifier = Literal["all", "any", "each", "most"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One finding that the headline may have, and when it has it."""

    name: str
    """Name of the finding; its words are ``headline.<name>``."""
    families: frozenset[str] | None
    """Columns of the matrix whose rows count; ``None``: all but start-up and memory per place."""
    verdicts: frozenset[Verdict]
    quantifier: Quantifier
    """Share of the rows that have one of the verdicts: ``all``, ``any``, ``each`` (any of each family), or ``most`` (more than
    half of them; such a finding counts all rows of the group, start-up included, as the report does everywhere)."""
    slots: frozenset[str]
    """Parts of the sentence that it takes; of the rules for one slot, the first that holds wins."""
    least_rows: int = 1
    least_cost: float = 0.0
    """Cost that every row must reach."""
    most_named: int = 0
    """Workloads that the finding names, the largest differences first; 0: all rows in one figure."""


COMPUTING = frozenset({"cpu", "memory"})
"""Families whose work needs nothing of the kernel, so that a difference is the processor's time."""

_CPU, _MEMORY = frozenset({"cpu"}), frozenset({"memory"})
_REST = frozenset({"rest"})
_COMPUTING = frozenset({"computing"})
_BOTH = _COMPUTING | _MEMORY

RULES = (
    Rule("everything", None, frozenset({"worse"}), "all", _BOTH | _REST, least_rows=3, least_cost=1.5),
    Rule("nothing", None, frozenset({"same"}), "all", _BOTH | _REST, least_rows=3),
    Rule("no_cpu", COMPUTING, frozenset({"same"}), "all", _BOTH),
    Rule("more_cpu", _CPU, frozenset({"worse"}), "any", _COMPUTING),
    Rule("more_memory", _MEMORY, frozenset({"worse"}), "any", _MEMORY),
    Rule("no_cpu_alone", _CPU, frozenset({"same"}), "all", _COMPUTING),
    Rule("bound_both", COMPUTING, frozenset({"undecided"}), "each", _BOTH),
    Rule("bound_cpu", _CPU, frozenset({"undecided"}), "any", _COMPUTING),
    Rule("bound_memory", _MEMORY, frozenset({"undecided"}), "any", _MEMORY),
    Rule("less_cpu", _CPU, frozenset({"better"}), "any", _COMPUTING),
    Rule("less_memory", _MEMORY, frozenset({"better"}), "any", _MEMORY),
    Rule("slower", None, frozenset({"worse"}), "any", _REST, most_named=2),
    Rule("rest_same", None, frozenset({"same"}), "all", _REST, least_rows=2),
    Rule("faster", None, frozenset({"better"}), "any", frozenset({"less"}), most_named=1),
    Rule("undecided", None, frozenset({"undecided"}), "most", frozenset({"open"})),
)  # fmt: skip
"""Rules in the order in which they are tried. ``rest`` leaves out the computing families where it names workloads."""


USEFUL_BOUND = 0.05
"""Relative cost up to which an upper bound is an answer by itself; beyond, the headline says that nothing is decided yet."""

TOLD_BOUND = 1.0
"""Relative cost beyond which a bound tells a reader nothing, and is left out."""


class Named(NamedTuple):
    """Name a workload that a finding is about, with the comparison that shows it."""

    case: CaseKey
    comparison: Comparison
    bound: float
    """Most that it may cost, by the narrower of its two answers, time and CPU; infinite if neither has an interval."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the headline says of a kind of place."""

    name: str
    """Name of the rule."""
    named: tuple[Named, ...]
    """Comparisons with the finding's verdict: those that it names, or all, from the lowest cost to the highest."""
    total: int
    """Rows that the rule looked at."""
    holding: int
    """Rows that have the verdict."""


@dataclass(frozen=True, slots=True)
class Group:
    """The runners of one kind of place, and what the headline says of them."""

    kind: GroupKind
    runners: tuple[str, ...]
    starts: tuple[Comparison, ...]
    """Comparisons of start-up, from the fastest runner to the slowest; empty if it was not measured."""
    findings: tuple[Finding, ...]


def groups(summary: Summary) -> tuple[Group, ...]:
    """Group the compared runners by kind, in display order, and apply the rules to each group.

    Rungs of the ladder are left out where the whole container was measured: they are steps to it.
    """
    by_kind: dict[GroupKind, list[str]] = defaultdict(list)
    for runner in sorted({row.time.runner for row in summary.answers} - {CONTROL}, key=summary.display.rank):
        if runner not in summary.rungs:
            by_kind[kind_of(summary, runner)].append(runner)
    found = []
    for kind, runners in by_kind.items():
        # What is no kind of place, as in imported runs, is told one by one.
        for members in [runners] if kind != "other" else [[one] for one in runners]:
            rows = [row for row in summary.answers if row.time.runner in members]
            found.append(Group(kind, tuple(members), _starts(rows), tuple(apply_rules(rows))))
    return tuple(found)


def kind_of(summary: Summary, runner: str) -> GroupKind:
    """Tell what kind of place a runner makes; emulated guests are a kind of their own."""
    if runner in summary.emulated:
        return "emulated"
    kind = summary.display.kind(runner)
    return kind if kind in ("container", "engine", "guest") else "other"


def apply_rules(rows: Sequence[Answers], rules: Iterable[Rule] = RULES) -> Iterable[Finding]:
    """Apply the rules to the rows of one group; each slot is filled once."""
    filled: set[str] = set()
    for rule in rules:
        if filled & rule.slots:
            continue
        finding = _finding(rule, _of_families(rule, rows), rows)
        if finding is not None:
            filled |= rule.slots
            yield finding


def _of_families(rule: Rule, rows: Sequence[Answers]) -> list[Answers]:
    chosen = []
    for row in rows:
        family = _column(row)
        if rule.families is not None:
            wanted = family in rule.families
        elif rule.slots & {"rest", "less"} and not rule.slots & _BOTH:
            wanted = family not in {STARTUP, DENSITY, *COMPUTING}
        else:
            wanted = family not in {STARTUP, DENSITY}
        # Curves, as of starts at once, have no place in a sentence.
        if wanted and family is not None and math.isfinite(row.time.cost.value):
            chosen.append(row)
    return chosen


def _finding(rule: Rule, rows: Sequence[Answers], everything: Sequence[Answers]) -> Finding | None:
    holding = [row for row in rows if deciding(row).verdict in rule.verdicts]
    enough = {
        "all": len(holding) == len(rows),
        "any": bool(holding),
        "each": not rule.families or rule.families <= {_column(row) for row in holding},
        "most": 2 * len(holding) > len(rows),
    }[rule.quantifier]
    if not holding or not enough or len(rows) < rule.least_rows:
        return None
    if rule.quantifier == "most":
        rows = everything
        holding = [row for row in rows if deciding(row).verdict in rule.verdicts]
    found = [Named(case_of(row.time), deciding(row), _bound(row)) for row in holding]
    if any(one.comparison.cost.value < rule.least_cost for one in found):
        return None
    found.sort(key=lambda one: one.comparison.cost.value)
    if rule.most_named:
        largest: dict[CaseKey, Named] = {}
        for one in sorted(found, key=lambda one: -abs(math.log(max(one.comparison.cost.value, 1e-300)))):
            largest.setdefault(one.case, one)
        found = list(largest.values())[: rule.most_named]
    return Finding(rule.name, tuple(found), len(rows), len(holding))


def _column(row: Answers) -> str | None:
    return family_of(row.time.family, case_of(row.time))


def _bound(row: Answers) -> float:
    highs = [one.cost.high for one in (row.time, row.cpu) if one is not None and one.cost.high is not None]
    return min((high for high in highs if math.isfinite(high) and high > 0), default=math.inf)


def _starts(rows: Sequence[Answers]) -> tuple[Comparison, ...]:
    found = [row.time for row in rows if _column(row) == STARTUP]
    timed = [one for one in found if one.unit == "s" and math.isfinite(one.subject_value.value)]
    return tuple(sorted(timed, key=lambda one: one.subject_value.value))
