"""Measure what a campaign over many hosts costs the machine that directs it, with made-up hosts.

The scheduler and the director run in this process, as with ``tare fleet --hosts``; each made-up host is a worker of Dask's in one of a
few other processes, whose runs store made-up trials at a steady pace. ``docs/fleet.md`` has the figures.

A worker of Dask's looks twice a second how its process does, at a price that grows with what the process has open. On a host
of its own that is nothing; for hundreds of workers in one process it is their number squared, so it is turned off for them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.bench.fleet import dask, host
from tare.bench.fleet.director import Director
from tare.bench.fleet.inbox import Inbox
from tare.bench.fleet.messages import Chunk, Ended, HostFacts
from tare.bench.request.record import request_to_record
from tare.bench.request.request import Request
from tare.results.record import FORMAT_VERSION, Manifest
from tare.results.storage.fleet import VERSION, Fleet, write_fleet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.bench.fleet.messages import Assignment

PROCESSES = 4
TRIAL_BYTES = 3000
"""Length of an ordinary trial's line."""

TRIALS_PER_SECOND = 2.0

STARTED_AT_ONCE = 50
"""Workers that a process starts side by side."""

START_SECONDS = 300.0
"""Time in which all workers have to be there."""

_SHARED = {
    "distributed.admin.system-monitor.interval": "1 day",
    "distributed.admin.tick.interval": "10 s",
    "distributed.admin.tick.limit": "1 day",
    "distributed.worker.profile.enabled": False,
}
"""Dask's settings for the made-up workers: what each of them would find out about the process that they share."""


def main() -> None:
    """Simulate campaigns over some numbers of hosts, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each host's run")
    arguments = parser.parse_args()
    _open_files(max(arguments.hosts) * 6 + 1000)
    sys.stdout.write(
        "hosts  complete  begun (s)  ended (s)  CPU (s)  CPU/trial (ms)  memory (MiB)  disk (MiB)  trials\n"
    )
    for hosts in arguments.hosts:
        # A process of its own for each row: the memory is the most that it ever had.
        child = multiprocessing.get_context("spawn").Process(
            target=_simulate, args=(hosts, arguments.seconds)
        )
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(f"the simulation of {hosts} hosts failed, see above")


def _open_files(number: int) -> None:
    """Let this process, and those it starts, open as many files as connections take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        sys.exit(
            f"{number} files have to be open, and the limit is {hard}: raise it, or simulate fewer hosts."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))


def _simulate(hosts: int, seconds: float) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        dask.local_scheduler() as address,
        dask.connected(address, "simulated") as cluster,
    ):
        folder = Path(name)
        ends = [hosts * at // PROCESSES for at in range(PROCESSES + 1)]
        spawn = multiprocessing.get_context("spawn")
        children = [
            spawn.Process(target=_workers, args=(address, range(low, high), seconds), daemon=True)
            for low, high in itertools.pairwise(ends)
        ]
        for child in children:
            child.start()
        patience = time.monotonic() + START_SECONDS
        while (there := len(cluster.workers())) < hosts:
            if time.monotonic() > patience or not all(child.is_alive() for child in children):
                sys.exit(f"{there} of {hosts} made-up workers came, within {START_SECONDS:g} s at most")
            time.sleep(0.5)
        began, cpu = time.monotonic(), time.process_time()
        begun = 0.0

        def keep(fleet: Fleet) -> None:
            nonlocal begun
            write_fleet(folder, fleet)
            if not begun and sum(one.status == "measuring" for one in fleet.hosts.values()) == hosts:
                begun = time.monotonic() - began

        request = request_to_record(Request())
        fleet = Fleet(version=VERSION, campaign="simulated", created="", request=request)
        inbox = Inbox(folder)
        director = Director(fleet, cluster, inbox, keep, lambda _: None, version("tarebench"), expected=hosts)
        ended = director.run()
        elapsed = time.monotonic() - began
        used = time.process_time() - cpu
        complete = sum(one.status == "complete" for one in ended.hosts.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        disk = sum(path.stat().st_blocks for path in folder.rglob("*")) * 512 / 1024**2
        sys.stdout.write(
            f"{hosts:5}  {complete:8}  {begun:9.1f}  {elapsed:9.1f}  {used:7.1f}  {used / inbox.trials * 1000:14.2f}"
            f"  {memory:12.0f}  {disk:10.0f}  {inbox.trials}\n"
        )
        sys.stdout.flush()
        for child in children:
            child.terminate()
            child.join()


def _workers(address: str, numbers: range, seconds: float) -> None:
    """Act as the workers of some made-up hosts until the process is ended."""
    import dask as settings  # noqa: PLC0415 - an extra

    settings.config.set(_SHARED)
    from distributed import Worker  # noqa: PLC0415 - after its settings

    logging.disable()

    async def introduce(dask_worker: Worker) -> bytes:
        await dask_worker.set_resources(**{dask.RESOURCE: 1})
        facts = HostFacts(host=dask_worker.name, host_class="made up", version=version("tarebench"))
        return msgspec.msgpack.encode(facts)

    def measure(order: Assignment, send: Callable[[Chunk], object], unwanted: Callable[[], bool]) -> Ended:
        return _made_up(order, send, unwanted, seconds)

    dask._introduce = introduce  # noqa: SLF001 - stands in for the host
    setattr(host, "measure", measure)  # noqa: B010 - a stand-in without the real one's last argument
    setattr(host, "forget", lambda _order: None)  # noqa: B010

    async def serve() -> None:
        with tempfile.TemporaryDirectory() as folder:
            workers = [
                Worker(address, nthreads=1, name=f"host-{number}", host="127.0.0.1", local_directory=folder,
                       dashboard=False, memory_limit=0)
                for number in numbers
            ]  # fmt: skip
            for first in range(0, len(workers), STARTED_AT_ONCE):
                await asyncio.gather(*workers[first : first + STARTED_AT_ONCE])
            await asyncio.Event().wait()

    asyncio.run(serve())


def _made_up(
    order: Assignment, send: Callable[[Chunk], object], unwanted: Callable[[], bool], seconds: float
) -> Ended:
    """Send made-up trials at a steady pace for some seconds, in chunks as a host's run does."""
    run, sent, end = f"run-{order.host}", 0, time.monotonic() + seconds
    line = b'{"made_up": "' + b"x" * (TRIAL_BYTES - 16) + b'"}\n'
    each = max(1, round(TRIALS_PER_SECOND * host.LOOK_SECONDS))
    for status in ("running", "complete"):
        about = Manifest(
            format=FORMAT_VERSION, run=run, name="", created="", mode="quick", seed=1, status=status, host={}, context={},
            plan={}, versions={}, image={},
        )  # fmt: skip
        send(Chunk(token=order.token, run=run, manifest=msgspec.json.encode(about), offset=sent, lines=b""))
        while status == "running" and time.monotonic() < end and not unwanted():
            send(Chunk(token=order.token, run=run, manifest=b"", offset=sent, lines=line * each))
            sent += len(line) * each
            time.sleep(host.LOOK_SECONDS)
    return Ended(token=order.token, code=0, said="", run=run, size=sent)


if __name__ == "__main__":
    main()
