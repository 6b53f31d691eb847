"""Every export: against its golden file, and through the reader of the tool that it is made for."""

import csv
import io
import json
import os
import re
import shlex
import statistics
import subprocess
import sys

import junitparser
import msgspec
import pyperf
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support.export_making import given
from support.paths import GOLDEN
from tare.reports.exports import FORMATS, otava, pytest_benchmark
from tare.reports.exports.series import primary_series
from tare.results.imports import tidy as tidy_import

FOLDER = GOLDEN / "exports"
TEXTS = [export for export in FORMATS if export.NAME != "parquet"]
BY_NAME = {export.NAME: export for export in FORMATS}


def rendered(name):
    return BY_NAME[name].render(given())


def _rounded(document):
    """Round numbers to 12 digits: the package adds floats up by `sum`, which is more exact from Python 3.12 on."""
    return (
        json.dumps(
            json.loads(document, parse_float=lambda text: float(f"{float(text):.12g}")), indent=1
        ).encode()
        + b"\n"
    )


@pytest.mark.parametrize("export", TEXTS, ids=lambda export: export.NAME)
def test_golden(export, monkeypatch):
    monkeypatch.setattr(pytest_benchmark, "version", lambda _name: "5.1.0")
    content = export.render(given())
    if export.NAME == "pytest-benchmark":
        content = _rounded(content)
    path = FOLDER / export.NAME
    if os.environ.get("TARE_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    assert content == path.read_bytes(), (
        f"write it anew with TARE_WRITE_GOLDEN=1, and look at the difference in {path}"
    )


def test_names_are_unique():
    assert len(BY_NAME) == len(FORMATS)


def test_csv_has_a_row_for_all_that_was_recorded():
    rows = list(csv.DictReader(io.StringIO(rendered("csv").decode())))
    trials = given().trials
    assert len(rows) == sum(max(1, len(trial.metrics)) for trial in trials)
    assert {int(row["trial"]) for row in rows} == {trial.number for trial in trials}
    values = [float(row["value"]) for row in rows if row["value"]]
    assert values == [metric.value for trial in trials for metric in trial.metrics]


def test_no_name_is_a_formula_in_csv_and_an_import_reads_it_as_it_was():
    names = ["=HYPERLINK(1)", "+1+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "'=1", "plain"]
    trials = [
        msgspec.structs.replace(given().trials[0], number=n, workload=name) for n, name in enumerate(names)
    ]
    run = msgspec.structs.replace(given(), trials=tuple(trials))
    text = BY_NAME["csv"].render(run).decode()
    shown = [row["series"] for row in csv.DictReader(io.StringIO(text))]
    assert not any(name.startswith(("=", "+", "-", "@")) for name in shown)
    assert list(dict.fromkeys(t.workload for t in tidy_import.read(text, "x.csv").trials)) == names


def test_parquet_holds_the_same_table():
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is optional")
    table = parquet.read_table(io.BytesIO(rendered("parquet")))
    rows = list(csv.DictReader(io.StringIO(rendered("csv").decode())))
    assert table.column_names == list(rows[0])
    assert [v for v in table["value"].to_pylist() if v is not None] == [
        float(r["value"]) for r in rows if r["value"]
    ]


def test_parquet_without_pyarrow_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Exception, match=r"tarebench\[parquet\]"):
        rendered("parquet")


