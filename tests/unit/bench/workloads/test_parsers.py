import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.changing import replace
from support.paths import GOLDEN
from tare.bench.workloads.base import ParseError
from tare.bench.workloads.command import Command
from tare.bench.workloads.disk_queue import Queue
from tare.bench.workloads.listing import WORKLOADS
from tare.bench.workloads.python import EXTRA_FILES, PARTS, PROGRAM_IN_IMAGE
from tare.bench.workloads.python_program import PARTS as PROGRAM_PARTS
from tare.bench.workloads.python_program import run as run_program
from tare.bench.workloads.sqlite import LINES
from tare.bench.workloads.sqlite_program import LINES as PROGRAM_LINES
from tare.bench.workloads.sqlite_program import main as run_sqlite
from tare.runners.model import JobResult

FOLDER = GOLDEN / "tool_output"
BY_NAME = {workload.name: workload for workload in WORKLOADS}
STEADY = [name for name, workload in BY_NAME.items() if workload.kind == "steady"]


def result(stdout=b"", stderr=b"", seconds=0.25):
    nanoseconds = int(seconds * 1e9)
    return JobResult(0, None, False, 0, nanoseconds, seconds, None, stdout, stderr, len(stdout), len(stderr))


def golden(name):
    """Give the recorded output of a workload, or of one that runs the same program in the same way."""
    workload = BY_NAME[name]
    recorded = f"disk-queue-{workload.order}" if isinstance(workload, Queue) else name
    if not (FOLDER / f"{recorded}.stdout").exists():
        recorded = name.removesuffix("-all").removesuffix("-root")
    return result((FOLDER / f"{recorded}.stdout").read_bytes(), (FOLDER / f"{recorded}.stderr").read_bytes())


def metrics_of(name, output=None):
    return {metric.name: metric for metric in BY_NAME[name].metrics(output or golden(name))}


@pytest.mark.parametrize("name", STEADY)
def test_a_real_output_gives_one_primary_metric_and_all_are_complete(name):
    metrics = BY_NAME[name].metrics(golden(name))
    assert [metric.primary for metric in metrics].count(True) == 1
    assert metrics[0].primary
    for metric in metrics:
        assert metric.value > 0
        directions = {"s": "lower", "bytes/s": "higher", "ops/s": "higher", "count": "none"}
        assert metric.direction == directions[metric.unit]
        assert bool(metric.clock) is (metric.unit != "count")
        assert metric.source
    assert len({metric.name for metric in metrics}) == len(metrics)


def printed(text, before, after):
    return float(text.partition(before)[2].partition(after)[0])


def test_sysbench_rates_are_the_printed_ones():
    for name in ("cpu", "cpu-all"):
        text = (FOLDER / f"{name}.stdout").read_text()
        assert metrics_of(name)["sysbench.cpu.printed_rate"].value == printed(
            text, "events per second:", "\n"
        )
        rate = printed(text, "total number of events:", "\n") / printed(text, "total time:", "s\n")
        assert metrics_of(name)["sysbench.cpu.rate"].value == pytest.approx(rate)
        p95 = metrics_of(name)["sysbench.cpu.p95"].value
        assert p95 == pytest.approx(printed(text, "95th percentile:", "\n") / 1000)
    for operation in ("write", "read"):
        text = (FOLDER / f"memory-{operation}.stdout").read_text()
        mib = printed(text, "MiB transferred (", " MiB/sec")
        found = metrics_of(f"memory-{operation}")
        assert found[f"sysbench.memory.{operation}.printed"].value == mib * 1024 * 1024
        rate = printed(text, "total number of events:", "\n") / printed(text, "total time:", "s\n")
        assert found[f"sysbench.memory.{operation}"].value == pytest.approx(rate * 64 * 1024 * 1024)


def test_stress_ng_rate_is_the_one_of_real_time():
    columns = next(
        line.split()
        for line in (FOLDER / "switch.stderr").read_text().splitlines()
        if line.startswith("switch  ")
    )
    metric = metrics_of("switch")["stress-ng.switch.rate"]
    assert metric.value == float(columns[5])
    assert metric.samples == int(columns[1])


def test_stress_ng_is_read_from_stdout_as_well():
    there = golden("fork")
    assert metrics_of("fork", result(there.stderr)) == metrics_of("fork", there)


