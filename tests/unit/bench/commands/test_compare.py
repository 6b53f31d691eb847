"""``tare compare``: exit codes, what it says and writes, and what it refuses."""

import json
import re

import junitparser
import msgspec
import pytest

from support.paths import GOLDEN
from support.results_making import metric, trial, write_run
from tare.bench.__main__ import main
from tare.results.plan import PlanRecord, RequestRecord

# In an order that shows no trend, and as many as a small difference needs.
VALUES = [round(1 + (i * 29 % 48 - 23.5) / 1e4, 5) for i in range(48)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(name, factor=1.0, **changes):
        about = {"run": f"20261123-191748-{name}", "name": name, "status": "complete", **changes}
        trials = [
            trial(i, metric(value * factor, primary=True), run=about["run"]) for i, value in enumerate(VALUES)
        ]
        return write_run(tmp_path / "results" / "runs", trials, **about)

    make("base")
    return make


def test_a_regression_fails_and_is_written_everywhere(run, tmp_path, capsys):
    run("head", 1.2)
    assert main(["compare", "base", "head", "--markdown", "a.md", "--junit", "a.xml"]) == 1
    assert "1 worse" in capsys.readouterr().out
    summary = (tmp_path / "a.md").read_text()
    assert "**1 regression.** 0 improvements, 0 undecided, 0 refused, 0 same." in summary
    assert "**worse**" in summary
    (suite,) = junitparser.JUnitXml.fromfile("a.xml")
    assert (suite.tests, suite.failures) == (1, 1)


def test_markdown_is_appended(run, tmp_path):
    run("head")
    (tmp_path / "a.md").write_text("before\n")
    assert main(["compare", "base", "head", "--markdown", "a.md"]) == 0
    text = (tmp_path / "a.md").read_text()
    assert text.startswith("before\n")
    assert "**No regression found.**" in text


@pytest.mark.parametrize("words", [["--json"], ["--format", "json"]])
def test_json_says_better(run, words, capsys):
    run("head", 0.8)
    assert main(["compare", "base", "head", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    assert [c["verdict"] for c in found["comparisons"]] == ["better"]


def test_unlike_runs_are_refused_field_by_field_or_marked(run, capsys):
    run("head", 1.2, context={"cpu": "B", "kernel": {"release": "9"}})
    assert main(["compare", "base", "head"]) == 2
    error = capsys.readouterr().err
    assert "\n  cpu: A → B\n" in error
    assert "\n  kernel.release: not recorded → 9\n" in error
    assert main(["compare", "base", "head", "--allow-unlike", "--format", "markdown"]) == 1
    assert "cpu: A → B" in capsys.readouterr().out


def test_programs_that_read_no_messages_learn_that_unlike_runs_were_not_compared(run, tmp_path, capsys):
    run("head", context={"cpu": "B"})
    words = ["compare", "base", "head", "--markdown", "a.md", "--junit", "a.xml", "--html", "a.html"]
    assert main([*words, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["passed"], found["unlike"]) == (2, False, ["cpu: A → B"])
    assert "cpu: A → B" in (tmp_path / "a.md").read_text()
    assert "Nothing could be compared" in (tmp_path / "a.md").read_text()
    assert "cpu: A → B" in (tmp_path / "a.html").read_text()
    (suite,) = junitparser.JUnitXml.fromfile("a.xml")
    assert (suite.tests, suite.errors) == (1, 1)
    assert main(["compare", "base", "head"]) == 2
    assert capsys.readouterr().out == ""


def quick_plan(seconds, **asked):
    """Give a plan as a manifest has it, with jobs of another length."""
    request = RequestRecord(
        settings={}, mode="quick", command=asked.get("command", ()), versions=(), variants=(), carry=(), around=None,
        own={}, only_own=False, cases=None, slowdowns=None,
    )  # fmt: skip
    plan = PlanRecord(
        mode="quick", seed=1, precision=0.01, job_seconds=seconds, warmups=False, budget_seconds=1, estimate_seconds=1,
        cheap=(), cases=(), request=request,
    )  # fmt: skip
    return msgspec.to_builtins(plan)


@pytest.mark.parametrize(
    ("family", "asked", "refused"),
    [("cpu", {}, True), ("startup", {}, False), ("command", {"command": ("/bin/true",)}, False)],
)
def test_jobs_that_do_less_work_are_no_improvement(tmp_path, monkeypatch, capsys, family, asked, refused):
    """What a job costs as a whole falls with its length, which quick runs halve; a rate does not."""
    monkeypatch.chdir(tmp_path)
    for name, length in (("base", 0.05), ("head", 0.025)):
        run = f"20261123-191748-{name}"
        trials = [
            trial(
                i, metric(value, name="rate", unit="ops/s", direction="higher", primary=True),
                metric(value * length, name="cpu.total"), run=run, family=family,
            )
            for i, value in enumerate(VALUES)
        ]  # fmt: skip
        plan = quick_plan(length, **asked)
        write_run(tmp_path / "results" / "runs", trials, run=run, name=name, status="complete", plan=plan)
    assert main(["compare", "base", "head"]) == (2 if refused else 0)
    assert ("jobs: 50 ms → 25 ms" in capsys.readouterr().err) is refused
    if refused:
        assert main(["compare", "base", "head", "--allow-unlike", "--json"]) == 4
        found = {c["metric"]: c for c in json.loads(capsys.readouterr().out)["comparisons"]}
        assert (found["rate"]["verdict"], found["rate"]["refused"]) == ("same", False)
        assert found["cpu.total"]["refused"]


def test_thresholds_from_a_file(run, tmp_path, capsys):
    run("head", 1.2)
    (tmp_path / "t.toml").write_text(
        '[[exception]]\nworkload = "n*"\nthreshold = 0.5\nreason = "a shared disk"\n'
    )
    assert main(["compare", "base", "head", "--thresholds", "t.toml", "--format", "markdown"]) == 0
    assert "a shared disk" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "code"), [("30%", 0), ("1 %", 1), ("0.3", 1)])
def test_a_threshold_for_all_series(run, given, code):
    run("head", 1.2)
    assert main(["compare", "base", "head", "--threshold", given]) == code


def test_a_threshold_for_all_series_leaves_exceptions_alone(run, tmp_path):
    run("head", 1.2)
    (tmp_path / "t.toml").write_text(
        'default = 0.5\n[[exception]]\nworkload = "n*"\nthreshold = 0.5\nreason = "a shared disk"\n'
    )
    assert main(["compare", "base", "head", "--thresholds", "t.toml", "--threshold", "1%"]) == 0


@pytest.mark.parametrize("given", ["0", "-1", "x", "nan", "200%"])
def test_a_threshold_that_is_none_is_refused(run, given, capsys):
    run("head")
    assert main(["compare", "base", "head", f"--threshold={given}"]) == 2
    assert "give a percentage" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_an_error(run, capsys):
    run("head")
    assert main(["compare", "base", "head", "--junit", "no/such/folder.xml"]) == 3
    assert "cannot write" in capsys.readouterr().err


def test_damage_is_told_beside_the_verdict(run, capsys):
    head = run("head", 1.2)
    with (head / "trials.jsonl").open("ab") as file:
        file.write(b'{"cut": ')
    assert main(["compare", "base", "head", "--json"]) == 1
    (damage,) = [text for text in json.loads(capsys.readouterr().out)["remarks"] if "head's" in text]
    assert "1 cut" in damage
    assert "line 49" in damage


@pytest.mark.parametrize("method", ["bh", "holm", "none"])
def test_a_clear_change_of_one_among_many_short_series_stands(run, tmp_path, method):
    def many(name, planted):
        about = {"run": f"20261123-191748-{name}", "name": name, "status": "complete"}
        trials = []
        for series in range(40):
            for block, value in enumerate(VALUES[:4]):
                own = metric(value * (planted if series == 0 else 1.0), primary=True)
                common = {"run": about["run"], "workload": f"w{series}", "block": block, "invocation": block}
                trials.append(trial(len(trials), own, **common))
        return write_run(tmp_path / "results" / "runs", trials, **about)

    many("mb", 1.0)
    many("mh", 1.8)
    assert main(["compare", "mb", "mh", "--multiplicity", method]) == 1


CASES = GOLDEN / "cases" / "compare"


@pytest.fixture
def imported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def make(name):
        assert main(["import", str(CASES / f"{name}.csv"), "--name", name]) in {0, 4}
        capsys.readouterr()

    make("base_us")
    return make


@pytest.mark.parametrize(
    ("head", "why"),
    [("head_fail", "15 failed trials of the head left out"), ("head_other", "the head has no such series")],
)
def test_a_series_without_a_value_in_the_head_is_named_everywhere_and_no_success(
    imported, tmp_path, capsys, head, why
):
    imported(head)
    code = main(["compare", "base_us", head, "--markdown", "a.md", "--junit", "a.xml"])
    out = capsys.readouterr().out
    assert code == 3
    assert "missing    op wall on host" in out
    assert "nothing could be compared" in out
    summary = (tmp_path / "a.md").read_text()
    assert "**Nothing could be compared.**" in summary
    assert "op wall on host" in summary
    assert why.split(" ", 1)[1] in summary
    suites = junitparser.JUnitXml.fromfile("a.xml")
    assert sum(suite.errors for suite in suites) == 1
    main(["compare", "base_us", head, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [(one["workload"], one["runner"]) for one in found["missing"]] == [("op", "host")]
    assert found["exit_code"] == 3


def test_another_unit_is_refused_without_a_cost_and_each_value_keeps_its_own(imported, tmp_path, capsys):
    imported("head_ms")
    assert main(["compare", "base_us", "head_ms", "--markdown", "a.md"]) == 3
    assert "cost" not in capsys.readouterr().out
    (row,) = [line for line in (tmp_path / "a.md").read_text().splitlines() if line.startswith("| refused")]
    cells = [cell.strip() for cell in row.split("|")]
    assert "us" in cells[5]
    assert "ms" in cells[6]
    assert cells[7] == "–"
    main(["compare", "base_us", "head_ms", "--json"])
    (one,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (one["unit"], one["base_unit"], one["cost"]["value"]) == ("ms", "us", None)


def test_what_is_missing_beside_what_was_compared_is_no_success(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, workloads in (("base", ("null", "cpu")), ("head", ("null",))):
        about = {"run": f"20261123-191748-{name}", "name": name, "status": "complete"}
        trials = [
            trial(i, metric(value, primary=True), run=about["run"], workload=workload)
            for i, (workload, value) in enumerate((w, v) for w in workloads for v in VALUES)
        ]
        write_run(tmp_path / "results" / "runs", trials, **about)
    assert main(["compare", "base", "head"]) == 4
    out = capsys.readouterr().out
    assert "missing    cpu" in out
    assert "1 same" in out


def test_a_run_is_not_compared_with_itself(run, capsys):
    assert main(["compare", "base", "latest"]) == 2
    assert "BASE and HEAD are both the run 20261123-191748-base" in capsys.readouterr().err


def test_runs_that_are_not_alike_are_named_by_what_tells_them_apart(run, capsys):
    run("head", context={"cpu": "B"})
    assert main(["compare", "base", "latest"]) == 2
    said = "base (20261123-191748-base) and latest (20261123-191748-head) are not alike"
    assert said in capsys.readouterr().err


BROKEN = re.compile(
    r"\.;|\.\.(?!\.)|\(\)|\b1 (?:[a-z]+ )?(?:regressions|improvements|trials|blocks|runs|lines)\b|\bare only 1\b| [×x](?=[ ,.)])"
    r"|-\d[\d.]* %|\d%",
)
"""What no text may have: broken sentences, a wrong plural, a second notation of factors and percentages."""


@pytest.mark.parametrize("form", ["text", "markdown", "junit"])
@pytest.mark.parametrize("factor", [0.4, 0.93, 1.0, 1.2, 1.995, 3.0])
@pytest.mark.parametrize("blocks", [1, 2, 8])
def test_what_is_said_reads_well(run, capsys, form, factor, blocks):
    folder = run("head", factor)
    lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    failed = msgspec.json.encode(trial(99, outcome="failed", reason="exit status 1", run=folder.name))
    (folder / "trials.jsonl").write_bytes(b"".join((*lines[:blocks], failed, b"\n")))
    main(["compare", "base", "head", "--format", form])
    said = capsys.readouterr().out
    assert said
    assert not (found := BROKEN.search(said)), (found, said)
