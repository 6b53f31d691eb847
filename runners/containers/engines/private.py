"""Start and undo a private Docker daemon beside whatever else runs on the host, for ``tare doctor``.

It has network and mount namespaces, folders, a socket and cgroups of its own, all under one name, so the host's
network, its containers and any other Docker are not touched. Its mounts and its bridge go with its last process. If the
system has no dockerd, the distribution's is fetched without being installed.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tare.results.said import say
from tare.results.storage.atomic import write_whole
from tare.runners.containers.engines.link import connect, disconnect
from tare.runners.errors import TareError
from tare.runners.host.cgroups.files import groups_of, remove_group
from tare.runners.host.cgroups.group import UNIFIED
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import last_lines, mounts_below, read_object, unmount
from tare.runners.host.processes import await_end, boot_id, is_running, start_ticks
from tare.runners.host.trees import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tare.runners.provision.tools import Provision

NAME = "tare-docker"
SCRIPT = Path(__file__).with_name("daemon.sh")
BRIDGE = "10.88.0.1/24"
"""Address of the daemon's bridge. The network namespace is private, so nothing else can use it."""
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_HIDDEN = (Path("/run/docker"), Path("/run/containerd"))
"""Folders over which ``daemon.sh`` mounts empty ones for the daemon."""
_MARK = "TARE_DOCKER"
"""Environment variable that marks the daemon and everything it starts, except the processes in containers."""
Status = Literal["absent", "starting", "running", "dead"]


