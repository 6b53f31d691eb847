"""Give the runner's Podman storage, settings and namespaces of its own, and remove them with it.

Root's Podman runs in a mount namespace in which /run and /var/lib are empty, so that it leaves nothing there, and, for
its bridge, in a private network namespace, so that the host's addresses, routes and packet filters stay as they are. If
it is fetched rather than installed, its /usr is bound over the host's there, because it calls itself by its path.
"""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.containers.engines.clearing import LABEL
from tare.runners.containers.engines.link import connect, disconnect
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.host.cgroups.files import groups_of, remove_group
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.endings import last_words
from tare.runners.host.trees import discard_tree
from tare.runners.images.oci import of_image
from tare.runners.launcher.processes import SpawnError, SpawnRequest
from tare.runners.launcher.steps.mounts import MS_BIND, MS_NODEV, MS_NOSUID, MS_PRIVATE, MS_REC, Mount
from tare.runners.launcher.steps.namespaces import NewNamespace
from tare.runners.launcher.steps.network import LinkUp
from tare.runners.places.output_tail import Drain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.context import RunContext
    from tare.runners.images.image import Image
    from tare.runners.launcher.client import Launcher
    from tare.runners.launcher.steps.base import Step
    from tare.runners.provision.tools import Tool

COMMAND_SECONDS = 300.0
"""Time limit for loading an image on a busy disk."""
_WANTED_ULIMIT = 1 << 20
"""Number of open files and of processes that Podman gives to containers if it may."""
_MOST_PROCESSES = 1 << 14
_SHARED = "podman"
"""Name of the folder below the work folder; runners of all networks share its storage."""


