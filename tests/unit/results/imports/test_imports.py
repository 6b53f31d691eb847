"""Imports: values as they were, medians as by hand, and complaints that name the line and the field."""

import csv
import gzip
import json
import statistics
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, example, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from support.export_making import given
from support.paths import GOLDEN
from tare.bench.__main__ import main
from tare.bench.analysis.comparison import compare_stored
from tare.bench.analysis.report import report_input
from tare.reports.exports import FORMATS as EXPORTS
from tare.results.errors import NotWritten, ResultError
from tare.results.imports import FORMATS, import_file, read_file
from tare.results.imports.model import ImportFault, moment_of
from tare.results.record import Provenance
from tare.results.statistics.series import good_series
from tare.results.storage.find import find_run
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame

HEADER = "series,runner,metric,value,unit,direction,block\n"
FIO = GOLDEN / "cases" / "fio" / "numjobs1.json"


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def imported(tmp_path, content, **options):
    folder = import_file(write(tmp_path / "given.file", content), tmp_path / "runs", **options)
    return load_run(folder)


def medians(run):
    return {
        (key.workload, key.runner, key.metric): float(np.median(series.value))
        for key, series in good_series(read_frame(run)).items()
    }


def test_medians_of_a_table_are_those_by_hand(tmp_path):
    values = {("a", "docker"): [3.5, 1.25, 9.75, 2.0], ("a", "kvm"): [7.0, 8.0, 1e3], ("b", ""): [5e-9, 6e-9]}
    rows = [f"{s},{r},wall,{v!r},ms,lower,{i}\n" for (s, r), vs in values.items() for i, v in enumerate(vs)]
    run = imported(tmp_path, HEADER + "".join(rows), name="mine")
    assert run.manifest.mode == "imported"
    assert run.manifest.name == "mine"
    assert medians(run) == {
        (s, r or "imported", "wall"): statistics.median(vs) for (s, r), vs in values.items()
    }


def test_rows_with_and_without_runner_are_different_series(tmp_path):
    run = imported(tmp_path, HEADER + "a,,t,1,s,lower,0\na,docker,t,2,s,lower,0\n")
    assert medians(run) == {("a", "imported", "t"): 1.0, ("a", "docker", "t"): 2.0}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_order_and_a_byte_order_mark(tmp_path, separator):
    lines = ["value,Direction,unit,series,metric,color", '2.5,higher,ops/s,"x, y",rate,red']
    text = "\n".join(separator.join(next(csv.reader([line]))) for line in lines)
    run = imported(tmp_path, "\ufeff" + text + "\n\n")
    assert medians(run) == {("x, y", "imported", "rate"): 2.5}
    assert run.manifest.imported.ignored_columns == ("color",)


def test_without_block_rows_are_counted_and_invocation_follows_the_block(tmp_path):
    run = imported(
        tmp_path, "series,metric,value,unit,direction\n" + "a,t,1,s,lower\nb,t,1,s,lower\na,t,2,s,lower\n"
    )
    assert [(t.workload, t.block, t.invocation) for t in run.trials()] == [
        ("a", 0, 0),
        ("b", 0, 0),
        ("a", 1, 1),
    ]


