"""A report that cannot be written costs nothing of the run."""

import pytest

from support.results_making import trial, write_run
from tare.bench.analysis import report
from tare.reports import build
from tare.results.errors import NotWritten


def test_a_folder_that_is_full_is_told_with_where_the_results_are(tmp_path, monkeypatch):
    def build_report(*_given, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "build_report", build_report)
    run_dir = write_run(tmp_path, [trial(0, 1.0)])
    with pytest.raises(NotWritten, match=r"No space left.*tare report .* --reports-dir") as told:
        report.report_run(run_dir, tmp_path / "out")
    assert str(run_dir) in str(told.value)
