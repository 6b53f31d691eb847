"""Stand in for a fleet: hosts that are network namespaces with names of their own, joined by a bridge in another one.

Everything lives in namespaces that end with the processes made here; the host's own network is not touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NETWORK = "10.213.87"
SCHEDULER = f"tcp://{NETWORK}.1:8786"

SSHD = "/usr/sbin/sshd"

_QUICK = {"DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "1h", "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false"}


def why_not() -> str:
    """Say why there cannot be such hosts here; empty if there can."""
    if os.geteuid() != 0:
        return "network namespaces with names of their own take root"
    probe = "ip link add fleet-probe type veth peer name fleet-other && ip link add fleet-bridge type bridge"
    made = subprocess.run(
        ["unshare", "--net", "--uts", "--mount", "sh", "-c", probe], capture_output=True, check=False
    )
    return "" if made.returncode == 0 else f"no network between namespaces: {made.stderr.decode().strip()}"


@dataclass(slots=True)
class Hosts:
    """The namespaces, the scheduler in the middle and a worker in each of the others; or an ssh server in each of them."""

    folder: Path
    by_ssh: bool = False
    """There is no scheduler, and an ssh server in place of each worker: :attr:`path` has an ``ssh`` that knows them."""
    stack: ExitStack = field(default_factory=ExitStack)
    keepers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """Host → process that keeps its namespaces."""
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._keep("middle")
        self.call("middle", "ip link set lo up && ip link add br0 type bridge && ip link set br0 up")
        self.call("middle", f"ip addr add {NETWORK}.1/24 dev br0")
        if self.by_ssh:
            self._make_keys()
            return self
        self._dask("middle", "scheduler", "--host", SCHEDULER.rpartition(":")[0], "--port", "8786")
        return self

    def __exit__(self, *_error: object) -> None:
        self.stack.close()

    def add(self, host: str, before: str = "true") -> None:
        """Add a host with a worker; ``before`` is a shell command for its mount namespace."""
        self._keep(host)
        number = len(self.keepers)
        pid = self.keepers[host].pid
        self.call(
            "middle",
            f"ip link add v{number} type veth peer name eth0 netns {pid} && ip link set v{number} master br0 up",
        )
        self.call(host, f"hostname {host} && ip link set lo up && ip addr add {NETWORK}.{number}/24 dev eth0")
        self.call(host, f"ip link set eth0 up && {before}")
        if self.by_ssh:
            self._serve_ssh(host, f"{NETWORK}.{number}")
            return
        worker = ("worker", SCHEDULER, "--no-nanny", "--nthreads", "1", "--no-dashboard")
        self.workers[host] = self._dask(host, *worker)

    def _make_keys(self) -> None:
        """Make keys and an ``ssh`` that uses them, and nothing of this user's own configuration."""
        for name in ("host", "user"):
            words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        ssh = self.folder / "bin" / "ssh"
        ssh.parent.mkdir()
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.folder}/ssh_config "$@"\n')
        ssh.chmod(0o755)
        (self.folder / "ssh_config").touch()

    def _serve_ssh(self, host: str, address: str) -> None:
        """Run an ssh server on a host, and let the ``ssh`` of :attr:`path` know it."""
        folder, log = self.folder, self.folder / f"{host}-sshd.log"
        options = (
            *("Port=22", f"ListenAddress={address}", f"HostKey={folder}/host", "PidFile=none", "UsePAM=no"),
            *(f"AuthorizedKeysFile={folder}/user.pub", "StrictModes=no", "PermitRootLogin=yes"),
        )
        words = (
            SSHD,
            "-D",
            "-f",
            "/dev/null",
            "-E",
            str(log),
            *(word for one in options for word in ("-o", one)),
        )
        # It insists on a folder below /run, which belongs to the host's mount namespace here.
        self.call(host, "mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd")
        server = subprocess.Popen([*self.inside(host), *words], stdin=subprocess.DEVNULL)
        self.stack.callback(_end, server)
        known = " ".join((folder / "host.pub").read_text().split()[:2])
        with (folder / "known_hosts").open("a") as file:
            file.write(f"{address} {known}\n")
        with (folder / "ssh_config").open("a") as file:
            file.write(
                f"Host {host}\n HostName {address}\n User root\n IdentityFile {folder}/user\n IdentitiesOnly yes\n"
                f" UserKnownHostsFile {folder}/known_hosts\n GlobalKnownHostsFile /dev/null\n"
            )
        until(lambda: log.is_file() and b"Server listening" in log.read_bytes(), 10, f"ssh server on {host}")

    @property
    def path(self) -> str:
        """Value of ``PATH`` with an ``ssh`` that knows the hosts."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def call(self, host: str, command: str) -> None:
        subprocess.run([*self.inside(host), "sh", "-c", command], check=True, stdin=subprocess.DEVNULL)

    def inside(self, host: str) -> list[str]:
        return ["nsenter", "-t", str(self.keepers[host].pid), "--net", "--uts", "--mount"]

    def _dask(self, host: str, *words: str) -> subprocess.Popen[bytes]:
        log = self.stack.enter_context((self.folder / f"{host}-{words[0]}.log").open("wb"))
        return self.spawn(host, "dask", *words, stdout=log, stderr=log, env={**os.environ, **_QUICK})

    def spawn(self, host: str, module: str, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a Python module's program on a host, with further options of ``Popen``; it ends with the fleet."""
        command = [*self.inside(host), sys.executable, "-m", module, *words]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=self.folder, **options)
        self.stack.callback(_end, child)
        return child

    def _keep(self, host: str) -> None:
        keeper = subprocess.Popen(
            ["unshare", "--net", "--uts", "--mount", "sh", "-c", "echo && exec sleep infinity"],
            stdout=subprocess.PIPE,
        )
        self.stack.callback(_end, keeper)
        assert keeper.stdout is not None
        keeper.stdout.readline()
        self.keepers[host] = keeper


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()
    if child.stdout:
        child.stdout.close()


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until a function says yes."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"no {what} after {seconds} s")
        time.sleep(0.05)
