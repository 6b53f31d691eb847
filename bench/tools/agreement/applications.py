"""Run Redis, nginx and PostgreSQL by hand, as their manuals say, and read what their tools print.

Nothing of the suite is between the tool and its server: both are plain child processes, pinned as the suite pins them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tarfile
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.experiments import postgres
from tare.bench.experiments.applications import postgresql, redis, web
from tare.bench.experiments.applications.base import TOOL_SECONDS
from tare.runners.errors import PlaceFailure
from tare.runners.places.endpoint import free_port
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tare.runners.model import Limits
    from tare.runners.provision.tools import Provision

_READY_SECONDS = 30.0


class Hand:
    """A user at a terminal with two groups of CPUs."""

    def __init__(self, provision: Provision, servers: Limits, clients: Limits) -> None:
        """Take the CPUs from the limits that the suite gives to its places."""
        self.provision, self._servers, self._clients = provision, servers.cpuset, clients.cpuset

    @contextmanager
    def server(self, argv: list[str], tool: str, asks: Callable[[], bool]) -> Iterator[None]:
        """Run a server until the block is left; it is ready when ``asks`` says so."""
        environ = os.environ | dict(self.provision.tool(tool).environ)
        argv = [*_pinned(self._servers), *argv]
        with subprocess.Popen(
            argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                deadline = time.monotonic() + _READY_SECONDS
                while not asks():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise PlaceFailure(f"{tool} by hand is not ready: exit status {process.poll()}")
                    time.sleep(0.02)
                yield
            finally:
                process.terminate()
                process.wait()

    def tool(self, name: str, *words: str) -> bytes:
        """Run a tool and return what it prints."""
        tool = self.provision.tool(name)
        argv = [*_pinned(self._clients), *tool.argv(*words)]
        done = subprocess.run(
            argv,
            env=os.environ | dict(tool.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise PlaceFailure(f"{name} by hand failed: {done.stderr.decode(errors='replace')[-300:]}")
        return done.stdout

    def works(self, name: str, *words: str) -> bool:
        """Tell whether a tool succeeds when it is run by hand."""
        try:
            self.tool(name, *words)
        except PlaceFailure:
            return False
        return True


def listens(port: str) -> bool:
    """Tell whether a connection to a port of this host is taken."""
    try:
        socket.create_connection(("127.0.0.1", int(port)), 1.0).close()
    except OSError:
        return False
    return True


def redis_by_hand(hand: Hand) -> float:
    """Return the requests per second that redis-benchmark prints."""
    port = str(free_port())
    argv = hand.provision.tool("redis-server").argv("--bind", "127.0.0.1", "--port", port, "--save", "")
    words = ("-h", "127.0.0.1", "-p", port, "-c", str(redis.CONNECTIONS))

    def run(test: str, requests: int) -> bytes:
        return hand.tool("redis-benchmark", *words, "-n", str(requests), "-t", test, "--csv")

    with hand.server(list(argv), "redis-server", lambda: listens(port)):
        run("set", 1000)
        run("get", redis.REQUESTS // 10)
        return redis.parse("redis", run("get", redis.REQUESTS), redis.REQUESTS)[0].value


def nginx_by_hand(hand: Hand) -> float:
    """Return the requests per second that wrk prints."""
    port = str(free_port())
    words = ("-t", "1", "-c", str(web.NGINX.connections), "--latency", f"http://127.0.0.1:{port}/")
    with tempfile.TemporaryDirectory(prefix="tare-agreement-") as folder:
        page = Path(folder, web.PAGE)
        page.parent.mkdir(parents=True)
        page.write_bytes(b"x" * web.PAGE_BYTES)
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(web.nginx_configuration(folder, folder, "127.0.0.1", int(port)), "utf-8")
        argv = hand.provision.tool("nginx").argv("-e", "stderr", "-p", folder, "-c", str(configuration))
        with hand.server(list(argv), "nginx", lambda: listens(port)):
            return web.parse("nginx", hand.tool("wrk", "-d", f"{TOOL_SECONDS:g}s", *words))[0].value


def postgres_by_hand(hand: Hand) -> float:
    """Return the transactions per second that pgbench prints."""
    port = str(free_port())
    words = ("-h", "127.0.0.1", "-p", port, "-U", "postgres")
    select = ("-S", "-n", "-c", str(postgresql.CONNECTIONS), "-j", "1")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tare-agreement-", dir="/var/tmp"))
        with tarfile.open(postgres.data(hand.provision, Cache(hand.provision.cache))) as archive:
            # Pythons differ in what they do unasked, and those of 3.11 before its fourth release take no `filter`.
            archive.extraction_filter = lambda member, _path: member
            archive.extractall(folder)  # noqa: S202 - made by the suite
        Path(folder, "data").chmod(0o700)
        configuration = Path(folder, "postgresql.conf")
        configuration.write_bytes(postgres.configuration("app"))
        argv = hand.provision.tool("postgres").argv(
            "-D", f"{folder}/data", "-p", port, "-c", f"config_file={configuration}"
        )
        ordinary = ("unshare", "--map-user=1000", "--map-group=1000") if os.getuid() == 0 else ()
        ready = lambda: hand.works("pgbench", "-i", "-q", *words, "postgres")  # noqa: E731
        stack.enter_context(hand.server([*ordinary, *argv], "postgres", ready))
        hand.tool("pgbench", *select, "-t", "200", *words, "postgres")
        report = hand.tool("pgbench", *select, "-T", str(round(TOOL_SECONDS)), *words, "postgres")
        return postgresql.parse("postgres", report)[0].value


def _pinned(cpus: tuple[int, ...]) -> tuple[str, ...]:
    return ("taskset", "-c", ",".join(map(str, cpus))) if cpus else ()
