"""Pages beside the reports: comparisons, histories, the list of all runs. Hostile names stay text."""

import re

import numpy as np
import pytest

from support.korean_pages import english
from support.results_making import metric, trial, write_run
from support.shapes import sentences
from support.verdicts import compared, cpu
from tare.bench.__main__ import main
from tare.bench.analysis.baselines import ThisHost
from tare.bench.analysis.gate_report import GateReport
from tare.bench.analysis.listing import VerdictCounts, keep_verdicts
from tare.bench.analysis.pages import write_comparison, write_index
from tare.results.judgement.between_runs import RunsCompared
from tare.results.judgement.gate import gate
from tare.results.record import Provenance
from tare.runners.host.facts import host_class

HOSTILE = "<script>alert(1)</script>"
FACTS = {"cpu": {"model": "Example", "allowed": 2}}


def text_of(page):
    """Give what a reader sees: the page without its style, scripts and tags."""
    bare = re.sub(r"(?s)<(style|script).*?</\1>", "", page)
    bare = re.sub(r'<span class="unbroken">([^<]*)</span>', r"\1", bare)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


def headline(page):
    return text_of(re.search(r"(?s)<h1>(.*?)</h1>", page)[1]).strip()


def report(*comparisons, **changes):
    found = list(comparisons)
    return GateReport("old", "new", RunsCompared(found, (), (), ()), gate(found), **changes)


def comparison_page(tmp_path, *comparisons, **changes):
    write_comparison(report(*comparisons, **changes), tmp_path / "c.html")
    return (tmp_path / "c.html").read_text()


def test_a_comparison_says_first_what_got_worse_and_sorts_by_effect(tmp_path):
    page = comparison_page(
        tmp_path, compared("cpu", 1.0, "same"), compared("python", 1.05, "worse"), compared("syscall", 1.5, "worse"),
        cpu("syscall", 1.4, "worse"), hosts=("a host",), remarks=("a remark",),
    )  # fmt: skip
    assert headline(page).startswith(
        "new costs more than old in 3 of 4 answers. syscall on namespaces: CPU: 40 % more (1.372–1.428); time: 50 % more (1.470–1.530). "
        "python on namespaces: time: 5 % more (1.029–1.071)."
    )
    rows = re.findall(r'data-key="([^"|]+)\|', page)
    assert rows == ["syscall", "syscall", "python", "cpu"]
    assert page.count('<g class="worse">') == 2 * 3, "for a wide page, and for a phone's"
    assert "a remark" in page
    assert "a host" in page


@pytest.mark.parametrize(
    ("comparisons", "said"),
    [
        ((), "Nothing of new could be compared with old."),
        ((compared("cpu", 1.3, "undecided", half=0.5),), "Whether new costs more than old is undecided."),
        ((compared("cpu", 1.0, "same"),), "new costs no more than old in the only answer."),
        ((compared("cpu", 1.0, "undecided", refused=True),), "Nothing of new could be compared with old."),
    ],
)
def test_a_comparison_without_a_regression_says_what_it_knows(tmp_path, comparisons, said):
    assert headline(comparison_page(tmp_path, *comparisons)).startswith(said)


def test_a_workload_of_one_case_is_named_without_its_parameters(tmp_path):
    one = compared("cpu", 1.1, "worse", parameters={"n": 1})
    assert "[n=1]" not in text_of(comparison_page(tmp_path, one))
    both = comparison_page(tmp_path, one, compared("cpu", 1.2, "worse", parameters={"n": 2}))
    assert {"cpu [n=1]", "cpu [n=2]"} <= set(re.findall(r"cpu \[n=\d\]", text_of(both)))


def test_a_comparison_that_is_mostly_open_does_not_say_that_nothing_costs_more(tmp_path):
    page = comparison_page(tmp_path, compared("cpu", 1.0, "same"), compared("python", 1.1, "undecided"))
    assert headline(page).startswith(
        "new is not shown to cost more than old, but 1 of 2 answers is undecided."
    )


