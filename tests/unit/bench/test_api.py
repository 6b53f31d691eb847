"""Use Tare from Python on the golden run: nothing is measured here."""

import csv
import io
import shutil
import subprocess
import sys

import pytest

import tare
from support.paths import GOLDEN
from tare.reports.exports import FORMATS
from tare.reports.model import ReportInput
from tare.results.errors import ResultError
from tare.results.record import FORMAT_VERSION
from tare.results.storage.load import load_run

GOLDEN_RUN = GOLDEN / f"record-v{FORMAT_VERSION}"


def test_importing_the_package_loads_nothing_heavy_and_names_come_when_used():
    code = (
        "import sys, tare; print(sorted({'numpy', 'pandas', 'msgspec', 'scipy'} & set(sys.modules)));"
        "tare.load; print(sorted({'numpy', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_every_public_name_is_there_and_others_are_not():
    assert all(getattr(tare, name) for name in tare.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        tare.lode  # noqa: B018 - the access is what is tested


def test_the_frame_is_the_table_that_the_csv_export_writes():
    run = tare.load(GOLDEN_RUN)
    stored = load_run(GOLDEN_RUN)
    export = next(one for one in FORMATS if one.NAME == "csv")
    text = export.render(ReportInput(stored.manifest, tuple(stored.trials()), ())).decode()
    rows = [row for row in csv.reader(io.StringIO(text)) if row and not row[0].startswith("#")]
    frame = run.frame()
    assert list(frame.columns) == rows[0]
    assert len(frame) == len(rows) - 1
    assert run.id == stored.manifest.run


def test_a_run_is_found_by_its_name_in_a_given_folder(tmp_path):
    shutil.copytree(GOLDEN_RUN, tmp_path / "r1")
    assert tare.load("latest", results=tmp_path).id == load_run(GOLDEN_RUN).manifest.run
    with pytest.raises(ResultError, match="no run is called 'none'"):
        tare.load("none", results=tmp_path)


def test_comparing_two_runs_gives_the_verdicts_of_the_command():
    report = tare.compare(tare.load(GOLDEN_RUN), GOLDEN_RUN, allow_unlike=True)
    assert report.gate.passed
    assert '"passed": true' in report.as_json()
