"""Put the findings of a headline into sentences, one for each kind of place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tare.reports.summaries import headline
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.headline import TOLD_BOUND, USEFUL_BOUND
from tare.reports.summaries.ladder import classify, rung_name
from tare.reports.text import answers, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.headline import Finding, Group, Named
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.rungs import RungCost

WHAT = (
    "cpu",
    "cpu-all",
    "memory-read",
    "memory-write",
    "syscall",
    "switch",
    "fork",
    "disk-fsync",
    "disk-rand",
    "disk-seq",
    "net-latency",
    "net-stream",
    "python",
)
"""Workloads whose doings have a name in the plural; others go by their labels, in the singular."""

NAMED = ("namespaces", "kubernetes")
"""Runners with a name of their own in sentences."""

MOST_SENTENCES = 5
"""Sentences that a reader takes in; of runners beyond, the matrix tells."""

_MOST_WHOLE = 2
"""Sentences that name two workloads each; of more, each names one, so that a phone shows the matrix below them."""

_FIRST = ("no_cpu", "no_cpu_alone")
"""Findings that stand beside the duration of a start."""

COSTS = {
    "more_cpu": "computing",
    "less_cpu": "computing",
    "more_memory": "memory_access",
    "less_memory": "memory_access",
}
"""Findings that tell a cost → what costs it."""

BOUNDS = {"bound_both": "computing_and_memory", "bound_cpu": "computing", "bound_memory": "memory_access"}
"""Findings that something is undecided → what is."""

_MOST_RUNNERS = 3
"""Runners of a kind that a sentence names; of more it gives the number."""


_MOST_FAILED = 3
"""Failed cases that the headline names; of more it gives the number."""


def sentences(page: Page) -> tuple[str, ...]:
    """Say what the places cost, in one sentence for each kind; where nothing was compared, what there is instead."""
    groups = headline.groups(page.summary)
    brief = len(groups) > _MOST_WHOLE
    told = [*_ladder(page), *(_sentence(page, group, brief=brief) for group in groups)]
    if len(told) > MOST_SENTENCES:
        rest = len(told) - MOST_SENTENCES + 1
        told = [*told[: MOST_SENTENCES - 1], page.words("headline.more_places", n=rest)]
    failed = _failed(page) if page.summary.measured else ()
    return (*failed, *(told or [_nothing(page)]))


def _failed(page: Page) -> Iterator[str]:
    """Name the cases of which no trial gave a number in any place: a reader who asked for them looks for them first."""
    gave = {case_of(trial) for trial in page.summary.measured}
    failed = dict.fromkeys(group.case for group in page.summary.failures if group.case not in gave)
    if failed:
        names = [page.words("headline.quoted", name=case.label) for case in failed]
        rest = (
            [page.words("headline.others", n=len(names) - _MOST_FAILED)] if len(names) > _MOST_FAILED else []
        )
        yield page.words("headline.failed", names=", ".join([*names[:_MOST_FAILED], *rest]))


def _sentence(page: Page, group: Group, *, brief: bool) -> str:
    words = page.words
    clauses = [*_start(page, group)]
    others: list[str] = []
    for finding in group.findings:
        (clauses if finding.name in _FIRST else others).extend(_clauses(page, group, finding, brief=brief))
    first = clauses[0] if len(clauses) == 1 else ""
    if len(clauses) == 2:
        first = words("headline.both", one=clauses[0], other=clauses[1])
    if not (first or others):
        others = [words("headline.below" if _is_decided(page, group) else "headline.no_ratio")]
    who = _who(page, group)
    if not first:
        return words(
            "headline.sentence_without_verb", who=who, clauses=words("headline.between").join(others)
        )
    return words("headline.sentence", who=who, clauses=words("headline.between").join([first, *others]))


def _is_decided(page: Page, group: Group) -> bool:
    """Tell whether the group has any verdict, such as one on neighbours or on a curve, which are in no sentence."""
    rows = [row.time for row in page.summary.answers if row.time.runner in group.runners]
    return any(row.verdict != "undecided" for row in rows)


def _who(page: Page, group: Group) -> str:
    words = page.words
    names = [runner.removesuffix("(tcg)") for runner in group.runners]
    if len(names) == 1:
        if names[0] in NAMED:
            return words(f"headline.one_{names[0]}")
        return words(f"headline.one_{group.kind}", runner=names[0])
    listed = words("headline.names", names=", ".join(names)) if len(names) <= _MOST_RUNNERS else ""
    return words(f"headline.many_{group.kind}", n=len(names), names=listed)


def _start(page: Page, group: Group) -> Iterator[str]:
    """Tell how long a start takes, in the digits that a reader remembers; the tables have more."""
    if not group.starts:
        return
    first, last = (
        numbers.rounded(one.subject_value.value, one.unit) for one in (group.starts[0], group.starts[-1])
    )
    words = page.words
    if len(group.runners) == 1:
        yield words("headline.starts_one", time=first)
    elif first == last:
        yield words("headline.starts_many", time=first)
    else:
        yield words("headline.starts_range", low=first, high=last)


def _clauses(page: Page, group: Group, finding: Finding, *, brief: bool) -> Iterator[str]:
    words, several = page.words, len(group.runners) > 1
    lowest, highest = finding.named[0].comparison, finding.named[-1].comparison
    if finding.name == "everything":
        yield words("headline.everything", low=_factor(lowest), high=_factor(highest))
    elif finding.name in BOUNDS:
        yield from _bound(page, finding, alone=_nothing_decided(group))
    elif finding.name in COSTS:
        amount = _amount(page, lowest if finding.name.startswith("less") else highest)
        several = len(finding.named) > 1
        yield words(
            "headline.costs",
            what=words(f"headline.{COSTS[finding.name]}"),
            amount=words("headline.up_to", amount=amount) if several else amount,
        )
    elif finding.name in ("slower", "faster"):
        named = finding.named[:1] if brief else finding.named
        yield from (_named(page, one, finding.name, several=several) for one in named)
        rest = finding.holding - len(named)
        if rest > 0 and not several and finding.name == "slower":
            yield words("headline.more", n=rest)
    else:
        yield _plain(page, group, finding)


def _plain(page: Page, group: Group, finding: Finding) -> str:
    """Tell a finding that names no workload."""
    words, several = page.words, len(group.runners) > 1
    if finding.name in _FIRST:
        return words("headline.no_cpu_many" if several else "headline.no_cpu_one")
    if finding.name == "nothing":
        return words("headline.nothing", n=finding.total)
    if finding.name == "rest_same":
        return words("headline.rest_same")
    if not _nothing_decided(group):
        key = "headline.undecided_many" if several else "headline.undecided"
        return words(key, n=finding.holding, total=finding.total)
    return words("headline.undecided_rest" if group.starts else "headline.undecided_all")


def _nothing_decided(group: Group) -> bool:
    """Tell whether nothing but the start is decided, which the sentence then says."""
    for finding in group.findings:
        if finding.name == "undecided":
            rest = [one for one in finding.named if one.comparison not in group.starts]
            return len(rest) == finding.total - len(group.starts)
    return False


def _bound(page: Page, finding: Finding, *, alone: bool) -> Iterator[str]:
    """Tell what an undecided thing costs at most: as an answer if that is little, not at all if it is more than twice."""
    words = page.words
    what, many = words(f"headline.{BOUNDS[finding.name]}"), "_many" if finding.name == "bound_both" else ""
    excess = max(one.bound for one in finding.named) - 1
    if excess <= TOLD_BOUND:
        amount = answers.change(max(math.log1p(excess), 0.0), words)
        if excess <= USEFUL_BOUND:
            yield words(f"headline.at_most{many}", what=what, amount=amount)
        else:
            yield words(f"headline.open_bound{many}", what=what, amount=amount)
    elif not alone:
        yield words(f"headline.open{many}", what=what)


def _named(page: Page, one: Named, kind: str, *, several: bool) -> str:
    words, label = page.words, one.case.label
    known = label in WHAT
    what = words(f"what.{label}") if known else words("headline.quoted", name=label)
    amount = _amount(page, one.comparison)
    if one.comparison.metric.startswith("cpu."):
        cost = words("headline.cost_many" if known else "headline.cost_one")
        amount = words("headline.up_to", amount=amount) if several else amount
        return words("headline.costs_cpu", what=what, cost=cost, amount=amount)
    take = words("headline.take_many" if known else "headline.take_one")
    log = math.log(one.comparison.cost.value)
    amount = answers.size(log) if abs(log) < math.log(2) else _factor(one.comparison)
    amount = words("headline.up_to", amount=amount) if several and kind == "slower" else amount
    told = {"what": what, "take": take, "amount": amount}
    if abs(log) >= math.log(2):
        return words("headline.takes_factor", **told)
    return words("headline.takes_slower" if kind == "slower" else "headline.takes_faster", **told)


def _amount(page: Page, comparison: Comparison) -> str:
    """Tell a cost as ``15 % more``; from a factor of 2 on as the tables have it, ``3.14× as much``."""
    log = math.log(comparison.cost.value)
    if abs(log) >= math.log(2):
        return page.words("answer.factor", factor=_factor(comparison))
    return answers.change(log, page.words)


def _factor(comparison: Comparison) -> str:
    return numbers.ratio(comparison.cost.value, width=comparison.cost.value)


def _ladder(page: Page) -> Iterator[str]:
    """Tell what all rungs of the isolation ladder cost together, and which one costs most; nothing without a ladder.

    Where it is not decided that the whole container costs anything, nothing is told of its rungs.
    """
    words = page.words
    undecided = {(case_of(row.time), row.time.runner) for row in page.summary.answers if row.by == "none"}
    for case, rungs in page.summary.ladder.items():
        top = next((one for one in reversed(rungs) if ":" not in one.runner), None)
        steps = _steps_to(top, rungs)
        clear = [one for one in steps if classify(one.cost, 1.0) == "worse"]
        if top is None or (case, top.runner) in undecided:
            continue
        label = case.label
        name = words(f"what.{label}") if label in WHAT else page.spoken_case(case)
        total = numbers.ratio(top.total.value, width=top.total.value)
        told = {"n": len(steps), "case": name, "total": total}
        if not clear:
            yield words("headline.ladder_flat", **told)
            continue
        steepest = max(clear, key=lambda one: one.difference.value if one.difference else one.cost.value)
        yield words(
            "headline.ladder",
            **told,
            rung=rung_name(words, steepest).removeprefix("+"),
            added=_added(steepest),
        )


def _steps_to(top: RungCost | None, rungs: Sequence[RungCost]) -> list[RungCost]:
    """Climb down from the full container; branches of the ladder are no part of it."""
    by_runner = {one.runner: one for one in rungs}
    steps = []
    while top is not None and top not in steps:
        steps.append(top)
        top = by_runner.get(top.below)
    return steps


def _added(rung: RungCost) -> str:
    if rung.difference is not None and rung.difference.value > 0:
        return f"+{numbers.rounded(rung.difference.value, rung.unit)}"
    return numbers.change(rung.cost.value)


def _nothing(page: Page) -> str:
    """Say what there is in a run in which nothing was compared."""
    words, summary = page.words, page.summary
    runners = list(dict.fromkeys(trial.runner for trial in summary.measured if not trial.control))
    if not runners:
        lost, skipped = (
            len(summary.without_numbers),
            sum(t.outcome == "skipped" for t in summary.given.trials),
        )
        if lost:
            return words("headline.all_failed", n=lost)
        return words("headline.all_skipped", n=skipped) if skipped else words("headline.empty")
    if len(runners) > 1:
        others = [runner for runner in runners if runner != page.base]
        return words("headline.not_compared", base=page.base, runners=_listed(others))
    values = [
        f"{page.spoken_case(case)} {numbers.quantity(by[runners[0]].median, by[runners[0]].unit)}"
        for case, by in summary.primary_values.items()
        if runners[0] in by
    ]
    rest = len(values) - _MOST_RUNNERS
    shown = words.row([*values[:_MOST_RUNNERS], *([words("headline.others", n=rest)] if rest > 0 else [])])
    key = "headline.imported" if summary.given.manifest.mode == "imported" else "headline.alone"
    return words(key, runner=runners[0], values=shown or numbers.DASH)


def _listed(runners: Sequence[str]) -> str:
    more = ", …" if len(runners) > 2 * _MOST_RUNNERS else ""
    return ", ".join(runners[: 2 * _MOST_RUNNERS]) + more