def test_pyperf_reads_it(tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(rendered("pyperf"))
    suite = pyperf.BenchmarkSuite.load(str(path))
    series = {one.title: one for one in primary_series(given())}
    assert {bench.get_name() for bench in suite.get_benchmarks()} == set(series)
    null = suite.get_benchmark("null on namespaces")
    assert null.median() == statistics.median([1.5e-3, 3e-3, 4.5e-3, 6e-3])
    assert null.get_nrun() == 4
    disk = suite.get_benchmark('disk [depth=4, name=a"b] on bare')
    assert disk.get_values() == pytest.approx((1 / 200, 1 / 300, 1 / 400))


def test_pytest_benchmark_compares_it(tmp_path):
    path = tmp_path / "0001_run.json"
    path.write_bytes(rendered("pytest-benchmark"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", str(path), "--csv", str(tmp_path / "out")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    medians = {row["name"]: float(row["median"]) for row in rows}
    found = [value for name, value in medians.items() if "null on namespaces" in name]
    assert found == pytest.approx([3.75e-3])
    assert len(medians) == len(primary_series(given()))


def test_openmetrics_parses():
    families = {f.name: f for f in text_string_to_metric_families(rendered("openmetrics").decode())}
    wall = families["tare_wall_time_seconds"]
    assert wall.unit == "seconds"
    middle = [
        sample.value
        for sample in wall.samples
        if sample.labels.get("quantile") == "0.5" and sample.labels["runner"] == "namespaces"
    ]
    assert middle == [3.75e-3]
    names = [sample.labels["parameters"] for sample in families["tare_fio_rate_ops_per_second"].samples]
    assert json.loads(names[0]) == {"depth": 4, "name": 'a"b'}
    assert families["tare_drift_seconds"].type == "gauge"
    assert {sample.value for sample in families["tare_drift_seconds"].samples} == {-3.0}


def read_by_gitlab(report):
    """Take name and value of each line as GitLab's parser does: without comments, split as by a shell."""
    lines = (shlex.split(re.sub("#.*$", "", line)) for line in report.decode().splitlines())
    return {words[0]: words[1] for words in lines if len(words) > 1}


def test_gitlab_finds_each_primary_series_by_a_name_that_no_other_run_changes():
    now = given()
    again = msgspec.structs.replace(now.manifest, run="20300101-000000-aaaaa", mode="quick")
    report, later = rendered("gitlab"), BY_NAME["gitlab"].render(msgspec.structs.replace(now, manifest=again))
    series = [one for one in primary_series(now) if not one.control]
    assert sorted(map(float, read_by_gitlab(report).values())) == pytest.approx(
        sorted(one.median for one in series), rel=1e-5
    )
    assert len(read_by_gitlab(report)) == len(series)
    assert report == later
    assert list(text_string_to_metric_families(report.decode()))


def test_gitlab_cuts_no_name_with_a_comment_in_it():
    trials = [
        msgspec.structs.replace(one, workload="a # b") for one in given().trials if one.workload == "null"
    ]
    report = BY_NAME["gitlab"].render(msgspec.structs.replace(given(), trials=tuple(trials)))
    assert read_by_gitlab(report)
    assert all("workload=a %23 b" in name for name in read_by_gitlab(report))


def test_junit_parses(tmp_path):
    path = tmp_path / "run.xml"
    path.write_bytes(rendered("junit"))
    suites = {suite.name: suite for suite in junitparser.JUnitXml.fromfile(str(path))}
    disk = suites['disk [depth=4, name=a"b]']
    results = {case.name: case.result for case in disk}
    assert isinstance(results["bare"][0], junitparser.Failure)
    assert not results["namespaces"]
    assert (disk.tests, disk.failures, disk.skipped) == (3, 1, 0)
    assert suites["null"].skipped == 1


def test_chrome_trace_slices_add_up():
    events = json.loads(rendered("chrome-trace"))["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    whole = sum(event["dur"] for event in slices)
    trials = [trial for trial in given().trials if trial.timeline]
    assert whole == pytest.approx(sum(t.timeline["gone"] - t.timeline["requested"] for t in trials) / 1e3)
    assert min(event["ts"] for event in slices) == 0


def test_github_formats_split_by_direction():
    smaller, bigger = (json.loads(rendered(f"github-{size}")) for size in ("smaller", "bigger"))
    assert {entry["unit"] for entry in smaller} == {"s"}
    assert {entry["unit"] for entry in bigger} == {"ops/s"}
    assert next(e["value"] for e in smaller if e["name"].startswith("null on namespaces")) == 3.75e-3


def test_bencher_has_bounds_around_each_value():
    for measures in json.loads(rendered("bencher")).values():
        for measure in measures.values():
            assert measure["lower_value"] <= measure["value"] <= measure["upper_value"]


def test_otava_gets_no_empty_cell_of_series_that_some_runs_lack():
    one = given()
    other = type(one)(one.manifest, tuple(t for t in one.trials if t.workload == "null"), ())
    tables = [list(csv.DictReader(io.StringIO(table.decode()))) for table in otava.tables([other, one])]
    assert [len(table) for table in tables] == [2, 1]
    # Its importer takes float() of every cell of a column and stops at an empty one.
    assert all(float(row[name]) for table in tables for row in table for name in list(row)[3:])
    assert {name for name in tables[1][0] if name.startswith("disk")}
    assert not {name for name in tables[0][0] if name.startswith("disk")}
