"""A Docker daemon of Tare's own, beside whatever is there: started and undone when asked, by ``tare doctor``.

It has its own net and mount namespaces, folders, socket and cgroups, all under one name, so the host's network, its
containers and a Docker that runs already are not touched; its mounts and its bridge go with its last process. Where
the system has no dockerd, the distribution's is fetched without being installed.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tare.runners.containers.engines.api import DockerApi
from tare.runners.containers.engines.link import connect, disconnect
from tare.runners.errors import TareError
from tare.runners.host.cgroups.group import UNIFIED
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.processes import boot_id, start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tare.runners.provision.tools import Provision

NAME = "tare-docker"
SCRIPT = Path(__file__).with_name("daemon.sh")
BRIDGE = "10.88.0.1/24"
"""In the daemon's own net namespace, where nothing else can have it."""
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_LOG_LINES = 15
_HIDDEN = (Path("/run/docker"), Path("/run/containerd"))
"""Folders that the daemon mounts its own over; see ``daemon.sh``."""
_MARK = "TARE_DOCKER"
"""Variable in the environment of the daemon and of all that it starts, but for containers' processes."""
Status = Literal["absent", "starting", "running", "dead"]


@dataclass(frozen=True, slots=True)
class PrivateDocker:
    """The daemon of that name, whether it runs or not. All that is known of it is on the disk."""

    name: str = NAME

    @property
    def folder(self) -> Path:
        """Images, containers' layers, and the state file: on a disk."""
        return Path("/var/lib", self.name)

    @property
    def run_folder(self) -> Path:
        """Socket, log, and what else goes with the daemon."""
        return Path("/run", self.name)

    @property
    def listens_at(self) -> Path:
        """Its socket."""
        return self.run_folder / "docker.sock"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.run_folder / "log"

    @property
    def device(self) -> str:
        """The host's end of the link to it."""
        return f"{self.name}0"

    def status(self) -> Status:
        """``dead``: it ended without being undone, and left its files."""
        if not (self.folder.exists() or self.run_folder.exists()):
            return "absent"
        state = self.state()
        if _lives(state):
            return "running"
        return "starting" if "pid" not in state and _lives(state.get("starter", {})) else "dead"

    def state(self) -> dict[str, Any]:
        """What :meth:`start` wrote down; empty if that cannot be read."""
        try:
            state = json.loads((self.folder / "state.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def start(self, provision: Provision) -> list[str]:
        """Start it, and say what was done. Nothing is left if it raises.

        Raises:
            TareError: not root, or dockerd cannot be had or does not start; the text has the end of its log.
        """
        if os.getuid():
            raise TareError("a Docker daemon needs root: run `tare doctor --fix docker` as root")
        if self.status() == "running":
            return [f"the private Docker daemon runs already: unix://{self.listens_at}"]
        if self.status() == "dead":
            self.stop()
        dockerd = provision.tool("dockerd")
        self._claim()
        with ExitStack() as undo:
            undo.callback(self.stop)
            pid = self._launch(dockerd.root)
            version = DockerApi(str(self.listens_at)).version()
            link = self._connect(pid)
            undo.pop_all()
        origin = "the system's" if dockerd.root == Path("/") else f"{dockerd.package}, fetched, not installed"
        return [
            f"started a private Docker daemon {version['Version']} ({origin}), pid {pid}",
            f"socket unix://{self.listens_at}, images and containers in {self.folder}, log {self.log}",
            f"its net and mount namespaces and its cgroups ({self.name}) are its own; bridge {BRIDGE} is in them",
            link,
        ]

    def stop(self) -> list[str]:
        """End it with everything that it runs, and remove all of its traces; says what was removed. Idempotent.

        Raises:
            TareError: something stays.
        """
        if os.getuid():
            raise TareError("the private Docker daemon is root's: run this as root")
        removed = []
        pid = self.state().get("pid", 0)
        if self.status() == "running":
            if self.host_address:
                with suppress(TareError):
                    disconnect(pid, self.device)
            os.kill(pid, signal.SIGTERM)
            _await_end(pid, STOP_SECONDS)
            removed.append(f"the private Docker daemon, pid {pid}")
        self._kill_all()
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        for folder in self._cgroup_folders():
            with suppress(FileNotFoundError):
                folder.rmdir()
        for folder in map(Path, self.state().get("made", ())):
            with suppress(OSError):  # somebody else uses it by now
                folder.rmdir()
        for folder in (self.run_folder, self.folder):
            if folder.exists():
                _remove(folder)
                removed.append(str(folder))
        return removed

    @property
    def host_address(self) -> str | None:
        """By which its containers reach the host, unless they have no network."""
        address = self.state().get("host_address")
        return str(address) if address else None

    def accounting(self) -> list[Path]:
        """The cgroup that counts the daemon's CPU time, shims' included; empty if none could be made."""
        folders = [top / f"{self.name}-daemon" for top in (*_tops({"cpuacct"}), *_tops({UNIFIED}))]
        return [folder for folder in folders if folder.is_dir()][:1]

    def _claim(self) -> None:
        """Make the folder with a first state in it, in one step: of two who start it, one is told."""
        new = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.folder.parent))
        state = {
            "made": [str(folder) for folder in _HIDDEN if not folder.exists()],
            "starter": {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "boot": boot_id()},
        }
        (new / "state.json").write_text(json.dumps(state), "utf-8")
        try:
            new.rename(self.folder)
        except OSError as error:
            shutil.rmtree(new)
            raise TareError(
                f"another process is starting the private Docker daemon just now: {error}"
            ) from error

    def _launch(self, root: Path) -> int:
        self.run_folder.mkdir(mode=0o755)
        state = self.state()
        for path in state["made"]:
            Path(path).mkdir(mode=0o711, exist_ok=True)
        for kind in ("nft", "legacy"):
            (self.run_folder / kind).mkdir()
            for name in ("iptables", "ip6tables"):
                (self.run_folder / kind / name).symlink_to(f"/usr/sbin/{name}-{kind}")
        # Else it would read the configuration, and write a key, in /etc/docker.
        (self.run_folder / "daemon.json").write_text(
            json.dumps({"deprecated-key-path": str(self.run_folder / "key.json")}), "utf-8"
        )
        entered = []
        for top in _tops({"cpuacct", UNIFIED}):
            with suppress(OSError):  # not ours to divide: then its CPU time is not known, and that is all
                (top / f"{self.name}-daemon").mkdir()
                entered.append(str(top / f"{self.name}-daemon" / "cgroup.procs"))
        with ExitStack() as stack:
            ready = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            ready.bind(str(self.run_folder / "ready"))
            pid = self._spawn(root, entered)
            self._note(state | {"pid": pid, "start_ticks": start_ticks(pid), "boot": boot_id()})
            self._await_ready(pid, ready)
        return pid

    def _spawn(self, root: Path, entered: Iterable[str]) -> int:
        argv = (
            *("unshare", "--net", "--mount", "--propagation", "slave", "--"),
            *("/bin/sh", str(SCRIPT), str(self.run_folder), str(root), *entered, "--"),
            *("--config-file", str(self.run_folder / "daemon.json")),
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self.run_folder / "exec")),
            *("--pidfile", str(self.run_folder / "pid"), "--host", f"unix://{self.listens_at}"),
            *("--bip", BRIDGE, "--userland-proxy=false"),
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{self.name}"),
        )
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "NOTIFY_SOCKET": str(self.run_folder / "ready"),
            _MARK: self.name,
        }
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        actions = [(os.POSIX_SPAWN_DUP2, fd, target) for fd, target in ((null, 0), (log, 1), (log, 2))]
        try:
            # Not subprocess: it outlives us, and that is meant.
            return os.posix_spawnp(argv[0], argv, environ, file_actions=actions, setsid=True)
        except OSError as error:
            raise TareError(f"{argv[0]} cannot be started: {error}; install util-linux") from error
        finally:
            os.close(log)
            os.close(null)

    def _await_ready(self, pid: int, ready: socket.socket) -> None:
        """Until dockerd says READY=1 as to systemd, see sd_notify(3)."""
        end = os.pidfd_open(pid)
        try:
            deadline = time.monotonic() + START_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                found, _, _ = select.select([ready.fileno(), end], [], [], left)
                if end in found:
                    raise TareError(f"dockerd ended before it was ready; its last words:\n{self._tail()}")
                if ready.fileno() in found and b"READY=1" in ready.recv(4096):
                    return
        finally:
            os.close(end)
        raise TareError(f"dockerd was not ready in {START_SECONDS:g} s; its last words:\n{self._tail()}")

    def _tail(self) -> str:
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:])
        except OSError:
            return "(none)"

    def _connect(self, pid: int) -> str:
        """Let containers reach the host; says what became of it."""
        try:
            address = connect(pid, self.device)
        except (OSError, TareError) as error:
            return f"its containers cannot reach the host: {error}"
        self._note(self.state() | {"host_address": address})
        return f"device {self.device} ({address}) connects the host with it"

    def _note(self, state: dict[str, Any]) -> None:
        new = self.folder / "state.new"
        new.write_text(json.dumps(state), "utf-8")
        new.replace(self.folder / "state.json")

    def _kill_all(self) -> None:
        """Whatever the daemon did not end by itself, or nobody ended since it was killed."""
        deadline = time.monotonic() + STOP_SECONDS
        while pids := set(self._processes()):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in pids:
                _await_end(pid, max(0.0, deadline - time.monotonic()))
            if time.monotonic() > deadline:
                raise TareError(f"processes {sorted(pids)} of the private Docker daemon cannot be killed")

    def _processes(self) -> Iterator[int]:
        mark = os.fsencode(f"{_MARK}={self.name}")
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)
        for folder in self._cgroup_folders():
            with suppress(OSError):
                yield from map(int, (folder / "cgroup.procs").read_text("ascii").split())

    def _cgroup_folders(self) -> list[Path]:
        """Children before parents."""
        found = []
        for top in _tops():
            for name in (self.name, f"{self.name}-daemon"):
                found += [Path(folder) for folder, _, _ in os.walk(top / name, topdown=False)]
        return found


