"""Parsers of the tools that only rigorous runs use: values are the printed ones, and contradictions are refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import GOLDEN
from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import ParseError
from tare.bench.workloads.listing import WORKLOADS
from tare.bench.workloads.scheduling import percentile
from tare.runners.model import JobResult

FOLDER = GOLDEN / "tool_output"
BY_NAME = {workload.name: workload for workload in WORKLOADS}


def result(stdout=b"", stderr=b"", seconds=0.25, code=0):
    return JobResult(
        code, None, False, 0, int(seconds * 1e9), seconds, None, stdout, stderr, len(stdout), len(stderr)
    )


def text_of(name):
    return (FOLDER / f"{name}.stdout").read_bytes(), (FOLDER / f"{name}.stderr").read_bytes()


def values(name, *output):
    return {metric.name: metric.value for metric in BY_NAME[name].metrics(result(*output))}


def test_openssl_with_several_processes_gives_their_sum():
    out, err = text_of("cpu-crypto-all")
    each = [float(rate) for rate in re.findall(rb"Got: \+F:\d+:[^:]+:([\d.]+) from", out)]
    assert len(each) == 2
    assert values("cpu-crypto-all", out, err)["openssl.rate"] == pytest.approx(sum(each))


def test_openssl_rates_that_its_rounds_do_not_make_are_refused():
    out, err = text_of("cpu-crypto")
    with pytest.raises(ParseError, match="beside"):
        values("cpu-crypto", out, err.replace(b"+R:", b"+R:9"))
    with pytest.raises(ParseError, match="rates"):
        values("cpu-crypto", out + out, err)
    with pytest.raises(ParseError, match="rates"):
        values("cpu-crypto", out.replace(b"AES-256-GCM", b"AES-128-GCM"), err)


@given(rate=st.floats(1e6, 1e11), seconds=st.floats(1.0, 1.5))
def test_openssl_rates_are_read_whatever_their_size(rate, seconds):
    rounds = max(1, round(rate * seconds / 16384))
    shown = rounds * 16384 / seconds
    out = f"+H:16384\n+F:25:AES-256-GCM:{shown:.2f}\n".encode()
    err = f"+DT:AES-256-GCM:1:16384\n+R:{rounds}:AES-256-GCM:{seconds:.6f}\n".encode()
    assert values("cpu-crypto", out, err)["openssl.rate"] == pytest.approx(shown, abs=0.01)


@pytest.mark.parametrize(
    "line",
    [
        b"10#Synthetic 50%     :  10000000 ->   3363183 (x2.973),   5.43 MB/s,  114.7 MB/s\r10#\n",
        b"10#Lorem ipsum       :  10000000 ->   3363183 (x2.973),   5.43 MB/s   114.7 MB/s\n",
    ],
)
def test_zstd_rates_are_those_of_the_last_line_that_has_both(line):
    progress = b"\r |-Synthetic 50%     :  10000000 -> \r |-Synthetic 50% : 10000000 -> 3363183 (x2.973),  9.99 MB/s "
    assert values("cpu-zstd", progress + b"\r" + line) == {
        "zstd.compress": 5.43e6,
        "zstd.decompress": 114.7e6,
    }


def test_seven_zip_rates_are_its_averages_of_both_ways():
    out, err = text_of("cpu-7z")
    (columns,) = re.findall(rb"^Avr: +(\d+) +\d+ +\d+ +(\d+) +\| +(\d+) +\d+ +\d+ +(\d+)$", out, re.MULTILINE)
    speed, rating, back_speed, back_rating = map(int, columns)
    total = int(re.findall(rb"^Tot: +\d+ +\d+ +(\d+)$", out, re.MULTILINE)[0])
    found = values("cpu-7z", out, err)
    assert found["7z.rating"] == (rating + back_rating) / 2 * 1e6
    assert found["7z.rating"] == pytest.approx(total * 1e6, rel=0.01)
    assert (found["7z.compress"], found["7z.decompress"]) == (speed * 1024, back_speed * 1024)


def test_hackbench_counts_the_messages_of_all_senders_to_all_receivers():
    out = (
        b"Running in process mode with 1 groups using 20 file descriptors each (== 20 tasks)\n"
        b"Each sender will pass 500 messages of 100 bytes\nTime: 0.250\n"
    )
    assert values("hackbench", out) == {"hackbench.rate": 500 * 10 * 10 / 0.25}
    with pytest.raises(ParseError):
        values("hackbench", out.replace(b"0.250", b"0.000"))


def test_a_compile_job_that_did_not_come_to_its_end_gives_no_time():
    assert values("compile", b"compiled\n") == {"compile.seconds": 0.25}
    with pytest.raises(ParseError):
        values("compile", b"")


def histogram(counts, overflows=0, worst=7):
    lines = [f"{at:06} {count:06}" for at, count in enumerate(counts)]
    lines += [f"# Max Latencies: {worst:05}", f"# Histogram Overflows: {overflows:05}"]
    return ("\n".join(["# Histogram", *lines]) + "\n").encode()


def test_cyclictest_percentiles_are_middles_of_bins():
    found = values("timer-rt", histogram([0, 0, 60, 39, 1]))
    assert found == pytest.approx(
        {"cyclictest.p50": 2.5e-6, "cyclictest.p99": 3.5e-6, "cyclictest.max": 7e-6}
    )


def test_a_percentile_beyond_the_histogram_is_not_there_and_without_a_median_there_is_nothing():
    assert "cyclictest.p99" not in values("timer-rt", histogram([0, 90], overflows=10, worst=9000))
    with pytest.raises(ParseError, match="half"):
        values("timer-rt", histogram([0, 10], overflows=90))
    with pytest.raises(ParseError):
        values("timer-rt", histogram([]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.floats(0.01, 1.0))
def test_a_percentile_is_the_first_bin_that_reaches_its_share(counts, share):
    total = sum(counts)
    values_of = [at for at, count in enumerate(counts) for _ in range(count)]
    found = percentile(list(enumerate(counts)), total, share)
    if total:
        assert sum(value <= found for value in values_of) >= share * total
        assert sum(value < found for value in values_of) < share * total


def test_a_place_without_real_time_priorities_is_skipped_and_other_failures_are_failures():
    refused = result(stderr=b"Unable to change scheduling policy!\nProbably missing capabilities\n", code=1)
    lacking = BY_NAME["timer-rt"].lacking(refused)
    assert isinstance(lacking, Unsuitable)
    assert "CAP_SYS_NICE" in lacking.remedy
    assert BY_NAME["timer-rt"].lacking(result(stderr=b"FATAL: timer_create", code=1)) is None


def test_the_queue_workloads_primary_metric_is_what_their_size_is_about():
    small, large = BY_NAME["disk-randread-4k-q32"], BY_NAME["disk-randread-128k-q32"]
    output = result(*text_of("disk-queue-randread"))
    assert small.metrics(output)[0].name == "fio.randread.iops"
    assert large.metrics(output)[0].name == "fio.randread.bandwidth"
    assert sorted(each.name for each in small.metrics(output)) == sorted(
        each.name for each in large.metrics(output)
    )


def test_the_file_system_that_was_found_is_a_fact_of_the_place():
    files = BY_NAME["disk-files"]
    lines = b"create 10 1000\nlookup 10 500\nunlink 10 2000\n"
    assert files.context(result(b"on 61267\n" + lines)) == {"measured_file_system": "ext4"}
    assert files.context(result(b"on 4660\n" + lines)) == {"measured_file_system": "0x1234"}
    assert values("disk-files", b"on 61267\n" + lines)["elementary.lookup.rate"] == 10 / 500e-9
    with pytest.raises(ParseError, match="no file system"):
        files.metrics(result(lines))