STRESSORS = ["switch", "fork"]


def table(name, operations, real, rate):
    return result(
        stderr=f"{name} {operations} {real:.2f} 0.00 0.00 {rate:.2f} {rate:.2f} 90.00 2560\n".encode()
    )


@pytest.mark.parametrize("name", STRESSORS)
@given(operations=st.integers(1, 10**6), seconds=st.floats(1e-4, 0.1))
def test_jobs_of_a_few_milliseconds_have_a_rate_though_their_time_is_printed_as_zero(
    name, operations, seconds
):
    rate = operations / seconds
    found = metrics_of(name, table(name, operations, seconds, rate))
    assert found[f"stress-ng.{name}.rate"].value == pytest.approx(rate, abs=0.005)


@pytest.mark.parametrize("name", STRESSORS)
@pytest.mark.parametrize(("real", "rate"), [(0.0, 0.0), (0.5, 1500.0), (0.0, 1500.0)])
def test_rates_that_contradict_the_printed_time_are_refused(name, real, rate):
    with pytest.raises(ParseError):
        metrics_of(name, table(name, 75, real, rate))


def test_dd_rate_counts_both_calls_over_the_jobs_duration():
    metric = metrics_of("syscall", result(stderr=b"1000+0 records in\n1000+0 records out\n", seconds=0.5))
    assert metric["dd.syscall.rate"].value == 4000
    with_summary = b"1000+0 records in\n1000+0 records out\n1000 bytes (1.0 kB) copied, 0.5 s, 2.0 kB/s\n"
    assert metrics_of("syscall", result(stderr=with_summary, seconds=0.5)) == metric


@pytest.mark.parametrize(
    ("name", "output", "expected"),
    [
        (
            "disk-seq",
            (
                b"write 50 25000000\nwrite-50 50 400050\nwrite-99 50 900050\n"
                b"read 40 10000000\nread-50 40 200050\nread-99 40 300050\n"
            ),
            {"elementary.write.bandwidth": (50 << 20) / 0.025, "elementary.read.bandwidth": (40 << 20) / 0.01},
        ),
        (
            "disk-rand",
            b"randread 1600 50000000\nrandread-50 1600 30050\nrandread-99 1600 60050\n",
            {"elementary.randread.rate": 32_000, "elementary.randread.p50": 30.05e-6, "elementary.randread.p99": 60.05e-6},
        ),
        (
            "disk-fsync",
            b"fsync 800 40000000\nfsync-50 800 45050\nfsync-99 800 80050\n",
            {
                "elementary.fsync.p50": 45.05e-6,
                "elementary.fsync.p99": 80.05e-6,
                "elementary.fsync.mean": 50e-6,
                "elementary.fsync.count": 800,
            },
        ),
    ],
)  # fmt: skip
def test_disks_numbers_come_from_the_request_times(name, output, expected):
    found = metrics_of(name, result(output))
    assert {key: one.value for key, one in found.items()} == pytest.approx(expected)
    lines = output.splitlines(keepends=True)
    for damaged in (
        lines[:-1],
        lines[::-1],
        [*lines, b"?\n"],
        [lines[0].replace(b" ", b" 0 ", 1), *lines[1:]],
    ):
        with pytest.raises(ParseError):
            metrics_of(name, result(b"".join(damaged)))


def test_fio_remarks_before_the_document_do_no_harm():
    name = "disk-randread-4k-q32"
    there = golden(name)
    assert metrics_of(name, result(b"fio: a remark\n" + there.stdout)) == metrics_of(name, there)


def test_a_failed_fio_job_gives_no_number():
    document = json.loads((FOLDER / "disk-queue-randread.stdout").read_bytes())
    document["jobs"][0]["error"] = 22
    with pytest.raises(ParseError, match="error 22"):
        metrics_of("disk-randread-4k-q32", result(json.dumps(document).encode()))


def test_python_total_is_the_sum_of_its_parts():
    found = metrics_of("python")
    assert found["python.round"].value == pytest.approx(sum(found[f"python.{part}"].value for part in PARTS))


def test_the_python_program_runs_and_prints_what_the_parser_reads():
    seconds = run_program(1)
    assert tuple(seconds) == PARTS == PROGRAM_PARTS
    output = json.dumps({"rounds": 1, "seconds": seconds}).encode()
    assert metrics_of("python", result(output))["python.round"].value == pytest.approx(sum(seconds.values()))