def test_what_is_unlike_stands_open_above_and_once(tmp_path):
    unlike = f"image: {'a' * 64} → {'b' * 64}"
    one = compared("cpu", 1.0, "same", notes=(f"the runs differ in {unlike}", "1 warm-up trial left out"))
    found = GateReport(
        "old", "new", RunsCompared([one], (), (), (unlike,)), gate([one]), hosts=("one", "two")
    )
    write_comparison(found, tmp_path / "c.html")
    page = (tmp_path / "c.html").read_text()
    assert '<details class="chip problem" open>' in page
    assert text_of(page).count(f"image: {'a' * 12} → {'b' * 12} ") == 1
    assert "1 warm-up trial left out" in page
    assert text_of(page.split("<table")[0]).count("one; two") == 1, "the hosts stand above the table"


def test_the_sides_of_one_run_stand_below_the_answer(tmp_path):
    page = comparison_page(tmp_path, compared("cpu", 1.0, "same"), sides=("./old -n 1", "./new"))
    assert "old (./old -n 1) → new (./new)" in text_of(page)
    assert "old → new" in text_of(comparison_page(tmp_path, compared("cpu", 1.0, "same")))


def test_nothing_of_a_record_becomes_markup(tmp_path):
    page = comparison_page(
        tmp_path, compared(HOSTILE, 1.1, "worse", runner=HOSTILE, because=HOSTILE), remarks=(HOSTILE,),
        sides=(HOSTILE, HOSTILE),
    )  # fmt: skip
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ThisHost, "read", classmethod(lambda _cls, *_: ThisHost(host_class(FACTS), {}, None)))
    noise = np.exp(np.random.default_rng(5).normal(0, 0.005, 12))
    for i, level in enumerate(noise * np.where(np.arange(12) >= 8, 1.2, 1.0)):
        run = f"202611{i + 1:02}-191700-aaaa"
        trials = [trial(k, metric(float(level), primary=True), run=run) for k in range(3)]
        write_run(
            tmp_path / "results" / "runs", trials, run=run, host=FACTS, status="complete", name=HOSTILE if i == 2 else "",
            created=f"2026-11-{i + 1:02}T19:17:00+00:00", provenance=Provenance(commit=f"{i:040x}", labels={"a": HOSTILE}),
        )  # fmt: skip
    report_of = tmp_path / "reports" / "out" / "20261109-191700-aaaa"
    report_of.mkdir(parents=True)
    (report_of / "index.html").touch()
    return tmp_path


def test_a_history_names_the_change_marks_it_and_links_the_reports(runs):
    assert main(["history", "--html", "h.html"]) == 0
    page = (runs / "h.html").read_text()
    assert "Changes found: 1, in 1 series over 12 runs" in headline(page)
    assert "since 20261109-191700-aaaa, commit 0000000000" in headline(page)
    assert page.count("<circle") == 12
    assert page.count('class="change worse"') == 1
    assert 'role="group"' in page, "within an image nothing can be reached"
    assert '<a href="reports/out/20261109-191700-aaaa/index.html"><circle' in page
    assert HOSTILE not in page
    assert ": 12, " in text_of(page)
    assert '<p class="worse">' in page, "beside its chart, the change is told with its commit"
    assert "11 of 12 runs have none yet" in text_of(page)


def test_a_history_that_is_too_short_does_not_say_that_nothing_changed(runs, capsys):
    assert main(["history", "20261101-191700-aaaa", "20261102-191700-aaaa", "--html", "h.html"]) == 0
    assert (
        headline((runs / "h.html").read_text())
        == "Runs: 2. Changes are searched for in series of 6 runs or more."
    )
    assert (
        "Too short to be searched for changes, with fewer than 6 runs: 1 of 1 series."
        in capsys.readouterr().out
    )