def test_the_first_metric_is_primary_unless_said(tmp_path):
    text = HEADER + "a,,t,1,s,lower,0\na,,m,5,bytes,lower,0\na,,t,2,s,lower,1\n"
    run = imported(tmp_path, text)
    assert [m.primary for t in run.trials() for m in t.metrics] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + "a,,t,1,s,lower,0\na,,t,fast,s,lower,1\n", r"line 3: value is 'fast', not a number"),
        (HEADER + "a,,t,1_0,s,lower,0\n", r"line 2: value is '1_0', not a number"),
        (HEADER + "a,,t,,s,lower,0\n", r"line 2: value is empty"),
        (HEADER + "a,,t,1,s,down,0\n", r"line 2: direction is 'down', not one of lower, higher"),
        (HEADER + "a,,t,1,,lower,0\n", r"line 2: unit is empty"),
        (HEADER + ",,t,1,s,lower,0\n", r"line 2: series is empty"),
        (HEADER + "a,,t,1,s,lower,x\n", r"line 2: block is 'x', not a whole number"),
        (HEADER + "a,,t,1,s,lower,99999999999\n", r"line 2: block is"),
        (HEADER + "a,,t,1,s,lower\n", r"line 2: 6 cells, but the header has 7"),
        (HEADER + 'a,,"t,1,s,lower,0\n', r"line 2: not CSV"),
        (HEADER, "no rows"),
        ("series,value\na,1\n", "header lacks metric, unit, direction"),
        ("series,metric,value,unit,direction,unit\n", "column unit appears twice"),
        ("", "is empty"),
        (b"series\xff", "line 1: not UTF-8"),
        (b"\x1f\x8b\x08cut", "cannot read"),
        ('{"results": [{"command": "x", "times": [1, "2"]}]}', r"results\[0\].times\[1\] is '2', not a number"),
        ('{"results": [{"command": "x", "times": [1], "exit_codes": []}]}', ""),
        ('{"results": [{"command": "x", "times": [1,', r"line 1, column \d+: not JSON"),
        ('{"results": [{"command": "x"}]}', r"results\[0\] has no 'median'"),
        ('{"results": [{"command": "x", "times": [1]}]} more', "text after the JSON document"),
        ('{"hello": 1}', "of no format known"),
        ('{"benchmarks": [{"name": "x"}], "machine_info": {}}', r"benchmarks\[0\] has no 'stats'"),
        ('{"benchmarks": [], "machine_info": {}}', "holds no results"),
        ('{"benchmarks": [], "version": "0.7"}', "convert"),
        ('{"version": "1.0", "benchmarks": [{"metadata": {"name": "x", "unit": "mile"}, "runs": []}]}', "mile"),
        ('{"fio version": "3", "jobs": [{"read": {}}]}', r"jobs\[0\] has no 'jobname'"),
        ("[" * 100_000, "nested too deeply|not JSON"),
    ],
)  # fmt: skip
def test_malformed_files_say_where_and_leave_nothing(tmp_path, text, says):
    if not says:
        assert list(imported(tmp_path, text).trials())
        return
    with pytest.raises(ImportFault, match=says):
        imported(tmp_path, text)
    assert not (tmp_path / "runs").exists()


def test_strange_values_are_kept_and_marked(tmp_path):
    run = imported(
        tmp_path, HEADER + "a,,t,nan,s,lower,0\na,,t,-1,s,lower,1\na,,t,5,ms,lower,2\na,,t,2,s,lower,3\n"
    )
    outcomes = [trial.outcome for trial in run.trials()]
    assert len(outcomes) == 4
    assert outcomes[0] == outcomes[1] == "invalid"
    assert outcomes.count("ok") == 1
    assert {problem.kind for problem in run.problems} == {"negative", "mixed-unit"}


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def refuse(_self, _trial):
        raise ResultError("disk full")

    monkeypatch.setattr("tare.results.imports.RunWriter.append", refuse)
    with pytest.raises(ResultError, match="disk full"):
        imported(tmp_path, HEADER + "a,,t,1,s,lower,0\n")
    assert not list((tmp_path / "runs").iterdir())


def test_a_full_disk_promises_nothing_that_an_import_does_not_keep(tmp_path, monkeypatch):
    def full(_self, _trial):
        raise NotWritten("The 3 trials before it are kept. Go on with --resume.") from OSError(
            28, "No space left"
        )

    monkeypatch.setattr("tare.results.imports.RunWriter.append", full)
    with pytest.raises(
        NotWritten, match=r"^cannot write to .*runs: No space left\. Choose another --results-dir\.$"
    ):
        imported(tmp_path, HEADER + "a,,t,1,s,lower,0\n")
    assert not list((tmp_path / "runs").iterdir())


def test_our_own_csv_comes_back_as_it_was(tmp_path):
    one = given()
    content = next(export for export in EXPORTS if export.NAME == "csv").render(one)
    back = list(imported(tmp_path, content).trials())
    assert len(back) == len(one.trials)
    for before, after in zip(one.trials, back, strict=True):
        assert [(m.name, m.value, m.unit, m.direction, m.clock, m.primary) for m in before.metrics] == [
            (m.name, m.value, m.unit, m.direction, m.clock, m.primary) for m in after.metrics
        ]
        for name in (
            "workload",
            "runner",
            "block",
            "invocation",
            "outcome",
            "warmup",
            "control",
            "parameters",
        ):
            assert getattr(before, name) == getattr(after, name)