def _lives(process: dict[str, Any]) -> bool:
    """Whether the process that was written down is still that one."""
    ticks = process.get("start_ticks")
    return bool(ticks) and process.get("boot") == boot_id() and ticks == start_ticks(process.get("pid", 0))


def _tops(controllers: set[str] | None = None) -> list[Path]:
    """Mount points of the cgroup hierarchies, or of those with one of these controllers."""
    return [
        one.top
        for one in Cgroups.detect().hierarchies
        if controllers is None
        or one.controllers & controllers
        or (one.version == 2 and UNIFIED in controllers)
    ]


def _await_end(pid: int, timeout_seconds: float) -> None:
    with suppress(ProcessLookupError):
        end = os.pidfd_open(pid)
        try:
            select.select([end], [], [], timeout_seconds)
        finally:
            os.close(end)


def _remove(folder: Path) -> None:
    """Remove a folder; mounts in it, which a daemon without a mount namespace of its own may have left, first."""
    libc = ctypes.CDLL(None, use_errno=True)
    for line in reversed(Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()):
        point = line.split()[4]
        if point.startswith(f"{folder}/"):
            libc.umount2(os.fsencode(point), 2)
    shutil.rmtree(folder)


def private_at(listens_at: str) -> PrivateDocker | None:
    """The private daemon that has this socket; ``None`` if it is somebody else's."""
    one = PrivateDocker(Path(listens_at).parent.name)
    return one if str(one.listens_at) == listens_at and one.state() else None


def clear_dead() -> list[str]:
    """Remove what a daemon left that ended without being undone; says what was removed. Cheap."""
    daemon = PrivateDocker()
    return daemon.stop() if not os.getuid() and daemon.status() == "dead" else []
