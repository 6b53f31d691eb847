"""The readers that take a tool's number by hand: on a recorded output they find what the workload's own parser finds."""

import pytest

from support.paths import GOLDEN
from tare.bench.catalogue import by_name
from tare.bench.tools.agreement.workloads import READERS, ByHand, Compared
from tare.bench.workloads.base import Workload
from tare.bench.workloads.disk_queue import Queue
from tare.runners.model import JobResult

FOLDER = GOLDEN / "tool_output"
SECONDS = 0.25


def workload_of(name) -> Workload:
    workload = by_name(name)
    assert isinstance(workload, Workload)
    return workload


@pytest.mark.parametrize("name", READERS)
def test_a_reader_finds_what_the_parser_finds(name):
    workload = workload_of(name)
    recorded = f"disk-queue-{workload.order}" if isinstance(workload, Queue) else name
    out, err = ((FOLDER / f"{recorded}.{stream}").read_bytes() for stream in ("stdout", "stderr"))
    result = JobResult(0, None, False, 0, 1, SECONDS, None, out, err, len(out), len(err))
    metric, reader = READERS[name]
    found = {each.name: each.value for each in workload.metrics(result)}[metric]
    by_hand = reader(ByHand((out + b"\n" + err).decode(), SECONDS))
    # fio's own bandwidth has the loop between the requests in it and rests on whole milliseconds.
    assert by_hand == pytest.approx(found, rel=0.1 if name == "disk-seq" else 1e-6)


@pytest.mark.parametrize(("shift", "agrees"), [(0.0, True), (3.0, True), (100.0, False)])
def test_they_agree_where_both_intervals_overlap(shift, agrees):
    values = [100.0 + one for one in range(9)]
    one = Compared(workload_of("cpu"), values, [value + shift for value in values])
    assert one.agrees is agrees
    assert ("**no**" in one.row()) is not agrees


def test_too_few_values_and_problems_are_no_agreement():
    assert not Compared(workload_of("cpu"), [1.0], [1.0]).agrees
    assert "no sysbench" in Compared(workload_of("cpu"), problem="no sysbench").row()