def test_the_python_program_is_shipped():
    assert EXTRA_FILES[PROGRAM_IN_IMAGE].is_file()


def test_command_takes_the_agents_duration():
    (metric,) = Command(("true",)).metrics(result(b"\xff\xfe anything", seconds=0.125))
    assert (metric.name, metric.value, metric.primary) == ("command.seconds", 0.125, True)


def test_an_impossible_duration_is_not_taken():
    with pytest.raises(ParseError):
        Command(("true",)).metrics(result(seconds=-1.0))
    with pytest.raises(ParseError):
        metrics_of("syscall", replace(golden("syscall"), inside_seconds=0.0))


@pytest.mark.parametrize("name", STEADY)
def test_empty_output_is_an_error_with_advice(name):
    with pytest.raises(ParseError, match="by hand"):
        metrics_of(name, result())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("cpu", b"events per second:", b"events per second: nan"),
        ("cpu", b"total number of events:", b"total number of events:    -"),
        ("cpu", b"total time:      ", b"total time:     9"),
        ("memory-read", b"MiB/sec", b"KiB/sec"),
        ("memory-write", b"MiB transferred (", b"MiB transferred (1"),
    ],
)
def test_damaged_sysbench_reports_are_refused(name, old, new):
    damaged = golden(name).stdout.replace(old, new)
    assert damaged != golden(name).stdout
    with pytest.raises(ParseError):
        metrics_of(name, result(damaged))


def test_a_report_printed_twice_is_refused():
    with pytest.raises(ParseError, match="2 lines"):
        metrics_of("cpu", result(golden("cpu").stdout * 2))


def test_contradicting_stress_ng_rows_are_refused():
    row = b"switch  1000  0.50  0.01  0.40  9000.0  2100.0  99.0  2400\n"
    with pytest.raises(ParseError, match="ops/s beside"):
        metrics_of("switch", result(stderr=row))


@pytest.mark.parametrize("name", STEADY)
@given(data=st.data())
def test_mangled_output_gives_an_error_or_positive_numbers(name, data):
    """Cuts, deletions and noise must never end in another exception, a zero or something not finite."""
    good = golden(name)
    # openssl prints its rates to one and its counts to the other.
    streams = [stream for stream in ("stdout", "stderr") if getattr(good, stream)]
    stream = data.draw(st.sampled_from(streams))
    text = getattr(good, stream)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 400)))
    mangled = text[:start] + data.draw(st.binary(max_size=20)) + text[end:]
    try:
        metrics = BY_NAME[name].metrics(replace(good, **{stream: mangled}))
    except ParseError:
        return
    # sysbench prints the percentile to 10 us: it alone may be 0.
    values = [metric.value for metric in metrics if metric.name != "sysbench.cpu.p95"]
    assert all(0 < value < float("inf") for value in values)


def test_an_error_shows_the_beginning_of_the_output():
    with pytest.raises(ParseError) as caught:
        metrics_of("cpu", result(b"cannot open x\xff" + b"y" * 5000))
    assert caught.value.excerpt.startswith("cannot open x\\xff")
    assert len(caught.value.excerpt) <= 201


@pytest.mark.parametrize("name", STEADY)
@given(st.binary(max_size=300))
def test_any_bytes_are_survived(name, noise):
    with pytest.raises(ParseError):
        BY_NAME[name].metrics(result(noise, noise))


@pytest.mark.parametrize("name", ["disk-write-128k-q1", "disk-randread-4k-q32", "python"])
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["jobs", "jobname", "error", "rounds", "seconds", "read"]), inner
            )
        ),
    )
)
def test_any_json_is_survived(name, document):
    with pytest.raises(ParseError):
        BY_NAME[name].metrics(result(json.dumps(document).encode()))


def test_sqlites_program_prints_what_is_read_and_leaves_nothing(tmp_path, capsys):
    run_sqlite(str(tmp_path), 20)
    found = metrics_of("app-sqlite", result(capsys.readouterr().out.encode()))
    assert found["sqlite.transactions.rate"].samples == 20
    assert 0 < found["sqlite.transaction.p50"].value <= found["sqlite.transaction.p99"].value
    assert not list(tmp_path.iterdir())
    assert LINES == PROGRAM_LINES