def test_a_history_for_a_pull_request_says_first_what_changed(runs):
    assert main(["history", "--markdown", "h.md"]) == 0
    lines = [line for line in (runs / "h.md").read_text().splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[1].startswith("Runs of host class")
    assert lines[2].startswith("**Changes found: 1, in 1 series over 12 runs")
    assert "since 20261109-191700-aaaa, commit 0000000000" in lines[2]
    assert HOSTILE not in "".join(lines)


def test_the_list_has_every_run_newest_first_with_verdicts_and_report(runs):
    keep_verdicts(runs / "results" / "runs" / "20261109-191700-aaaa", VerdictCounts(worse=2, same=1))
    write_index(runs / "results" / "runs", runs / "reports" / "out", "en")
    page = (runs / "reports" / "out" / "index.html").read_text()
    keys = re.findall(r'data-key="([^"]+)"', page)
    assert keys == sorted(keys, reverse=True)
    assert len(keys) == 12
    assert '<a href="20261109-191700-aaaa/index.html">' in page
    assert "2 more, 1 same" in text_of(page)
    assert HOSTILE not in page


def test_an_empty_folder_says_how_to_make_a_run(tmp_path):
    write_index(tmp_path / "none", tmp_path / "out", "en")
    page = (tmp_path / "out" / "index.html").read_text()
    assert headline(page) == "There is no run yet."
    assert "tare run" in page


def test_a_page_that_cannot_be_written_is_told_of(runs, capsys):
    assert main(["history", "--html", "/proc/none/h.html"]) == 3
    assert "cannot write /proc/none/h.html" in capsys.readouterr().err


def test_a_korean_list_leads_to_korean_reports_where_there_are_some(runs):
    reports = runs / "reports" / "out"
    for folder, names in (
        ("20261108-191700-aaaa", ("index.html", "index.ko.html")),
        ("20261107-191700-aaaa", ("index.html",)),
    ):
        (reports / folder).mkdir()
        for name in names:
            (reports / folder / name).touch()
    write_index(runs / "results" / "runs", reports, "ko")
    page = (reports / "index.html").read_text()
    assert '<a href="20261108-191700-aaaa/index.ko.html">' in page
    assert '<a href="20261107-191700-aaaa/index.html">' in page


def test_korean_pages_beside_the_reports_have_no_english(runs):
    sentence = sentences()
    found = [
        compared("cpu", 1.0, "same", because=sentence["rule.within"]),
        compared(
            "python", 1.05, "worse", because=sentence["rule.beyond"], notes=(sentence["pair.unpaired"],)
        ),
        compared("syscall", 1.5, "undecided", half=None, because=sentence["rule.too_few"]),
        compared("null", 1.5, "undecided", refused=True, because=sentence["pair.refused"]),
        cpu("python", 0.9, "better", because=sentence["rule.beyond"]),
    ]
    lost = RunsCompared(found, (), (), (sentence["fact.changed"],))
    remarks = tuple(
        sentence[f"remark.{name}"] for name in ("in_turn", "quick", "status", "calibrated", "between_runs")
    )
    write_comparison(GateReport("old", "new", lost, gate(found), remarks=remarks), runs / "c.html", "ko")
    write_comparison(report(), runs / "nothing.html", "ko")
    (runs / "results" / "runs" / "damaged").mkdir()
    (runs / "results" / "runs" / "damaged" / "manifest.json").write_text("{")
    for number, changes in enumerate(
        ({"status": "running"}, {"status": "interrupted", "mode": "quick"}, {"mode": "imported"})
    ):
        name = f"2026120{number + 1}-191700-aaaa"
        write_run(
            runs / "results" / "runs",
            [trial(0, metric(1.0, primary=True), run=name)],
            run=name,
            host=FACTS,
            **changes,
        )
    keep_verdicts(
        runs / "results" / "runs" / "20261109-191700-aaaa",
        VerdictCounts(worse=2, same=1, better=1, undecided=1),
    )
    write_index(runs / "results" / "runs", runs / "reports" / "out", "ko")
    write_index(runs / "none", runs / "out", "ko")
    assert main(["history", "--html", "h.html", "--lang", "ko"]) == 0
    pages = [
        runs / name
        for name in ("c.html", "nothing.html", "h.html", "out/index.html", "reports/out/index.html")
    ]
    assert [(path.name, english(path.read_text())) for path in pages] == [(path.name, []) for path in pages]
