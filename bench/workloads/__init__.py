"""List the workloads in the order of the reports. Each is a short module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.workloads.cpu import Cpu
from tare.bench.workloads.disk import Disk
from tare.bench.workloads.kernel import Stress, SystemCall
from tare.bench.workloads.memory import Memory
from tare.bench.workloads.null import Null
from tare.bench.workloads.python import Python
from tare.bench.workloads.sqlite import Sqlite

if TYPE_CHECKING:
    from tare.bench.workloads.base import Workload

WORKLOADS: tuple[Workload, ...] = (
    Null(),
    Cpu("cpu", "prime search on one CPU (sysbench)", all_cpus=False),
    Cpu("cpu-all", "prime search on all CPUs of the place (sysbench)", all_cpus=True),
    Memory("memory-write", "sequential memory writes, one thread (sysbench)", "write"),
    Memory("memory-read", "sequential memory reads, one thread (sysbench)", "read"),
    SystemCall(),
    Stress(
        "switch", "context switches on one CPU, through a pipe (stress-ng)", "switch", 160_000, pinned=True
    ),
    Stress("fork", "fork, exit and wait (stress-ng)", "fork", 1500),
    Disk(
        "disk-seq",
        "sequential write with fdatasync every 16 MiB, then read, O_DIRECT (fio)",
        "seq",
        direct=True,
    ),
    Disk("disk-rand", "random 4 KiB reads one at a time, O_DIRECT (fio)", "rand", direct=True),
    Disk("disk-fsync", "4 KiB write + fdatasync, as a database's log does (fio)", "fsync", direct=False),
    Python(),
    Sqlite(),
)