@dataclass(frozen=True, slots=True)
class PodmanHome:
    """A Podman that is ready to be called."""

    folder: Path
    program: str
    """Path of Podman as the launcher's children see it."""
    launcher: Launcher
    """Launcher of this runner alone: Podman's monitors outlive its commands and become this launcher's children."""
    environ: Mapping[str, str]
    run_options: tuple[str, ...]
    """Options for ``podman run``: the parent cgroup, and the ulimits that may be asked for."""
    host_address: str | None
    """Address at which containers on the bridge reach the host; ``None``: they cannot."""
    own_network: bool
    """The launcher is in a network namespace of its own, and so is Podman's bridge."""
    accounting: tuple[Path, ...]
    """Cgroups that count the CPU time of Podman, its monitors and its runtimes; empty if none could be made."""

    @classmethod
    @contextmanager
    def make(cls, context: RunContext, tool: Tool, *, own_network: bool) -> Iterator[PodmanHome]:
        """Make the folder, the namespaces and the settings, and remove them in the end.

        Args:
            context: the run's.
            tool: Podman, installed or fetched.
            own_network: put it into a private network namespace.

        Raises:
            PlaceFailure: the namespaces cannot be made.
        """
        folder = context.workdir / _SHARED
        root = os.getuid() == 0
        with ExitStack() as undo:
            for name in ("root", "run", "tmp", "home", "xdg", "bin", "net"):
                (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            undo.callback(discard_tree, folder)
            undo.callback(_remove_cgroups, context.run)
            counter = _make_counter(context.run) if root else None
            _write_settings(folder)
            fetched = tool.root if tool.origin == "fetched" else None
            steps = _steps(fetched, context, own_network=own_network)
            environ = _environ(folder, iptables=fetched is not None)
            try:
                launcher = undo.enter_context(
                    context.launcher.inside(steps, {"TARE_RUN": context.run, **environ})
                )
            except SpawnError as error:
                raise PlaceFailure(
                    say(
                        "container.podman_namespaces",
                        "podman's namespaces cannot be made: {error}",
                        error=error,
                    ),
                    remedy=say("remedy.install_podman_or_root", "install podman, or run as root"),
                ) from error
            if counter:
                (counter / "cgroup.procs").write_text(str(launcher.pid), "ascii")
            address = _link(undo, launcher.pid) if own_network else None
            yield cls(
                folder,
                "/usr/bin/podman" if fetched else str(tool.path),
                launcher,
                environ,
                (*ulimits(), *(("--cgroup-parent", f"/tare-{context.run}/{_SHARED}") if root else ())),
                address,
                own_network,
                # Podman puts its monitors and their runtimes into a cgroup named conmon.
                (counter, counter.with_name("conmon")) if counter else (),
            )

    def argv(self, *options: str) -> tuple[str, ...]:
        """Compose Podman's command line with its storage, up to where a subcommand follows."""
        places = {"--root": "root", "--runroot": "run", "--tmpdir": "tmp"}
        where = (word for option, name in places.items() for word in (option, str(self.folder / name)))
        return (self.program, *where, "--cgroup-manager", "cgroupfs", *options)

    def load(self, image: Image, tag: str, run: str) -> None:
        """Load the image with its layers, unless Podman has it already.

        Raises:
            PlaceFailure: Podman refuses; the message quotes it.
        """
        if self._call("image", "exists", tag)[0] == 0:
            return
        policy = self.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', "utf-8")
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".tar") as archive:
            of_image(image, tag, {LABEL: run}).write_archive(archive.file)
            archive.flush()
            code, said = self._call(
                "load", "--quiet", "--signature-policy", str(policy), "--input", archive.name
            )
        if code:
            raise PlaceFailure(
                say(
                    "container.podman_load",
                    "podman load failed: {told}",
                    told=said or f"exit status {code}",
                ),
                remedy=load_remedy(said),
            )

    def remove(self, container: str) -> None:
        """Kill and remove a container. Does nothing if there is none.

        Raises:
            PlaceFailure: Podman refuses; the message quotes it.
        """
        code, said = self._call("rm", "--force", "--ignore", "--volumes", "--time", "0", container)
        if code and "no such container" not in said.lower():  # it may go between the look-up and the removal
            raise PlaceFailure(
                say("container.podman_rm", "podman rm failed: {told}", told=last_words(said, code)),
                log=said,
            )

    def events_size(self) -> int:
        """Size of Podman's log of events in bytes; 0 if there is none yet."""
        try:
            return (self.folder / "events.log").stat().st_size
        except OSError:
            return 0

    def events_since(self, size: int) -> str:
        """Read the events logged since the log had that size."""
        try:
            with (self.folder / "events.log").open("rb") as file:
                file.seek(size)
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _call(self, *arguments: str) -> tuple[int, str]:
        """Run a Podman command to its end; return its exit status and the end of its output."""
        with ExitStack() as stack:
            said = Drain()
            stack.callback(said.close)
            spawned = self.launcher.spawn(
                SpawnRequest(
                    self.argv(*arguments), environ=self.environ, fds={1: said.write_fd, 2: said.write_fd}
                )
            )
            said.let_go()
            gone = self.launcher.wait(spawned.id, COMMAND_SECONDS)
            if gone is None:
                self.launcher.kill(spawned.id, signal.SIGKILL)
                self.launcher.wait(spawned.id)
                raise PlaceFailure(
                    say(
                        "container.podman_slow",
                        "podman {command} did not end in {seconds} s",
                        command=arguments[0],
                        seconds=f"{COMMAND_SECONDS:g}",
                    )
                )
            return gone.exit_code, said.text()


def _link(undo: ExitStack, pid: int) -> str | None:
    """Link the host with the process's network namespace; return the host's address, ``None`` if it cannot be done."""
    device = f"tare-{uuid.uuid4().hex[:8]}"
    try:
        address = connect(pid, device)
    except (OSError, TareError):
        return None
    undo.callback(_unlink, pid, device)
    return address


def _unlink(pid: int, device: str) -> None:
    with suppress(TareError):
        disconnect(pid, device)