class PrivateDocker(msgspec.Struct, frozen=True):
    """A private daemon, running or not. Its whole state is on the disk."""

    name: str = NAME

    @property
    def folder(self) -> Path:
        """Folder of images, layers of containers and the state file, on a disk."""
        return Path("/var/lib", self.name)

    @property
    def run_folder(self) -> Path:
        """Folder of the socket, the log and other files that go with the daemon."""
        return Path("/run", self.name)

    @property
    def listens_at(self) -> Path:
        """Path of the socket at which the daemon listens."""
        return self.run_folder / "docker.sock"

    @property
    def log(self) -> Path:
        """Path of the file with the daemon's messages."""
        return self.run_folder / "log"

    @property
    def device(self) -> str:
        """Network device at the host's end of the link to the daemon."""
        return f"{self.name}0"

    def status(self) -> Status:
        """Look up whether the daemon runs. ``dead``: it ended without being undone, and left its files."""
        if not (self.folder.exists() or self.run_folder.exists()):
            return "absent"
        if self.folder.exists() and not os.access(self.folder, os.X_OK):
            # Root's alone, with the state file in it. Anybody may see the daemon itself.
            return "running" if self._is_seen() else "dead"
        state = self.state()
        if _lives(state):
            return "running"
        return "starting" if "pid" not in state and _lives(state.get("starter", {})) else "dead"

    def _is_seen(self) -> bool:
        try:
            pid = int((self.run_folder / "pid").read_text("ascii"))
            return Path(f"/proc/{pid}/comm").read_text("utf-8").strip() == "dockerd"
        except (OSError, ValueError):
            return False

    def state(self) -> dict[str, Any]:
        """Read the state that :meth:`start` wrote; empty if it cannot be read."""
        return read_object(self.folder / "state.json")

    def start(self, provision: Provision) -> list[str]:
        """Start the daemon. Nothing is left if this raises.

        Returns:
            Lines that tell the user what was done.

        Raises:
            TareError: the user is not root, or dockerd is missing or does not start; the message ends with its log.
        """
        if os.getuid():
            raise TareError(
                say("docker.needs_root", "a Docker daemon needs root: run `tare doctor --fix docker` as root")
            )
        if self.status() == "running":
            return [say(
                "docker.runs_already", "the private Docker daemon is already running: unix://{socket}", socket=self.listens_at
            )]  # fmt: skip
        if self.status() == "dead":
            self.stop()
        from tare.runners.containers.engines.api import DockerApi  # noqa: PLC0415 - every run imports this module

        dockerd = provision.tool("dockerd")
        self._claim()
        with ExitStack() as undo:
            undo.callback(self.stop)
            pid = self._launch(dockerd.root)
            version = DockerApi(str(self.listens_at)).version()
            link = self._connect(pid)
            undo.pop_all()
        fetched = say("docker.fetched", "{package}, fetched, not installed", package=dockerd.package)
        origin = say("docker.systems", "the system's") if dockerd.root == Path("/") else fetched
        return [
            say("docker.started", "started a private Docker daemon {version} ({word}), pid {pid}",
                version=version["Version"], word=origin, pid=pid),
            say("docker.where", "socket unix://{socket}, images and containers in {folder}, log {log}",
                socket=self.listens_at, folder=self.folder, log=self.log),
            say("docker.private", "it has private network and mount namespaces and cgroups ({name}), with the bridge {bridge}",
                name=self.name, bridge=BRIDGE),
            link,
        ]  # fmt: skip

    def stop(self) -> list[str]:
        """End the daemon and everything it runs, and remove its files. Idempotent.

        Returns:
            One phrase for each thing removed.

        Raises:
            TareError: the user is not root, or a process cannot be ended.
        """
        if os.getuid():
            raise TareError(
                say("docker.root_owned", "the private Docker daemon belongs to root: run this as root")
            )
        removed = []
        pid = self.state().get("pid", 0)
        if self.status() == "running":
            if self.host_address:
                with suppress(TareError):
                    disconnect(pid, self.device)
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(pid, signal.SIGTERM)
            await_end(pid, STOP_SECONDS)
            removed.append(say("docker.daemon", "the private Docker daemon, pid {pid}", pid=pid))
        self._kill_all()
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        for folder in self._cgroup_folders():
            remove_group(folder, STOP_SECONDS)
        for folder in map(Path, self.state().get("made", ())):
            with suppress(OSError):  # in use by somebody else by now
                folder.rmdir()
        for folder in (self.run_folder, self.folder):
            if folder.exists():
                _remove(folder)
                removed.append(str(folder))
        return removed

    @property
    def host_address(self) -> str | None:
        """Address at which containers with a network reach the host; ``None``: they cannot."""
        address = self.state().get("host_address")
        return str(address) if address else None

    def accounting(self) -> list[Path]:
        """List the cgroup that counts the CPU time of the daemon and its shims; empty if none could be made."""
        folders = [top / f"{self.name}-daemon" for top in (*_tops({"cpuacct"}), *_tops({UNIFIED}))]
        return [folder for folder in folders if folder.is_dir()][:1]

    def _claim(self) -> None:
        """Make the folder with a first state in one step, so that of two who start the daemon one fails."""
        new = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.folder.parent))
        state = {
            "made": [str(folder) for folder in _HIDDEN if not folder.exists()],
            "starter": {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "boot": boot_id()},
        }
        (new / "state.json").write_text(json.dumps(state), "utf-8")
        new.chmod(0o711)  # others who may use the daemon read the state
        try:
            new.rename(self.folder)
        except OSError as error:
            shutil.rmtree(new)
            raise TareError(
                say(
                    "docker.starting",
                    "another process is starting the private Docker daemon: {error}",
                    error=error,
                )
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
        # By default it would read its configuration from /etc/docker and write a key there.
        (self.run_folder / "daemon.json").write_text(
            json.dumps({"deprecated-key-path": str(self.run_folder / "key.json")}), "utf-8"
        )
        entered = []
        for top in _tops({"cpuacct", UNIFIED}):
            with suppress(OSError):  # without permission to make one only its CPU time is unknown
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
            # Not by subprocess, since the daemon is to outlive this process.
            return os.posix_spawnp(argv[0], argv, environ, file_actions=actions, setsid=True)
        except OSError as error:
            raise TareError(
                say(
                    "docker.not_started",
                    "{argv} cannot be started: {error}; install util-linux",
                    argv=argv[0],
                    error=error,
                )
            ) from error
        finally:
            os.close(log)
            os.close(null)

    def _await_ready(self, pid: int, ready: socket.socket) -> None:
        """Wait until dockerd reports READY=1, as it would to systemd: sd_notify(3)."""
        end = os.pidfd_open(pid)
        try:
            deadline = time.monotonic() + START_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                found, _, _ = select.select([ready.fileno(), end], [], [], left)
                if end in found:
                    raise TareError(
                        say(
                            "docker.ended",
                            "dockerd ended before it was ready; the end of its log:\n{tail}",
                            tail=self._tail(),
                        )
                    )
                if ready.fileno() in found and b"READY=1" in ready.recv(4096):
                    return
        finally:
            os.close(end)
        raise TareError(
            say(
                "docker.not_ready",
                "dockerd was not ready in {start_seconds} s; the end of its log:\n{tail}",
                start_seconds=f"{START_SECONDS:g}",
                tail=self._tail(),
            )
        )

    def _tail(self) -> str:
        return last_lines(self.log) or "(none)"

    def _connect(self, pid: int) -> str:
        """Let containers reach the host, and describe the result in a line."""
        try:
            address = connect(pid, self.device)
        except (OSError, TareError) as error:
            return say("docker.no_way_out", "its containers cannot reach the host: {error}", error=error)
        self._note(self.state() | {"host_address": address})
        return say(
            "docker.connected", "the device {device} ({address}) connects the host with it",
            device=self.device, address=address,
        )  # fmt: skip

    def _note(self, state: dict[str, Any]) -> None:
        write_whole(self.folder / "state.json", json.dumps(state).encode())

    def _kill_all(self) -> None:
        """Kill the processes that the daemon left running, or that survived it."""
        deadline = time.monotonic() + STOP_SECONDS
        while pids := set(self._processes()):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in pids:
                await_end(pid, max(0.0, deadline - time.monotonic()))
            if time.monotonic() > deadline:
                raise TareError(
                    say(
                        "docker.alive",
                        "processes {pids} of the private Docker daemon cannot be killed",
                        pids=sorted(pids),
                    )
                )

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
        """List the daemon's cgroups, children before parents."""
        found = []
        for top in _tops():
            for name in (self.name, f"{self.name}-daemon"):
                found += groups_of(top / name)
        return found


def _lives(process: dict[str, Any]) -> bool:
    """Tell whether a process in the state file still runs."""
    return is_running(process.get("pid", 0), process.get("start_ticks", 0), process.get("boot", ""))


def _tops(controllers: set[str] | None = None) -> list[Path]:
    """List the mount points of the cgroup hierarchies, or of those that have one of these controllers."""
    return [
        one.top
        for one in Cgroups.detect().hierarchies
        if controllers is None
        or one.controllers & controllers
        or (one.version == 2 and UNIFIED in controllers)
    ]


def _remove(folder: Path) -> None:
    """Remove a folder, after unmounting what a daemon without a private mount namespace may have mounted in it."""
    for point in mounts_below(folder):
        unmount(point)
    remove_tree(folder)


def private_at(listens_at: str) -> PrivateDocker | None:
    """Find the private daemon that has this socket; ``None`` if the socket is somebody else's.

    Where an ordinary user may not read its state, it is still one, with a network that is not the host's.
    """
    one = PrivateDocker(Path(listens_at).parent.name)
    ours = one.state() or (one.folder.is_dir() and not os.access(one.folder, os.X_OK))
    return one if str(one.listens_at) == listens_at and ours else None


def clear_dead() -> list[str]:
    """Remove what a private daemon left if it ended without being undone. Cheap if there is none.

    Returns:
        One phrase for each thing removed.
    """
    daemon = PrivateDocker()
    return daemon.stop() if not os.getuid() and daemon.status() == "dead" else []
