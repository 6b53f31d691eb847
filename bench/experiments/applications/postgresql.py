"""``app-postgres``: measure look-ups in PostgreSQL, by ``pgbench -S`` at the maximum and at a fixed load.

At the fixed load (``--rate``), pgbench draws when transactions are due, and counts their latencies from then on. So its load
is open, too.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.experiments import postgres
from tare.bench.experiments.applications.base import LOAD_SECONDS, TOOL_SECONDS, Application, Session, maximum
from tare.bench.experiments.serving import Address, Readiness, Server
from tare.bench.workloads.base import ParseError, metric, number
from tare.results.said import say
from tare.runners.model import Job
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tare.bench.experiments.base import Lab
    from tare.results.record import Metric

CONNECTIONS = 4
ACCESS = "srv/pg_hba.conf"
"""Path in the image of the file that lets clients in."""
READY = "database system is ready to accept connections"
"""Line of the server's log; its port takes connections before, and refuses them."""
_SERVER_SECONDS = 60.0
_UNPACK = "{busybox} tar x -f {tar} -C {scratch} && {owner} && exec {server}"
_TPS = re.compile(r"^tps = ([0-9.]+) \(without initial connection time\)$", re.MULTILINE)
_DONE = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Postgres(Application):
    """PostgreSQL with pgbench's tables at scale 1."""

    name: str = "app-postgres"
    summary: str = "PostgreSQL, look-ups by key: the most that pgbench gets, and latencies at a fixed load"
    packed: tuple[str, ...] = ("postgres", "pgbench", "initdb")
    rate: int = 500
    second_user: bool = True
    on_tcg: bool = False

    def server(self) -> Server:
        """Describe the server program of this application."""
        return Server(_job, Readiness("line", pattern=READY, timeout_seconds=_SERVER_SECONDS))

    def configuration(self) -> Mapping[str, bytes]:
        """Return the server's configuration, and the file that lets clients in."""
        return {
            postgres.CONFIGURATION: postgres.configuration("app"),
            ACCESS: b"local all all trust\nhost all all 0.0.0.0/0 trust\n",
        }

    def layers(self, lab: Lab) -> tuple[tuple[str, Mapping[str, Path]], ...]:
        """Return the files that the server opens by itself, and its data folder."""
        runtime = postgres.runtime(lab.provision.tool("postgres"))
        data = postgres.data(lab.provision, Cache(lab.context.cache, lab.say))
        return ("runtime", runtime), ("data", {postgres.DATA: data})

    def measure(self, session: Session) -> Iterable[Metric]:
        """Make the tables, warm up, then measure."""
        run(session, "-i", "-q", "-s", "1")
        select = ("-S", "-n", "-c", str(CONNECTIONS), "-j", "1")
        run(session, *select, "-t", "200")
        yield from parse(self.name, run(session, *select, "-T", str(round(TOOL_SECONDS))))
        if not session.emulated:
            fixed = run(
                session, *select, "-T", str(round(LOAD_SECONDS)), "-R", str(self.rate), "-l", log=True
            )
            yield from parse_log(self.name, fixed)


def run(session: Session, *options: str, log: bool = False) -> bytes:
    """Run pgbench; return its report, or the log of its transactions."""
    at, client = session.at, session.served.client
    argv = session.image.argv(
        client.root, "pgbench", "-h", at.address, "-p", str(at.port), "-U", "postgres", *options, "postgres"
    )
    script = shlex.join(argv)
    if log:
        script = f"{script} >report || exit; cat pgbench_log.*; rm -f pgbench_log.* report"
    return session.shell(script).stdout


def parse(name: str, output: bytes) -> tuple[Metric, ...]:
    """Read the report of pgbench.

    Raises:
        ParseError: it is none, or transactions failed.
    """
    text = output.decode("utf-8", "replace")
    tps, done, failed = _TPS.search(text), _DONE.search(text), _FAILED.search(text)
    if tps is None or done is None or (failed and int(failed[1])):
        raise ParseError(name, say("parse.pgbench", "no report of pgbench without failures"), output)
    count = int(number(name, "transactions", done[1], output))
    return maximum(number(name, "rate", tps[1], output), None, None, "pgbench", count)


def parse_log(name: str, output: bytes) -> tuple[Metric, ...]:
    """Read pgbench's log of transactions at a fixed rate: the third field is the latency in µs since each was due.

    Raises:
        ParseError: it is none, or transactions failed or were skipped.
    """
    try:
        latencies = sorted(int(line.split()[2]) / 1e6 for line in output.decode("ascii").splitlines())
    except (ValueError, IndexError):
        raise ParseError(name, say("parse.no_transaction_log", "not a log of transactions"), output) from None
    if not latencies:
        raise ParseError(name, say("parse.no_transactions", "no transactions"), output)
    n = len(latencies)
    return tuple(
        metric(f"app.load.{point}", rank(latencies, share), "s", "lower", "pgbench", samples=n)
        for point, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    )


def rank(ordered: Sequence[float], share: float) -> float:
    """Return the value that a share of all does not exceed (nearest rank)."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _job(at: Address) -> Job:
    site = at.site
    base = site.root.rstrip("/")
    server = site.image.argv(
        site.root, "postgres", *("-D", f"{site.scratch}/data", "-p", str(at.port)),
        *("-c", f"config_file={base}/{postgres.CONFIGURATION}", "-c", f"hba_file={base}/{ACCESS}"),
        *("-c", f"listen_addresses={at.listen}"),
    )  # fmt: skip
    busybox = shlex.join(site.image.argv(site.root, "busybox"))
    words = {"owner": "true", "server": shlex.join(server)}
    if base and os.getuid() == 0:
        # On bare metal the image is below a folder that only root may enter, and nobody else could run it.
        # By its path: busybox has another one.
        words["server"] = (
            f"{shutil.which('unshare') or 'unshare'} --map-user=1000 --map-group=1000 {words['server']}"
        )
    elif not base:
        words["owner"] = f"{busybox} chown -R nobody:nogroup {shlex.quote(site.scratch)}/data"
        words["server"] = f"{busybox} su -s /bin/sh nobody -c {shlex.quote('exec ' + words['server'])}"
    words |= {
        "tar": shlex.quote(f"{base}/{postgres.DATA}"),
        "scratch": shlex.quote(site.scratch),
        "busybox": busybox,
    }
    script = _UNPACK
    for name, text in words.items():
        script = script.replace(f"{{{name}}}", text)
    argv = site.image.argv(site.root, "busybox", "sh", "-c", script)
    return Job(argv, site.image.environ(site.root, "postgres"), directory=site.scratch)