def _steps(fetched: Path | None, context: RunContext, *, own_network: bool) -> tuple[Step, ...]:
    """List the steps from the host into Podman's namespaces. Rootless Podman makes its own."""
    if os.getuid():
        return ()
    steps: list[Step] = [NewNamespace("mount"), Mount("/", flags=MS_REC | MS_PRIVATE)]
    if fetched:
        steps.append(Mount("/usr", source=str(fetched / "usr"), flags=MS_BIND))
    needed = [path.resolve() for path in (context.workdir, context.cache)]
    steps += [
        Mount(str(folder), "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        for folder in (Path("/run"), Path("/var/lib"))
        if not any(folder in path.parents for path in needed)
    ]
    if own_network:
        steps += [NewNamespace("net"), LinkUp("lo")]
    return tuple(steps)


def _environ(folder: Path, *, iptables: bool) -> dict[str, str]:
    """Compose Podman's whole environment, without any of the user's settings."""
    if iptables:
        # The package's iptables is named by its back end; installing it would make the link, and it is only fetched.
        for name in ("iptables", "ip6tables", "iptables-save", "iptables-restore"):
            link = folder / "bin" / name
            if not link.is_symlink():
                base, _, verb = name.partition("-")
                link.symlink_to(f"/usr/sbin/{base}-nft{'-' * bool(verb)}{verb}")
    return {
        "PATH": f"{folder / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "xdg"),
        "TMPDIR": str(folder / "home"),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "LC_ALL": "C.UTF-8",
    }


def _write_settings(folder: Path) -> None:
    """Write the settings that keep this Podman apart from the user's."""
    (folder / "containers.conf").write_text(
        "[containers]\n"
        'log_driver = "k8s-file"\n'
        "[engine]\n"
        'cgroup_manager = "cgroupfs"\n'
        'events_logger = "file"\n'
        f'events_logfile_path = "{folder / "events.log"}"\n'
        'lock_type = "file"\n'
        f'tmp_dir = "{folder / "tmp"}"\n'
        "[network]\n"
        f'network_config_dir = "{folder / "net"}"\n',
        "utf-8",
    )
    (folder / "registries.conf").write_text("unqualified-search-registries = []\n", "utf-8")
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "root"}"\nrunroot = "{folder / "run"}"\n',
        "utf-8",
    )


def load_remedy(said: str) -> str:
    """Say what helps against the failure that Podman tells; empty if that is not known."""
    if "no space left" in said or "quota exceeded" in said:
        return say("remedy.free_disk", "free some disk space")
    if "runroot" in said and "longer than" in said:
        return say("remedy.short_workdir", "set TARE_WORKDIR to a folder with a shorter path")
    return ""


def ulimits() -> tuple[str, ...]:
    """Compose ulimit options where Podman's defaults exceed what may be given, as to root without CAP_SYS_RESOURCE.

    They are options because Podman ignores the defaults in its settings once there is any ``--ulimit`` option, and the
    limit on file sizes is one.
    """
    options: list[str] = []
    for name, kind, most in (
        ("nofile", resource.RLIMIT_NOFILE, _WANTED_ULIMIT),
        # Podman's monitor lowers this limit for itself and its children.
        ("nproc", resource.RLIMIT_NPROC, _MOST_PROCESSES),
    ):
        _, hard = resource.getrlimit(kind)
        if 0 <= hard < _WANTED_ULIMIT:
            options += ["--ulimit", f"{name}={min(hard, most)}:{min(hard, most)}"]
    return tuple(options)


def _make_counter(run: str) -> Path | None:
    """Make a cgroup that only counts CPU time; ``None`` if that is not permitted or no hierarchy counts it."""
    for top in _tops("cpuacct", 1) or _tops("", 2):
        folder = top / f"tare-{run}" / _SHARED / f"client-{uuid.uuid4().hex[:6]}"
        with suppress(OSError):
            folder.mkdir(parents=True)
            return folder
    return None


def _tops(controller: str = "", version: int = 0) -> list[Path]:
    return [
        one.top
        for one in Cgroups.detect().hierarchies
        if (not controller or controller in one.controllers) and version in {0, one.version}
    ]


def _remove_cgroups(run: str) -> None:
    """Remove the cgroups below Podman's parent, but those that the runner of another network still uses."""
    for top in _tops():
        for folder in groups_of(top / f"tare-{run}" / _SHARED):
            with suppress(OSError):  # those in use go with the run
                remove_group(folder)
    Cgroups.detect().remove_run(run)
