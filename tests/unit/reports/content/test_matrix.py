"""The matrix: which answer stands for a cell, and what a reader sees of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest

from support.crowds import TRIALS as CROWDS
from support.results_making import trial
from support.synthetic import empty_input, make_input
from support.verdicts import compared, cpu, run_of
from tare.bench.catalogue import ours
from tare.reports.content.page import Page
from tare.reports.content.sections import matrix, overhead
from tare.reports.model import LANGUAGES
from tare.reports.summaries.matrix import APART, FAMILIES, deciding, standing_for
from tare.reports.summaries.run import Summary
from tare.reports.text import numbers
from tare.reports.text.words import words
from tare.results.details import Attempt, IsolationDetails
from tare.results.judgement.answers import pair_answers
from tare.results.record import HOST_CPU_TIME

if TYPE_CHECKING:
    from tare.results.judgement.comparison import Verdict


def page_of(given, language="en"):
    return Page(Summary(given), words(language))


def table_of(given, **how):
    made = (matrix.short if how.get("short") else matrix.section)(page_of(given))
    return made.body[0] if made else None


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_the_costliest_row_stands_for_its_family():
    rows = pair_answers(
        [compared("syscall", 1.2, "worse"), compared("switch", 1.5, "worse"), compared("fork", 0.5, "better")]
    )
    assert standing_for(rows).time.workload == "switch"


@pytest.mark.parametrize(
    ("verdicts", "chosen"),
    [
        ({"a": "same", "b": "undecided"}, "b"),
        ({"a": "better", "b": "undecided"}, "b"),
        ({"a": "better", "b": "same"}, "a"),
        ({"a": "worse", "b": "undecided"}, "a"),
    ],
)
def test_nothing_that_may_cost_more_hides_behind_a_better_answer(verdicts, chosen):
    costs = {"same": 1.0, "undecided": 1.01, "better": 0.7, "worse": 1.3}
    for order in itertools.permutations(verdicts):
        rows = pair_answers([compared(name, costs[verdicts[name]], verdicts[name]) for name in order])
        assert standing_for(rows).time.workload == chosen


def test_of_undecided_rows_that_with_the_highest_bound_stands():
    found = [compared("syscall", 1.0, "undecided", half=0.4), compared("switch", 1.1, "undecided", half=0.1)]
    assert standing_for(pair_answers(found)).time.workload == "syscall"
    unknown = compared("fork", 1.0, "undecided", half=None)
    assert standing_for(pair_answers([*found, unknown])).time.workload == "fork"


def test_cpu_decides_where_time_does_not_and_where_it_shows_a_cost_that_time_hides():
    def by(time, host):
        (row,) = pair_answers([compared("cpu", 1.0, time), cpu("cpu", 1.1, host)])
        return "cpu" if deciding(row) is row.cpu else "time"

    assert by("undecided", "worse") == "cpu"
    assert by("same", "worse") == "cpu"
    assert by("worse", "same") == "time"
    assert by("same", "same") == by("undecided", "undecided") == "time"


def test_each_verdict_has_a_sign_and_a_color_and_leads_to_its_row():
    verdicts: dict[str, Verdict] = {
        "cpu": "same",
        "memory-read": "better",
        "syscall": "worse",
        "disk-seq": "undecided",
    }
    costs = {"same": 1.0, "undecided": 1.0, "better": 0.7, "worse": 1.3}
    (row,) = table_of(run_of(*(compared(w, costs[v], v) for w, v in verdicts.items()))).rows
    assert [cell.kind for cell in row[1:]] == list(verdicts.values())
    assert [cell.text[0] for cell in row[1:]] == ["≈", "▼", "▲", "?"]
    assert row[3].link == "syscall|namespaces|syscall.time"
    assert "system calls" not in row[3].hint
    assert "syscall" in row[3].hint


def test_the_base_shows_what_the_others_start_from():
    table = table_of(run_of(compared("null", 6.0, "worse"), compared("cpu", 1.0, "same")))
    assert [(cell.text, cell.detail) for cell in table.rows[0][1:]] == [("1×", "1.000 ms"), ("1×", "")]
    assert table.rows[1][1].detail == "6.00 ms"


def test_a_cell_without_an_interval_says_so():
    table = table_of(run_of(compared("cpu", 1.2, "undecided", half=None)))
    assert table.rows[0][1].detail == "no interval (n=9)"


def test_an_interval_that_says_nothing_is_not_spelled_out():
    wide = compared("disk-fsync", 3.2, "undecided")
    wide = msgspec.structs.replace(wide, cost=msgspec.structs.replace(wide.cost, low=0.00012, high=86000.0))
    assert table_of(run_of(wide)).rows[0][1].detail == "too wide"


def test_all_metrics_are_counted_as_their_table_has_them():
    broken = compared("switch", 2.0, "undecided", metric="switch.rate", primary=False)
    broken = msgspec.structs.replace(broken, cost=msgspec.structs.replace(broken.cost, value=float("nan")))
    told = overhead._every(page_of(run_of(compared("cpu", 1.2, "worse"), broken)))
    assert told.summary == "All compared metrics with a ratio (1)"
    assert told.body[0].text.startswith("1 more ")
    assert len(told.body[1].rows) == 1


def test_families_that_are_no_columns_have_names_to_choose_them_by():
    found = [compared("cpu", 1.0, "same"), compared("neighbours-cpu", 1.1, "worse", family="neighbours")]
    table = overhead._table(page_of(run_of(*found)), found, "", why=False)
    assert [name for name, _cases in table.groups] == ["CPU", "Busy neighbours"]


def test_memory_per_place_is_a_size():
    dense = compared("density", 3.0, "worse", unit="bytes", metric="density.pss")
    table = table_of(run_of(dense))
    assert table.columns[1:] == ("Memory per place",)
    assert table.rows[1][1].detail == numbers.quantity(0.003, "bytes", width=0.00012)


def test_workloads_of_no_family_have_columns_of_their_own_but_not_too_many():
    assert table_of(run_of(compared("sort", 2.0, "worse"))).columns[1:] == ("sort",)
    many = [compared(f"job-{n}", 2.0, "worse") for n in range(40)]
    assert len(table_of(run_of(*many)).columns) == 7


def test_curves_are_no_columns():
    assert table_of(run_of(compared("starts-8", 2.0, "worse"))) is None
    assert table_of(msgspec.structs.replace(empty_input(), trials=CROWDS)) is None


def test_attempts_on_the_host_are_counted():
    def seen(runner, *verdicts):
        attempts = tuple(
            Attempt(name=f"try-{n}", tried="", verdict=v, error="") for n, v in enumerate(verdicts)
        )
        details = IsolationDetails(attempts=attempts, fingerprint={}, same_kernel=True)
        return trial(0, 1.0, runner=runner, workload="isolation", family="isolation", details=details)

    given = msgspec.structs.replace(
        run_of(), trials=(seen("bare", "open", "open", "absent"), seen("namespaces", "blocked", "confined"))
    )
    assert texts(table_of(given)) == [["bare", "2 open"], ["namespaces", "0 open"]]
    assert [row[1].kind for row in table_of(given).rows] == ["", "better"]
    assert table_of(given).rows[0][1].detail == "of 2 attempts"


def test_what_is_not_in_the_run_is_named_with_the_command_that_measures_it():
    text = matrix.section(page_of(make_input(blocks=2))).body[-1].text
    assert "Network, Memory per place, Isolation" in text
    assert "“tare run -k density”" in text, "quoted where a shell needs it"
    left_out = {one.name for one in ours() if one.from_mode not in ("quick", "default")}
    assert {name for name in matrix.REMEDIES if name in left_out} == set(matrix.REMEDIES)
    imported = matrix.section(page_of(run_of(compared("sort", 2.0, "worse"), mode="imported")))
    assert len(imported.body) == 2, "of an imported run, nothing is missing"


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_forms_have_the_same_ratios(language):
    given = make_input(blocks=6)
    long, brief = (make(page_of(given, language)).body[0] for make in (matrix.section, matrix.short))
    assert texts(long)[1:] == texts(brief)
    assert not any(cell.detail for row in brief.rows for cell in row)


def test_cells_carry_the_numbers_of_their_comparisons():
    summary = Summary(make_input(blocks=6))
    by_key = {matrix.key_of(row.time): deciding(row) for row in summary.answers}
    for row in table_of(make_input(blocks=6)).rows[1:]:
        for cell in row[1:]:
            cost = by_key[cell.link].cost
            assert (cell.value, cell.low, cell.high) == (cost.value, cost.low, cost.high)
            assert numbers.ratio(cost.value, width=numbers.width_of(cost)) in cell.text
            assert ("CPU" in cell.where) == (by_key[cell.link].metric == HOST_CPU_TIME)


def test_families_share_no_workload():
    for one, other in itertools.combinations(FAMILIES, 2):
        assert not one.families & other.families
        assert not one.workloads & other.workloads


def test_every_family_of_the_catalogue_has_its_place():
    """A workload that the suite knows gets no column that is made for a user's own."""
    for one in ours():
        assert any(family.holds(one.family, one.name) for family in FAMILIES) or one.family in APART, one.name


