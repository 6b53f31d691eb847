"""The readers that take a tool's number by hand: on a recorded output they find what the workload's own parser finds."""

import json
import re

import pytest

from support.paths import GOLDEN
from support.sites import make_site
from tare.bench.catalogue import by_name
from tare.bench.tools.agreement.by_fio import fio_job
from tare.bench.tools.agreement.workloads import READERS, ByHand, Compared
from tare.bench.workloads.base import Workload
from tare.bench.workloads.disk import Disk
from tare.bench.workloads.disk_queue import Queue
from tare.bench.workloads.listing import WORKLOADS
from tare.runners.model import JobResult

FOLDER = GOLDEN / "tool_output"
DISKS = ("disk-seq", "disk-rand", "disk-fsync")
SECONDS = 0.25


def workload_of(name) -> Workload:
    workload = by_name(name)
    assert isinstance(workload, Workload)
    return workload


@pytest.mark.parametrize("name", [name for name in READERS if name not in DISKS])
def test_a_reader_finds_what_the_parser_finds(name):
    workload = workload_of(name)
    recorded = f"disk-queue-{workload.order}" if isinstance(workload, Queue) else name
    out, err = ((FOLDER / f"{recorded}.{stream}").read_bytes() for stream in ("stdout", "stderr"))
    result = JobResult(0, None, False, 0, 1, SECONDS, None, out, err, len(out), len(err))
    metric, reader = READERS[name]
    found = {each.name: each.value for each in workload.metrics(result)}[metric]
    by_hand = reader(ByHand((out + b"\n" + err).decode(), SECONDS))
    assert by_hand == pytest.approx(found, rel=1e-6)


def test_every_workload_is_compared_or_runs_a_compared_tool_in_another_way():
    others = {one.name for one in WORKLOADS if not isinstance(one, Queue)} - set(READERS) - {"null"}
    assert {re.sub("-(all|root)$", "", name) for name in others} <= set(READERS)
    compared = {one.order for one in map(by_name, READERS) if isinstance(one, Queue)}
    assert {order.removeprefix("rand") for order in compared} == {"read", "write"}


@pytest.mark.parametrize("name", DISKS)
def test_disks_are_compared_with_as_many_requests_of_fio(name):
    disk = workload_of(name)
    assert isinstance(disk, Disk)
    site = make_site("/tree")
    there = fio_job(disk, site, 0.2)
    assert "--filename=/scratch/tare-disk" in there.argv
    assert f"--direct={int(disk.direct)}" in there.argv
    requests = int(disk.job(site, 0.2).argv[-2])
    block = disk.parameters["block_bytes"] >> 10
    assert {f"--io_size={requests * block}k", f"--io_size={requests * block >> 10}M"} & set(there.argv)


@pytest.mark.parametrize(
    ("name", "section", "number", "expected"),
    [
        ("disk-seq", ("read", "read"), {"bw_bytes": 5e8}, 5e8),
        ("disk-rand", ("randread", "read"), {"clat_ns": {"percentile": {"50.000000": 30_000}}}, 30e-6),
        ("disk-fsync", ("fsync", "sync"), {"lat_ns": {"percentile": {"50.000000": 45_000}}}, 45e-6),
    ],
)
def test_fios_numbers_are_read_from_its_document(name, section, number, expected):
    job, kind = section
    document = json.dumps({"jobs": [{"jobname": "other"}, {"jobname": job, kind: number}]})
    assert READERS[name][1](ByHand(f"a remark\n{document}\n", SECONDS)) == pytest.approx(expected)


@pytest.mark.parametrize(("shift", "agrees"), [(0.0, True), (3.0, True), (100.0, False)])
def test_they_agree_where_both_intervals_overlap(shift, agrees):
    values = [100.0 + one for one in range(9)]
    one = Compared(workload_of("cpu"), values, [value + shift for value in values])
    assert one.agrees is agrees
    assert ("**no**" in one.row()) is not agrees


def test_too_few_values_and_problems_are_no_agreement():
    assert not Compared(workload_of("cpu"), [1.0], [1.0]).agrees
    assert "no sysbench" in Compared(workload_of("cpu"), problem="no sysbench").row()
