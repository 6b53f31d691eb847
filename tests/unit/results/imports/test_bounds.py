"""Files that are large, deep, cut or mutated end in data or in one sentence, within bounded memory."""

import gzip
import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from support.draws import draws
from support.export_making import given
from support.paths import GOLDEN
from tare.reports.exports import FORMATS as EXPORTS
from tare.results.errors import ResultError
from tare.results.imports import documents, import_file, read_file
from tare.results.imports.model import ImportFault
from tare.results.storage.load import load_run

CASES = GOLDEN / "cases"


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


ODD = [
    "null", "true", "[]", "{}", '""', '"x"', "-1", "0", "1e999", "NaN", "1" * 5000, "1" * 30, '"\\ud800"', '"\\u0000"',
    "[" * 2000, '{"a":' * 70, "2147483648", '"\U0001f600"', "4294967296.5",
]  # fmt: skip


def samples():
    files = [
        path
        for kind in ("fio", "hyperfine", "pytest-benchmark", "csv")
        for path in sorted((CASES / kind).iterdir())
    ]
    made = [export for export in EXPORTS if export.NAME in {"csv", "hyperfine", "pytest-benchmark", "pyperf"}]
    small = [path.read_bytes() for path in files if path.stat().st_size < 10_000]
    return small + [export.render(given()) for export in made]


SAMPLES = samples()


def mutated(data, chance):
    """Replace values by odd ones, cut, double, swap and damage bytes; sometimes pack the whole."""
    text = data.decode("utf-8", "surrogateescape")
    for _ in range(chance.randint(1, 4)):
        at, end = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        kind = chance.randrange(6)
        if kind == 0:
            text = text[:at]
        elif kind == 1:
            text = text[:at] + text[at : at + 200] + text[at:]
        elif kind == 2:
            text = (
                text[:at]
                + chr(chance.choice([0, 10, 13, 27, 34, 44, 92, 123, 125, 0x2028, 0xDC80]))
                + text[at + 1 :]
            )
        elif kind == 3 and ":" in text[at:]:
            colon = text.index(":", at) + 1
            stop = min((i for c in ",}\n" if (i := text.find(c, colon)) > 0), default=colon)
            text = text[:colon] + chance.choice(ODD) + text[stop:]
        elif kind == 4 and "," in text[at:]:
            comma = text.index(",", at) + 1
            stop = min((i for c in ",]\n" if (i := text.find(c, comma)) > 0), default=comma)
            text = text[:comma] + chance.choice(ODD) + text[stop:]
        elif end - at < 500:
            text = text[:at] + text[end:]
    content = text.encode("utf-8", "surrogateescape")
    return gzip.compress(content) if chance.random() < 0.1 else content


@settings(max_examples=draws(500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(st.randoms(use_true_random=False), st.sampled_from(range(len(SAMPLES))))
def test_mutated_files_are_imported_or_refused(tmp_path, chance, which):
    path = tmp_path / "mutated"
    path.write_bytes(mutated(SAMPLES[which], chance))
    fault = None
    try:
        folder = import_file(path, tmp_path / "runs")
    except ResultError as error:
        fault = str(error)
    assert fault.isprintable() if fault is not None else list(load_run(folder).trials())