def test_hyperfine(tmp_path):
    times = [0.5, 0.75, 0.6]
    result = {
        "command": "sleep",
        "times": times,
        "exit_codes": [0, 1, 0],
        "median": 0.6,
        "parameters": {"n": "1"},
    }
    run = imported(tmp_path, json.dumps({"results": [result, {"command": "short", "median": 0.25}]}))
    trials = list(run.trials())
    assert [t.outcome for t in trials] == ["ok", "failed", "ok", "ok"]
    assert trials[1].reason == "exit status 1"
    assert trials[0].parameters == {"n": "1"}
    assert medians(run) == {("sleep", "imported", "time"): 0.55, ("short", "imported", "time"): 0.25}


def test_pytest_benchmark_with_and_without_raw_data(tmp_path):
    benchmarks = [
        {"name": "t", "fullname": "a::t", "stats": {"data": [3.0, 1.0, 2.5], "median": 2.5}},
        {"name": "t", "fullname": "b::t", "stats": {"median": 0.125, "rounds": 7}},
    ]
    document = {"machine_info": {"cpu": {"brand_raw": "Example"}}, "benchmarks": benchmarks}
    run = imported(tmp_path, json.dumps(document))
    assert medians(run) == {("a::t", "imported", "time"): 2.5, ("b::t", "imported", "time"): 0.125}
    assert run.manifest.context == {"cpu.model": "Example"}
    assert run.manifest.imported.medians_only == ("b::t",)


def test_pyperf_workers_are_invocations(tmp_path):
    runs = [{"warmups": [[1, 9.0]]}, {"warmups": [[1, 8.0]], "values": [1.0, 2.0]}, {"values": [4.0, 5.0]}]
    document = {"version": "1.0", "benchmarks": [{"runs": runs}], "metadata": {"name": "b"}}
    run = imported(tmp_path, gzip.compress(json.dumps(document).encode()))
    assert [(t.invocation, t.block, t.warmup) for t in run.trials()] == [
        (0, 0, True), (1, 0, True), (1, 0, False), (1, 1, False), (2, 2, False), (2, 3, False),
    ]  # fmt: skip
    assert medians(run) == {("b", "imported", "time"): 3.0}


def test_fio(tmp_path):
    text = FIO.read_text()
    document = json.loads(text[text.index("{") :])
    run = imported(tmp_path, "note: both iodepth >= 1\n" + text[text.index("{") :])
    (trial,) = run.trials()
    job = document["jobs"][0]
    found = {m.name: m for m in trial.metrics}
    way = next(way for way in ("read", "write") if job[way]["total_ios"])
    assert found[f"fio.{way}.iops"].value == job[way]["iops"]
    assert found[f"fio.{way}.iops"].primary
    assert found[f"fio.{way}.bandwidth"].value == job[way]["bw_bytes"]
    assert found[f"fio.{way}.latency.p99"].value == job[way]["clat_ns"]["percentile"]["99.000000"] / 1e9


@pytest.mark.parametrize("name", ["csv", "hyperfine", "pytest-benchmark", "pyperf"])
def test_what_is_exported_is_recognised(tmp_path, name):
    content = next(export for export in EXPORTS if name == export.NAME).render(given())
    found, format_name = read_file(write(tmp_path / "file", content))
    assert format_name == name
    assert found.trials


def compared(tmp_path, *names):
    return compare_stored(*(find_run(name, tmp_path / "runs") for name in names))


def table(values):
    return HEADER + "".join(f"a,,t,{v!r},s,lower,{i}\n" for i, v in enumerate(values))


def test_imported_runs_are_compared_in_spite_of_empty_contexts(tmp_path):
    values = [1 + random.gauss(0, 0.001) for random in [Random(1)] for _ in range(48)]  # noqa: S311 - noise
    for name, factor in (("base", 1.0), ("slow", 1.1), ("fast", 0.9), ("like", 1.0)):
        import_file(
            write(tmp_path / "f.csv", table([v * factor for v in values])), tmp_path / "runs", name=name
        )
    verdicts = {
        name: compared(tmp_path, "base", name).compared.comparisons for name in ("slow", "fast", "like")
    }
    assert {n: c[0].verdict for n, c in verdicts.items()} == {
        "slow": "worse",
        "fast": "better",
        "like": "same",
    }
    assert compared(tmp_path, "base", "slow").head == "slow (imported)"


