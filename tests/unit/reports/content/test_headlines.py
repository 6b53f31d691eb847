"""The rules of the headline, on made-up runs: for each outcome the sentence that stands on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from support.results_making import trial
from support.synthetic import make_input
from support.verdicts import compared, cpu, estimate, run_of
from tare.bench.catalogue import ours
from tare.reports.content.headlines import MOST_SENTENCES, WHAT, sentences
from tare.reports.content.page import Page
from tare.reports.model import LANGUAGES, ReportInput
from tare.reports.summaries.headline import RULES, groups
from tare.reports.summaries.run import Summary
from tare.reports.text import numbers
from tare.reports.text.words import words
from tare.results.judgement.rungs import RungCost

if TYPE_CHECKING:
    from tare.results.judgement.comparison import Verdict

M, Q = "qemu-microvm(tcg)", "qemu-q35(tcg)"
START = compared("null", 2.0, "worse")


def told(given: ReportInput, language="en"):
    return list(sentences(Page(Summary(given), words(language))))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            [START, compared("cpu", 1.0, "same"), compared("syscall", 1.16, "worse")],
            "A namespace container starts in 2.0 ms and costs no CPU that matters; system calls take 16 % longer.",
            id="the answer of the issue",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "undecided", half=0.03), compared("memory-read", 1.0, "same")],
            "A namespace container starts in 2.0 ms; computing costs at most 3 % more.",
            id="an undecided cost is bounded",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "undecided", half=0.4), compared("memory-read", 1.0, "same")],
            "A namespace container starts in 2.0 ms; computing is not decided yet (at most 40 % more).",
            id="a wide bound is no answer, and told as such",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "undecided", half=3.0), compared("memory-read", 1.0, "same")],
            "A namespace container starts in 2.0 ms; computing is not decided yet.",
            id="a bound that tells nothing is left out",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "undecided", half=0.4), cpu("cpu", 1.0, "undecided", half=0.02),
             compared("memory-read", 1.0, "same")],
            "A namespace container starts in 2.0 ms; computing costs at most 2 % more.",
            id="the narrower of both bounds is told",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "same"), compared("memory-read", 1.0, "undecided", half=0.1)],
            "A namespace container starts in 2.0 ms and costs no CPU that matters; memory access is not decided yet "
            "(at most 10 % more).",
            id="what is decided of computing is told, though memory is open",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "undecided", half=None)],
            "A namespace container starts in 2.0 ms; everything else is still undecided.",
            id="no interval is no bound",
        ),
        pytest.param(
            [compared("cpu", 1.1, "worse"), compared("memory-read", 1.0, "same")],
            "A namespace container: computing costs 10 % more.",
            id="computing that costs more",
        ),
        pytest.param(
            [compared("cpu", 3.3, "worse"), compared("cpu-all", 3.8, "worse"), compared("memory-read", 3.6, "worse"),
             compared("disk-seq", 1.0, "same")],
            "A namespace container: computing costs up to 3.8× as much; memory access costs 3.6× as much.",
            id="computing and memory access have costs of their own",
        ),
        pytest.param(
            [compared("cpu", 3.3, "worse"), compared("memory-read", 1.0, "undecided", half=0.1)],
            "A namespace container: computing costs 3.3× as much; memory access is not decided yet (at most 10 % more).",
            id="what is open about memory is told beside what computing costs",
        ),
        pytest.param(
            [compared("cpu", 0.9, "better"), compared("memory-read", 0.8, "better")],
            "A namespace container: computing costs 10 % less; memory access costs 20 % less.",
            id="what costs less is told of each",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "undecided", half=0.03), compared("memory-read", 1.0, "undecided", half=0.04),
             compared("syscall", 1.2, "worse"), compared("switch", 1.1, "worse")],
            "A namespace container starts in 2.0 ms; computing and memory access cost at most 4 % more; "
            "system calls take 20 % longer; context switches take 10 % longer.",
            id="what is open about both is told once",
        ),
        pytest.param(
            [compared("cpu", 1.0, "undecided"), cpu("cpu", 1.0, "same")],
            "A namespace container costs no CPU that matters.",
            id="CPU decides where time does not",
        ),
        pytest.param(
            [compared("syscall", 1.0, "same"), cpu("syscall", 1.14, "worse")],
            "A namespace container: system calls cost 14 % more CPU.",
            id="more CPU in the same time is not hidden",
        ),
        pytest.param(
            [START, *(compared(one, 1.0, "same") for one in ("cpu", "syscall", "disk-seq"))],
            "A namespace container starts in 2.0 ms; none of the 3 other comparisons shows a difference that matters.",
            id="nothing",
        ),
        pytest.param(
            [START, compared("cpu", 1.0, "same"), *(compared(w, 1.0, "same") for w in ("switch", "disk-seq")),
             compared("memory-read", 1.2, "worse")],
            "A namespace container starts in 2.0 ms and costs no CPU that matters; memory access costs 20 % more; "
            "nothing else takes longer.",
            id="nothing else; what memory costs is not told of computing",
        ),
        pytest.param(
            [compared(w, c, "worse") for w, c in (("syscall", 1.1), ("switch", 1.3), ("disk-seq", 1.2), ("python", 1.05))],
            "A namespace container: context switches take 30 % longer; sequential disk writes take 20 % longer; "
            "2 more cost more.",
            id="the two largest are named",
        ),
        pytest.param(
            [compared("disk-seq", 0.8, "better"), compared("syscall", 1.1, "worse")],
            "A namespace container: system calls take 10 % longer; sequential disk writes take 20 % less time.",
            id="what costs less is told as well",
        ),
        pytest.param(
            [compared("my command", 1.5, "worse")],
            "A namespace container: “my command” takes 50 % longer.",
            id="one's own command",
        ),
        pytest.param(
            [START, *(compared(one, 1.0, "undecided", half=0.4) for one in ("syscall", "disk-seq"))],
            "A namespace container starts in 2.0 ms; everything else is still undecided.",
            id="undecided",
        ),
        pytest.param(
            [compared("starts-8", 3.0, "worse")],
            "A namespace container: the tables below tell what was decided.",
            id="curves are in no sentence",
        ),
        pytest.param(
            [compared("starts-8", 1.1, "undecided", half=0.4)],
            "A namespace container: nothing that this run compared gives a verdict.",
            id="curves without a verdict are not told of",
        ),
    ],
)  # fmt: skip
def test_each_rule_has_its_sentence(found, expected):
    assert told(run_of(*found)) == [expected]


def test_emulated_guests_are_told_apart_and_in_one_range():
    costs = {"cpu": 2.5, "syscall": 12.0, "switch": 54.0}
    guest = [compared(w, c * (1 + (r == Q)), "worse", runner=r) for w, c in costs.items() for r in (M, Q)]
    start = compared("null", 2400.0, "worse", runner=M)
    first, second = told(run_of(START, start, *guest))
    assert first == "A namespace container starts in 2.0 ms."
    assert second == (
        "Emulated guests of 2 kinds (qemu-microvm, qemu-q35) start in 2.4 s; "
        "everything else costs 2.5× to 110× as much."
    )


def test_twenty_runners_are_told_by_kind():
    kinds = ["namespaces", "runc", "crun", "bubblewrap", "lxc", "docker", "podman", "qemu-q35"]
    found = [compared("null", 2.0 + at, "worse", runner=one) for at, one in enumerate(kinds)]
    assert told(run_of(*found)) == [
        "Containers of 5 kinds start in 2.0 ms to 6.0 ms.",
        "Containers of 2 engines (docker, podman) start in 7.0 ms to 8.0 ms.",
        "A KVM guest (qemu-q35) starts in 9.0 ms.",
    ]


def test_many_sentences_name_one_workload_each():
    kinds = ["namespaces", "docker", "qemu-q35"]
    found = [
        compared(workload, cost, "worse", runner=one)
        for one in kinds
        for workload, cost in (("syscall", 1.1), ("switch", 1.3), ("disk-seq", 1.2))
    ]
    assert told(run_of(*found)) == [
        "A namespace container: context switches take 30 % longer; 2 more cost more.",
        "A docker container: context switches take 30 % longer; 2 more cost more.",
        "A KVM guest (qemu-q35): context switches take 30 % longer; 2 more cost more.",
    ]
    assert "sequential disk writes" in told(run_of(*found[:6]))[0]


def test_imported_runners_are_no_places_and_told_one_by_one():
    found = [
        compared("sort", cost, "worse", runner=one, base="v1") for one, cost in (("v2", 1.5), ("v3", 3.0))
    ]
    assert told(run_of(*found, mode="imported")) == [
        "v2: “sort” takes 50 % longer.",
        "v3: “sort” takes 3.0× as long.",
    ]


ALONE = [trial(n, msgspec.structs.replace(trial(0, 0.0004).metrics[0], primary=True)) for n in range(3)]


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([], "Nothing was measured."),
        ([trial(0, outcome="skipped", reason="no")], "Nothing was measured: 1 case was skipped."),
        ([trial(0, outcome="failed"), trial(1, outcome="timeout")],
         "Nothing could be measured: all 2 trials ended without a number."),
        (ALONE, "Only bare was measured, so there is nothing to compare it with: start-up 400 µs."),
        ([*ALONE, trial(9, 1.0, runner="runc", workload="cpu")],
         "Nothing was measured both under bare and under another runner (runc)."),
    ],
    ids=["nothing", "skipped", "failed", "alone", "nothing in common"],
)  # fmt: skip
def test_a_run_without_comparisons_says_what_there_is(trials, expected):
    assert told(msgspec.structs.replace(run_of(), trials=tuple(trials))) == [expected]


def test_every_rule_can_be_heard():
    """No rule stands behind one that always takes its place."""
    heard = set()
    patterns: tuple[tuple[Verdict, ...], ...] = (("same",) * 4, ("worse",) * 4, ("same", "worse", "same", "worse"), ("better", "same") * 2,
                     ("undecided",) * 4, ("same", "same", "same", "better"), ("worse", "same", "same", "same"),
                     ("better", "same", "same", "same"), ("same", "better", "same", "same"), ("undecided", "same", "same", "same"),
                     ("same", "undecided", "same", "worse"))  # fmt: skip
    for verdicts in patterns:
        rows = zip(("cpu", "memory-read", "syscall", "disk-seq"), verdicts, strict=True)
        cost = {"same": 1.0, "worse": 1.6, "better": 0.6, "undecided": 1.0}
        given = Summary(run_of(*(compared(w, cost[v], v) for w, v in rows)))
        heard |= {finding.name for group in groups(given) for finding in group.findings}
    assert heard == {rule.name for rule in RULES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_in_the_headline_are_those_of_the_tables(language):
    summary = Summary(make_input(blocks=6))
    text = " ".join(told(make_input(blocks=6), language))
    start = next(c for c in summary.primary if c.workload == "null" and c.runner == "namespaces")
    assert numbers.rounded(start.subject_value.value, "s") == "1.6 ms"
    assert "1.6 ms" in text
    dear = max((c for c in summary.primary if c.family == "cpu"), key=lambda c: c.cost.value)
    assert numbers.ratio(dear.cost.value, width=dear.cost.value) in text


def test_what_has_no_ratio_is_not_told():
    none = msgspec.structs.replace(compared("cpu", 1.0, "undecided"), cost=estimate(float("nan"), None))
    assert told(run_of(none)) == ["A namespace container: nothing that this run compared gives a verdict."]


def test_workloads_with_words_are_those_of_the_catalogue():
    assert set(WHAT) <= {one.name for one in ours()}


def rung(runner, below, cost, *, total=1.0):
    return RungCost(
        workload="null", family="startup", parameters={}, metric="launch.total", unit="s", direction="lower",
        runner=runner, rung=runner.partition(":+")[2] or "seccomp", below=below, value=estimate(0.001),
        difference=estimate(0.001 * (cost - 1), 0.02), cost=estimate(cost), total=estimate(total, 0.02),
    )  # fmt: skip


def test_the_ladder_names_its_costliest_step_and_no_branch():
    rungs = (
        rung("namespaces:+mount", "bare", 1.2),
        rung("namespaces:+net-bridge", "namespaces:+mount", 9.0),
        rung("namespaces:+net", "namespaces:+mount", 1.5),
        rung("namespaces", "namespaces:+net", 1.1, total=2.0),
    )
    assert told(msgspec.structs.replace(run_of(), rung_costs=rungs))[0] == (
        "All 3 rungs of a container together make start-up 2.0× as long; the costliest is net (+500 µs)."
    )
    undecided = run_of(compared("null", 2.0, "undecided", half=0.6))
    assert told(msgspec.structs.replace(undecided, rung_costs=rungs)) == [
        "A namespace container starts in 2.0 ms."
    ], "where it is open what the whole container costs, nothing is told of its rungs"


def test_rungs_are_no_places_of_their_own():
    rungs = (
        rung("namespaces:+mount", "bare", 1.2),
        rung("namespaces", "namespaces:+mount", 1.1, total=2.0),
    )
    found = [compared("cpu", 1.0, "same", runner=one.runner) for one in rungs]
    assert told(msgspec.structs.replace(run_of(*found), rung_costs=rungs))[1:] == [
        "A namespace container costs no CPU that matters."
    ]


def test_a_headline_of_very_many_runners_is_short():
    found = told(run_of(*(compared("cpu", 1.5, "worse", runner=f"command-{n}") for n in range(20))))
    assert len(found) == MOST_SENTENCES
    assert found[-1] == words("en")("headline.more_places", n=16)


class TestCasesThatFailedEverywhere:
    """Somebody whose own command failed in all places must not read a headline that is silent about it."""

    @staticmethod
    def run(*names: str) -> ReportInput:
        failed = [
            trial(number, workload=name, outcome="failed", reason="exit status 1")
            for number, name in enumerate(names, 1)
        ]
        return msgspec.structs.replace(run_of(START), trials=(trial(0), *failed))

    def test_it_is_named_before_the_answer(self):
        first, second = told(self.run("sort", "sort"))
        assert first == "No trial of “sort” gave a number; the reasons stand below."
        assert second.startswith("A namespace container starts")

    def test_so_it_is_where_nothing_is_compared(self):
        assert told(msgspec.structs.replace(self.run("sort"), comparisons=()))[0].startswith(
            "No trial of “sort”"
        )

    def test_one_that_worked_somewhere_is_not(self):
        given = self.run("sort")
        worked = (*given.trials, trial(9, workload="sort", runner="namespaces"))
        assert not told(msgspec.structs.replace(given, trials=worked))[0].startswith("No trial")

    def test_many_are_counted(self):
        assert "“c”, 2 more gave" in told(self.run(*"abcde"))[0]

    def test_nothing_at_all_is_said_once(self):
        given = self.run("sort")
        assert told(msgspec.structs.replace(given, comparisons=(), trials=given.trials[1:])) == [
            "Nothing could be measured: the only trial ended without a number."
        ]


def test_what_was_imported_and_has_nothing_beside_it_is_called_so():
    alone = [msgspec.structs.replace(one, runner="imported") for one in ALONE]
    given = msgspec.structs.replace(run_of(mode="imported"), trials=tuple(alone))
    assert told(given) == ["Imported from another tool, with nothing to compare: start-up 400 µs."]
