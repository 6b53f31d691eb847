"""Make fio's command lines of the requests that ``disk-seq``, ``disk-rand`` and ``disk-fsync`` make."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tare.bench.workloads.base import cap_seconds, job_timeout
from tare.bench.workloads.disk import FILE_MIB, FILE_NAME, Disk
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.bench.workloads.base import Site

PROGRAM = "fio"


def fio_job(workload: Disk, site: Site, seconds: float) -> Job:
    """Make the job of as many requests of the same size and order to the same file."""
    requests = int(workload.job(site, seconds).argv[-2])
    argv = site.image.argv(
        site.root,
        PROGRAM,
        "--output-format=json",
        "--thread",
        "--ioengine=psync",
        f"--filename={PurePosixPath(site.scratch) / FILE_NAME}",
        f"--size={FILE_MIB}M",
        f"--direct={int(workload.direct)}",
        f"--runtime={cap_seconds(seconds)}s",
        *_stages(workload, requests),
    )
    return Job(
        argv=argv,
        environ=site.image.environ(site.root, PROGRAM),
        directory=site.scratch,
        timeout_seconds=job_timeout(seconds),
    )


def _stages(workload: Disk, requests: int) -> Sequence[str]:
    if workload.pattern == "randread":
        return ("--name=randread", "--rw=randread", "--bs=4k", f"--io_size={4 * requests}k")
    if workload.pattern == "fsync":
        size = f"--io_size={4 * requests}k"
        return ("--name=fsync", "--rw=write", "--bs=4k", "--overwrite=1", "--fdatasync=1", size)
    size = f"--io_size={requests}M"
    write = ("--name=write", "--rw=write", "--bs=1M", "--overwrite=1", "--fdatasync=16", size)
    return (*write, "--name=read", "--stonewall", "--rw=read", "--bs=1M", size)
