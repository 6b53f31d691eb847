"""Start a worker on each of some hosts by the system's ssh, and a scheduler here, all of them on loopback addresses.

Dask connects both ways: workers to the scheduler, and the scheduler to workers. Both go through ssh's own forwarding, so no
port is open to the network, traffic is encrypted, and whoever may use ssh to a host may measure there. Dask's SSHCluster would
listen on the network, take an ssh server on this host as well, and read little of the user's ssh configuration.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from tare.bench.errors import EnvironmentMissing
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_AGAIN_SECONDS = 10.0
"""Time after which a worker whose connection was lost is started again."""

_END_SECONDS = 15.0

_REGISTERED = b"Registered to"
"""What a worker of Dask's logs once the scheduler knows it."""

_OPTIONS = ("BatchMode=yes", "ExitOnForwardFailure=yes", "ServerAliveInterval=10", "ServerAliveCountMax=3")
"""No questions, no start without the forwarding, and an end when the host does not answer for half a minute."""


def read_hosts(text: str) -> tuple[str, ...]:
    """Read host names, as ssh takes them, separated by commas.

    Raises:
        UsageError: there is none, one begins like an option, or one is there twice.
    """
    hosts = tuple(part.strip() for part in text.split(","))
    bad = next((one for one in hosts if not one or one.startswith("-") or hosts.count(one) > 1), None)
    if bad is not None:
        raise UsageError(say(
            "fleet.bad_hosts",
            "--hosts {text!r}: {bad!r} is empty, repeated or not a name: give hosts as ssh calls them, such as north,root@south.",
            text=text, bad=bad,
        ))  # fmt: skip
    return hosts


@dataclass(slots=True)
class _Reached:
    """One host and the ssh that runs its worker."""

    host: str
    command: tuple[str, ...]
    log: IO[bytes]
    child: subprocess.Popen[bytes]
    ended: float = 0.0
    """Moment when the end of ssh was seen; 0: it runs."""

    def logged(self) -> bytes:
        # The child writes at the file's position, which must not be moved.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0)


@dataclass(slots=True)
class SshHosts:
    """Workers that are started by ssh; a context manager that ends them."""

    hosts: Sequence[str]
    port: int
    """Port of the scheduler on the loopback address, here and through ssh there."""
    python: str
    """Python of the hosts."""
    say: Callable[[str], object]
    now: Callable[[], float] = time.monotonic
    reached: list[_Reached] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start ssh to every host, and a worker by it."""
        for host in self.hosts:
            log = self.stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            command = self._command(host, _free_port())
            self.reached.append(_Reached(host, command, log, _start(command, log)))

    def _command(self, host: str, port: int) -> tuple[str, ...]:
        worker = (
            *(self.python, "-m", "dask", "worker", f"tcp://127.0.0.1:{self.port}", "--host", "127.0.0.1"),
            *(
                "--worker-port",
                str(port),
                "--no-nanny",
                "--nthreads",
                "1",
                "--no-dashboard",
                "--death-timeout",
                "30",
            ),
        )
        forward = (f"127.0.0.1:{one}:127.0.0.1:{one}" for one in (self.port, port))
        options = tuple(word for option in _OPTIONS for word in ("-o", option))
        return ("ssh", *options, "-R", next(forward), "-L", next(forward), host, shlex.join(worker))

    def unreached(self) -> dict[str, str]:
        """List the hosts that no worker could be started on, with ssh's reason; start lost ones again."""
        found = {}
        for one in self.reached:
            if one.child.poll() is None:
                continue
            logged = one.logged()
            if _REGISTERED not in logged:
                lines = logged.decode("utf-8", "replace").strip().splitlines()
                said = lines[-1] if lines else say("fleet.ssh_silent", "it said nothing")
                found[one.host] = say(
                    "fleet.ssh_failed", "no worker could be started by ssh: {said}", said=said
                )
            elif not one.ended:
                one.ended = self.now()
                self.say(
                    say(
                        "progress.fleet_again",
                        "the connection to {host} ended; it is tried again",
                        host=one.host,
                    )
                )
            elif self.now() - one.ended >= _AGAIN_SECONDS:
                one.ended = 0.0
                one.child = _start(one.command, one.log)
        return found

    def close(self) -> None:
        """Wait until the workers have ended, which they do without a scheduler, and end what is left."""
        until = time.monotonic() + _END_SECONDS
        for one in self.reached:
            try:
                one.child.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.child.terminate()
                one.child.wait()
        self.stack.close()


@contextmanager
def ssh_cluster(
    hosts: Sequence[str], python: str, tell: Callable[[str], object]
) -> Iterator[tuple[str, SshHosts]]:
    """Run a scheduler here and a worker on each host; yields the scheduler's address and the hosts.

    Raises:
        EnvironmentMissing: there is no ssh here, or no Dask.
    """
    from tare.bench.fleet.dask import local_scheduler  # noqa: PLC0415 - names are checked without it

    if shutil.which("ssh") is None:
        raise EnvironmentMissing(
            say("fleet.no_ssh", "--hosts needs ssh, which is not installed: apt install openssh-client.")
        )
    with ExitStack() as stack:
        later = stack.enter_context(
            ExitStack()
        )  # closed after the scheduler, with which workers end by themselves
        address = stack.enter_context(local_scheduler())
        reached = SshHosts(hosts, int(address.rpartition(":")[2]), python, tell)
        later.callback(reached.close)
        reached.start()
        yield address, reached


def _start(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for tare, which ends the runs in order.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
