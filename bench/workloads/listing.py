"""List the workloads in the order of the reports. Each is a short module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.workloads.compiling import Compile
from tare.bench.workloads.compression import SevenZip, Zstd
from tare.bench.workloads.cpu import Cpu
from tare.bench.workloads.crypto import Crypto
from tare.bench.workloads.disk import Disk
from tare.bench.workloads.disk_files import ON_FILES
from tare.bench.workloads.disk_queue import QUEUES
from tare.bench.workloads.elementary import Operation
from tare.bench.workloads.kernel import SystemCall
from tare.bench.workloads.memory import Memory
from tare.bench.workloads.memory_paths import Bandwidth, Faults, Latency
from tare.bench.workloads.null import Null
from tare.bench.workloads.python import Python
from tare.bench.workloads.scheduling import Hackbench, RealTimeTimer, Timer
from tare.bench.workloads.sqlite import Sqlite
from tare.bench.workloads.stress_ng import Stress

if TYPE_CHECKING:
    from tare.bench.workloads.base import Workload

_MATRIX = ("--matrix-method", "prod", "--matrix-size", "128")

WORKLOADS: tuple[Workload, ...] = (
    Null(),
    Cpu("cpu", "prime search on one CPU (sysbench)", all_cpus=False),
    Cpu("cpu-all", "prime search on all CPUs of the place (sysbench)", all_cpus=True),
    Stress(
        "cpu-float",
        "products of matrices of floating-point numbers on one CPU (stress-ng)",
        "matrix",
        350,
        options=_MATRIX,
        family="cpu",
        from_mode="rigorous",
    ),
    Stress(
        "cpu-float-all",
        "products of matrices of floating-point numbers on all CPUs of the place (stress-ng)",
        "matrix",
        350,
        options=_MATRIX,
        all_cpus=True,
        family="cpu",
        from_mode="rigorous",
    ),
    Crypto("cpu-crypto", "AES-256-GCM on one CPU (openssl speed)", all_cpus=False),
    Crypto("cpu-crypto-all", "AES-256-GCM on all CPUs of the place (openssl speed)", all_cpus=True),
    Zstd(),
    SevenZip("cpu-7z", "7-Zip's benchmark on one CPU", all_cpus=False),
    SevenZip("cpu-7z-all", "7-Zip's benchmark on all CPUs of the place", all_cpus=True),
    Compile(
        "compile", "compilation of a C file of 600 lines, one after the other (gcc's cc1)", all_cpus=False
    ),
    Compile("compile-all", "the same compilations on each CPU of the place (gcc's cc1)", all_cpus=True),
    Memory("memory-write", "sequential memory writes, one thread (sysbench)", "write"),
    Memory("memory-read", "sequential memory reads, one thread (sysbench)", "read"),
    Latency(),
    Bandwidth("memory-stream", "copy, scale, add and triad of STREAM, one worker", all_cpus=False),
    Bandwidth(
        "memory-stream-all", "copy, scale, add and triad of STREAM, a worker on each CPU", all_cpus=True
    ),
    Faults("memory-fault", "first touch of new pages of 4 KiB (minor faults)", huge=False),
    Faults("memory-huge", "first touch of new transparent huge pages of 2 MiB", huge=True),
    Operation("memory-map", "mmap and munmap of 64 KiB that nobody touches", "map", 600_000, family="memory"),
    SystemCall(),
    Operation("syscall-null", "the cheapest system call (getppid)", "call", 10_000_000),
    Operation("signal", "a signal to oneself, with a handler", "signal", 600_000),
    Operation("spawn", "fork, exec of a small static program, exit and wait", "spawn", 5000),
    Operation("pipe", "round trips of a byte through two pipes, on one CPU", "pipe", 300_000, pinned=True),
    Operation("futex", "round trips of a wake-up by futex, on one CPU", "futex", 300_000, pinned=True),
    Hackbench(),
    Timer(),
    RealTimeTimer(),
    Stress(
        "switch", "context switches on one CPU, through a pipe (stress-ng)", "switch", 160_000, pinned=True
    ),
    Stress("fork", "fork, exit and wait (stress-ng)", "fork", 1500),
    Disk("disk-seq", "sequential write with fdatasync every 16 MiB, then read, O_DIRECT", "seq", direct=True),
    Disk("disk-rand", "random 4 KiB reads one at a time, O_DIRECT", "randread", direct=True),
    Disk("disk-fsync", "4 KiB write + fdatasync, as a database's log does", "fsync", direct=False),
    *QUEUES,
    *ON_FILES,
    Python(),
    Sqlite(),
)
