from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.results.errors import ResultError
from tare.results.judgement.thresholds import Thresholds, read_thresholds

GOOD = """
default = 0.03
[[exception]]
workload = "disk*"
threshold = 0.2
reason = "The device is shared."
[[exception]]
workload = "disk"
metric = "fio.*.iops"
threshold = 0.5
reason = "Small reads come from the host's cache."
"""


def read(text: str) -> Thresholds:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.toml")
        path.write_text(text, "utf-8")
        return read_thresholds(path)


def test_the_last_exception_that_fits_counts():
    found = read(GOOD)
    assert found.for_series("cpu", "bare", "wall") == (0.03, "")
    assert found.for_series("disk-sync", "vm", "wall") == (0.2, "The device is shared.")
    assert found.for_series("disk", "vm", "fio.randread.iops")[0] == 0.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("default = ", "t.toml: it is not TOML"),
        ("default = '5 %'", "default: a threshold is a relative difference"),
        ("default = -0.1", "between 0 and 10"),
        ("default = nan", "between 0 and 10"),
        ("default = true", "between 0 and 10"),
        ("defualt = 0.1", "unknown keys: defualt"),
        ("exception = 3", r"\[\[exception\]\] tables"),
        ("[[exception]]\nthreshold = 0.1\nreason = 'x'", "exception 1 names no series"),
        ("[[exception]]\nrunner = 'vm'\nthreshold = 0.1", "exception 1 has no reason"),
        ("[[exception]]\nrunner = 'vm'\nthreshold = 0.1\nreason = ' '", "has no reason"),
        ("[[exception]]\nrunner = 'vm'\nreason = 'x'", "has no threshold"),
        ("[[exception]]\nrunner = 3\nthreshold = 0.1\nreason = 'x'", "patterns in quotes"),
        ("[[exception]]\nrunner = 'v'\nthreshold = 0.1\nreason = 'x'\nuntil = 3", "unknown keys: until"),
    ],
)
def test_mistakes_are_named(text, says):
    with pytest.raises(ResultError, match=says):
        read(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ResultError, match="cannot read the thresholds"):
        read_thresholds(tmp_path / "none.toml")
    (tmp_path / "t.toml").write_bytes(b"\xff")
    with pytest.raises(ResultError, match="not UTF-8"):
        read_thresholds(tmp_path / "t.toml")
    (tmp_path / "t.toml").write_text(GOOD)
    assert read_thresholds(tmp_path / "t.toml").default == 0.03


@given(st.text(max_size=200))
def test_any_text_parses_or_is_a_result_error(text):
    with contextlib.suppress(ResultError):
        read(text)
