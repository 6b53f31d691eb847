"""The small program that does elementary operations: every way of it, for a millisecond, and its parser."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import ParseError
from tare.bench.workloads.elementary import LACKING, SOURCE, Operation
from tare.bench.workloads.listing import WORKLOADS
from tare.runners.model import JobResult
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache

OPERATION = Operation("one", "", "call", 1000)


@pytest.fixture(scope="module")
def program():
    return build(SOURCE, default_cache())


def run(program, *words, cap_ms=1000):
    done = subprocess.run([program, str(cap_ms), *map(str, words)], capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def lines(output):
    return [line.split() for line in output.decode().splitlines()]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("call", 1000), ["call"]),
        (("signal", 100), ["signal"]),
        (("map", 100), ["map"]),
        (("spawn", 3), ["spawn"]),
        (("sleep", 3, 50_000), ["late-50", "late-99", "late-100"]),
        (("fault", 1 << 21, 2), ["fault"]),
        (("chase", 4096, 1 << 14, 1 << 16, 1 << 14), ["chase-4096", "chase-65536"]),
        (("stream", 1 << 16, 2, 1), ["copy", "scale", "add", "triad"]),
        (("stream", 1 << 16, 2, 3), ["copy", "scale", "add", "triad"]),
    ],
)
def test_every_way_reports_what_it_did_and_how_long_it_took(program, words, names):
    code, out, err = run(program, *words)
    assert (code, err) == (0, b"")
    assert [name for name, _, _ in lines(out)] == names
    assert all(int(count) > 0 and int(took) > 0 for _, count, took in lines(out))


@pytest.mark.parametrize("way", ["pipe", "futex"])
def test_two_processes_pass_the_turn_and_both_end(program, way):
    cpu = min(os.sched_getaffinity(0))
    code, out, _ = run(program, way, 100, cpu)
    assert (code, lines(out)[0][:2]) == (0, [way, "100"])
    assert run(program, way, 100, 5000)[0] == 1, "there is no such CPU"


def test_counts_are_those_that_were_asked_for(program):
    assert lines(run(program, "call", 1000)[1])[0][1] == "1000"
    pages = (8 << 20) // 4096
    assert lines(run(program, "fault", 8 << 20, 3)[1])[0][1] == str(3 * pages)
    moved = {name: int(count) for name, count, _ in lines(run(program, "stream", 1 << 20, 3, 2)[1])}
    each = (1 << 20) // 2 // 16 * 16 * 2 * 3
    assert moved == {"copy": 2 * each, "scale": 2 * each, "add": 3 * each, "triad": 3 * each}


@pytest.mark.parametrize(
    "words",
    [("call", 10**12), ("stream", 1 << 20, 10**9, 2), ("chase", 4096, 10**15), ("sleep", 10**6, 100_000)],
)
def test_a_slow_place_does_less_of_the_same(program, words):
    began = time.monotonic()
    code, out, _ = run(program, *words, cap_ms=0 if words[0] == "call" else 5)
    assert code == 0
    assert time.monotonic() - began < 30
    if words[0] != "call":
        assert lines(out)


def test_files_are_made_looked_up_and_gone_afterwards(program, tmp_path):
    code, out, _ = run(program, "files", tmp_path, 20)
    (on, magic), *rest = lines(out)
    assert (code, on) == (0, "on")
    assert int(magic) > 0
    assert [(name, count) for name, count, _ in rest] == [
        ("create", "20"),
        ("lookup", "20"),
        ("unlink", "20"),
    ]
    assert not list(tmp_path.iterdir())
    code, out, _ = run(program, "append", tmp_path, 2)
    assert (code, lines(out)[1][:2]) == (0, ["append", "2"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cached", ["direct", "cached"])
@pytest.mark.parametrize(
    ("way", "count", "names"),
    [("randread", 20, ["randread"]), ("fsync", 3, ["fsync"]), ("seq", 3, ["write", "read"])],
)
def test_requests_go_to_the_file_that_is_there(program, tmp_path, way, count, names, cached):
    file = tmp_path / "file"
    file.write_bytes(bytes(2 << 20))
    code, out, err = run(program, way, file, count, cached)
    if code == LACKING:
        assert (cached, out) == ("direct", b"the file system refuses O_DIRECT\n")
        return
    assert (code, err) == (0, b"")
    found = lines(out)
    assert [line[:2] for line in found] == [
        [line, str(count)] for name in names for line in (name, f"{name}-50", f"{name}-99")
    ]
    for total, half, most in zip(found[::3], found[1::3], found[2::3], strict=True):
        assert 0 < int(half[2]) <= int(most[2])
        assert int(most[2]) <= int(total[2]) + 100
    assert file.stat().st_size == 2 << 20
    assert (file.read_bytes() == bytes(2 << 20)) is (way == "randread")


def test_a_file_that_cannot_be_used_is_a_failure_that_says_so(program, tmp_path):
    assert run(program, "randread", tmp_path / "no", 3, "cached")[::2] == (1, b"opening the file: ENOENT\n")
    (tmp_path / "short").write_bytes(b"1")
    assert run(program, "seq", tmp_path / "short", 3, "cached")[::2] == (1, b"the size of the file: EINVAL\n")


def test_a_folder_that_is_not_there_is_a_failure_with_its_name(program, tmp_path):
    assert run(program, "files", tmp_path / "no", 3)[::2] == (1, b"statfs: ENOENT\n")
    assert run(program, "append", tmp_path / "no", 3)[::2] == (1, b"making the file: ENOENT\n")


def test_huge_pages_are_counted_or_said_to_be_lacking(program):
    code, out, _ = run(program, "huge", 8 << 20, 1)
    if code == LACKING:
        assert b"huge pages" in out
    else:
        assert (code, lines(out)[0][:2]) == (0, ["huge", "4"])


def test_wrong_words_are_refused(program):
    for words in (("call",), ("nonsense", 1), ("chase", 100, 5), ("chase", 4096), ("stream", 4096, 1)):
        assert run(program, *words)[0] == 2, words


def result(stdout, code=0):
    return JobResult(code, None, False, 0, 10**9, 1.0, None, stdout, b"", len(stdout), 0)


@given(count=st.integers(1, 10**15), took=st.integers(1, 10**15))
def test_a_rate_is_the_count_over_the_time(count, took):
    (metric,) = OPERATION.metrics(result(f"call {count} {took}\n".encode()))
    assert metric.value == pytest.approx(count * 1e9 / took)
    assert (metric.name, metric.unit, metric.samples) == ("elementary.call.rate", "ops/s", count)


@pytest.mark.parametrize(
    "output",
    [
        b"call 0 10\n", b"call 10 0\n", b"call 10 10", b"call 10 10\ncall 10 10\n", b"pipe 10 10\n",
        b"call -1 10\n", b"call 10 10\nnoise\n", b"",
    ],
)  # fmt: skip
def test_other_lines_give_no_number(output):
    with pytest.raises(ParseError):
        OPERATION.metrics(result(output))


def test_what_a_place_lacks_is_said_with_a_remedy():
    huge = next(workload for workload in WORKLOADS if workload.name == "memory-huge")
    lacking = huge.lacking(result(b"no huge pages\n", LACKING))
    assert isinstance(lacking, Unsuitable)
    assert lacking.reason == "no huge pages"
    assert "madvise" in lacking.remedy
    assert huge.lacking(result(b"", 1)) is None


def test_the_source_is_beside_the_module():
    assert Path(SOURCE).is_file()
