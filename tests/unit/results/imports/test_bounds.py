"""Files that are large, deep, cut or mutated end in data or in one sentence, within bounded memory."""

import gzip
import json
import tracemalloc

import pytest

from tare.results.imports import documents, import_file, read_file
from tare.results.imports.model import ImportFault
from tare.results.storage.load import load_run


def refused(tmp_path, content, says):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ImportFault, match=says):
        import_file(path, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_gzip_bomb_is_refused_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGEST_FILE", 4 << 20)
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        refused(tmp_path, bomb, "larger than 4 MiB")
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_large_file_is_refused_at_the_limit(tmp_path):
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImportFault, match="larger than 64 MiB"):
        read_file(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "nested too deeply"),
        (b'{"results": [' + b"{}," * 1_000_001 + b"{}]}", "too large for a result"),
        (b'{"results": [{"command": "x", "times": [' + b"1" * 5000 + b"]}]}", "a number of 5,000 digits"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "cannot read"),
        (gzip.compress(b"x" * 1000, mtime=0)[:20] + b"damage", "cannot read"),
    ],
)
def test_what_would_be_a_traceback_is_a_sentence(tmp_path, content, says):
    refused(tmp_path, content, says)


@pytest.mark.parametrize("number", ["1" * 25, "1" * 300, "-" + "9" * 30, "1e999", "NaN", "-Infinity"])
def test_numbers_of_any_size_are_kept_where_no_code_reads_them(tmp_path, number):
    path = tmp_path / "x.json"
    text = json.dumps(
        {
            "benchmarks": [{"name": "x", "params": {"n": "N"}, "stats": {"data": [1.0, "N"]}}],
            "machine_info": {"n": "N"},
        }
    )
    path.write_text(text.replace('"N"', number))
    run = load_run(import_file(path, tmp_path / "runs"))
    assert len(list(run.trials())) == 2


def test_more_values_than_the_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tare.results.imports.model.MOST_VALUES", 10)
    for text in (
        json.dumps({"results": [{"command": "x", "times": [1.0] * 11}]}),
        "series,metric,value,unit,direction\n" + "a,t,1,s,lower\n" * 11,
    ):
        refused(tmp_path, text.encode(), "more than 10 values")