def test_all_metrics_of_imported_runs_are_judged(tmp_path):
    for name, factor in (("base", 1.0), ("head", 2.0)):
        rows = "".join(
            f"a,,t,{1 + i / 1e4},s,lower,{i}\na,,m,{(100 + i) * factor},bytes,lower,{i}\n" for i in range(8)
        )
        import_file(write(tmp_path / "f.csv", HEADER + rows), tmp_path / "runs", name=name)
    assert [c.metric for c in compared(tmp_path, "base", "head").gate.regressions] == ["m"]


def test_the_command_imports_and_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "f.csv", table([1.0, 2.0, 3.0]))
    assert main(["import", "f.csv", "--name", "theirs"]) == 0
    assert "imported 3 trials of 1 series (csv)" in capsys.readouterr().out
    assert main(["export", "theirs", "--format", "csv"]) == 0
    assert main(["report", "theirs"]) == 0
    page = Path(capsys.readouterr().out.splitlines()[-1]).read_text()
    assert "imported" in page.lower()
    assert main(["import", "missing.csv"]) == 2
    assert "missing.csv" in capsys.readouterr().err


def test_the_report_compares_with_the_first_runner_where_there_is_no_bare(tmp_path):
    rows = "".join(
        f"a,{r},t,{f + i / 1000},s,lower,{i}\n" for r, f in (("docker", 1.0), ("kvm", 2.0)) for i in range(8)
    )
    given_to_report = report_input(import_file(write(tmp_path / "f.csv", HEADER + rows), tmp_path / "runs"))
    assert [(c.base, c.runner, c.verdict) for c in given_to_report.comparisons] == [
        ("docker", "kvm", "worse")
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["results", "command", "times", "benchmarks", "machine_info", "version", "runs", "values", "stats",
             "data", "name", "jobs", "fio version", "jobname", "read", "iops", "total_ios", "metadata", "median"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@drawn(document=JSON, format_name=st.sampled_from(["", *(f.NAME for f in FORMATS)]))
@example(document={"results": [{"command": "x", "times": [10**400]}]}, format_name="")
@example(document={"jobs": [{"jobname": "x", "error": float("nan")}], "fio version": "3"}, format_name="fio")
def test_any_json_is_read_or_refused(tmp_path, document, format_name):
    path = write(tmp_path / "x.json", json.dumps(document))
    try:
        found, _ = read_file(path, format_name)
    except ImportFault:
        return
    assert found.trials


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@drawn(text=st.text(alphabet=st.sampled_from(list('a1.,;\n\r"\t-e\x00é')), max_size=60))
def test_any_table_is_read_or_refused(tmp_path, text):
    try:
        found, _ = read_file(write(tmp_path / "x.csv", HEADER + text))
    except ImportFault:
        return
    assert found.trials


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01T12:00:00.5", "2026-03-01T12:00:00+00:00"),
        (1795699075, "2026-11-26T13:17:55+00:00"),
        ("yesterday", ""),
        (None, ""),
        (True, ""),
        (1e300, ""),
        ("0001-01-01T00:00:00+14:00", ""),
    ],
)
def test_moments_of_files_are_read(told: object, expected: str) -> None:
    assert moment_of(told) == expected


def test_a_run_is_of_the_moment_and_the_commit_that_its_file_names(tmp_path: Path) -> None:
    benchmark = {"name": "x", "stats": {"median": 1.0, "data": [1.0, 1.1]}}
    document = {
        "machine_info": {},
        "commit_info": {"id": "a" * 40, "dirty": False},
        "benchmarks": [benchmark],
        "datetime": "2026-03-01T12:00:00+00:00",
    }
    here = Provenance(commit="b" * 40, branch="main", dirty=True, labels={"machine": "rack-7"})
    folder = import_file(write(tmp_path / "f.json", json.dumps(document)), tmp_path / "runs", provenance=here)
    manifest = load_run(folder).manifest
    assert manifest.created == "2026-03-01T12:00:00+00:00"
    assert manifest.provenance == Provenance(commit="a" * 40, labels={"machine": "rack-7"})


def test_an_empty_name_is_called_empty_and_not_no_text(tmp_path):
    path = tmp_path / "h.json"
    path.write_text(json.dumps({"results": [{"command": " ", "times": [1.0], "exit_codes": [0]}]}), "utf-8")
    with pytest.raises(ImportFault, match=r"command is empty\.$"):
        read_file(path)