def test_columns_of_own_workloads_are_called_workloads_and_nothing_of_the_suites_is_missed():
    own = [compared(name, 1.2, "worse", family="own") for name in ("sort:n=1", "sort:n=2")]
    for rows in (own, [*own, compared("null", 1.1, "worse")]):
        made = matrix.section(page_of(run_of(*rows)))
        assert made.body[0].caption == "Cost of each workload compared with bare"
        assert len(made.body) == 2, "a legend, and no list of what is missing"
        assert "family" not in made.body[1].text
    for rows in ([compared("null", 1.1, "worse")], [*own, compared("cpu", 1.1, "worse")]):
        made = matrix.section(page_of(run_of(*rows)))
        assert made.body[0].caption == "Cost compared with bare, by family of workloads"
        assert len(made.body) == 3


def test_the_commands_of_own_workloads_are_shown_with_their_servers():
    alone = compared("a", 1.2, "worse", parameters={"command": "sort -n x", "n": "1"})
    served = compared(
        "b", 1.2, "worse", parameters={"command": "wget y", "server": "httpd -f", "client": "host"}
    )
    for given in (run_of(alone, served), msgspec.structs.replace(
        run_of(msgspec.structs.replace(alone, parameters={}), msgspec.structs.replace(served, parameters={})),
        parameters={"a": alone.parameters, "b": served.parameters},
    )):  # fmt: skip
        made = overhead.section(page_of(given))
        (table,) = next(
            one for one in made.body if getattr(one, "summary", "") == "Commands that were measured"
        ).body
        shown = [(row[1].text, row[1].detail) for row in table.rows]
        assert shown == [("sort -n x", ""), ("wget y", "server: httpd -f; client: host")]
    plain = overhead.section(page_of(run_of(compared("cpu", 1.2, "worse"))))
    assert "Commands that were measured" not in [getattr(one, "summary", "") for one in plain.body]
