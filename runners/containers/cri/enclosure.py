"""Run daemons in private network, mount and pid namespaces: the host sees nothing of them, and nothing outlives them.

All their files, sockets and logs are in one folder, the only way in. The processes carry the run in their environment,
so :mod:`tare.runners.cleanup` finds them after a ``kill -9``; everything else goes with them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tare.results.said import say
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import last_lines
from tare.runners.host.open_files import file_limit
from tare.runners.host.processes import await_end
from tare.runners.host.trees import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SCRIPT = Path(__file__).with_name("enclosed.sh")
END_SECONDS = 20.0
_MAKE_SECONDS = 10.0
POLL_SECONDS = 0.02

_NEEDED = {
    "prlimit": "util-linux",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "mount": "mount",
}


def check() -> None:
    """Check that an enclosure can be made here.

    Raises:
        PlaceFailure: it cannot; the message says why.
    """
    if os.geteuid():
        raise PlaceFailure(
            say("container.daemons_need_root", "daemons in private namespaces need root"),
            remedy=say("remedy.run_root", "run as root"),
        )
    for program, package in _NEEDED.items():
        if shutil.which(program) is None:
            raise PlaceFailure(
                say("container.not_installed", "`{program}` is not installed", program=program),
                remedy=say(
                    "remedy.install_package", "install it: apt-get install {package}", package=package
                ),
            )


@dataclass(slots=True)
class Enclosure:
    """Namespaces for daemons. Entering the context starts nothing, :meth:`start` does; leaving it ends everything."""

    run: str
    folder: Path
    """Folder for the daemons' files; made and removed here."""
    root: Path
    """Root of the fetched programs, or ``/`` for the system's."""
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def log(self) -> Path:
        """Path of the daemons' common log."""
        return self.folder / "log"

    @property
    def accounting(self) -> list[Path]:
        """List the cgroup that counts the daemons' CPU time; empty if none could be made."""
        return [folder for folder in self._cgroups() if folder.is_dir()][:1]

    def make_folder(self) -> None:
        """Make the folder, so that the daemons' configuration can be written."""
        self.folder.mkdir(parents=True)

    def start(
        self, *daemons: Sequence[str | Path], held: int = 0, connect: Callable[[int], None] | None = None
    ) -> None:
        """Start the daemons.

        Args:
            daemons: their command lines; ``./NAME`` is relative to the folder.
            held: number of daemons at the end of the list that wait for :meth:`release`.
            connect: called before any starts, with the host pid of a process in the namespaces.

        Raises:
            PlaceFailure: the namespaces cannot be made.
        """
        check()
        entered = []
        for folder in self._cgroups()[:1]:
            with suppress(OSError):  # without permission to make one only their CPU time is unknown
                folder.mkdir(parents=True, exist_ok=True)
                entered.append(folder / "cgroup.procs")
        argv = [
            # Containers inherit the daemons' limits, and are to have the user's own.
            *("prlimit", f"--nofile={file_limit().for_prlimit()}", "--"),
            *(
                "unshare",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--propagation",
                "slave",
                "--",
            ),
            *("/bin/sh", str(SCRIPT), str(self.folder), str(self.root), *map(str, entered), "--"),
            *(shlex.join(map(str, daemon)) for daemon in daemons),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": str(self.folder),
                    "TARE_RUN": self.run,
                },
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.await_ready(
            lambda: "" if self.first_pid() else say("cri.no_namespaces", "no namespaces"),
            _MAKE_SECONDS,
            "unshare",
        )
        if connect:
            connect(self.first_pid())
        self.release(len(daemons) - held)

    def release(self, count: int) -> None:
        """Start the next ``count`` of the held daemons."""
        assert self._process is not None  # noqa: S101 - see start
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(b"\n" * count)
        self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Host pid of the process whose children are in the namespaces."""
        assert self._process is not None  # noqa: S101 - it was started
        return self._process.pid

    def first_pid(self) -> int:
        """Look up the host pid of the first process inside; 0 if there is none yet, or none any more."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        except OSError:
            return 0
        return int(children[0]) if children else 0

    def await_ready(self, ready: Callable[[], str], seconds: float, what: str) -> None:
        """Wait until ``ready`` returns an empty string instead of a complaint.

        Raises:
            PlaceFailure: the daemons ended or took too long; the message has the complaint and the end of the log.
        """
        deadline = time.monotonic() + seconds
        while complaint := ready():
            if self._process is None or self._process.poll() is not None:
                raise PlaceFailure(
                    say(
                        "container.daemon_ended",
                        "{what} ended before it was ready: {told}",
                        what=what,
                        told=self.tail(),
                    ),
                    log=self.tail(),
                )
            if time.monotonic() > deadline:
                raise PlaceFailure(
                    say(
                        "container.daemon_slow",
                        "{what} was not ready in {seconds} s: {complaint}",
                        what=what,
                        seconds=f"{seconds:g}",
                        complaint=complaint,
                    ),
                    log=self.tail(),
                )
            time.sleep(POLL_SECONDS)

    def tail(self) -> str:
        """Read the end of the daemons' log."""
        return last_lines(self.log)

    def close(self) -> None:
        """End all daemons and remove the folder. Idempotent.

        Raises:
            TareError: a process cannot be ended.
        """
        if self._process is not None:
            # Its child dies with it; that is the first process of the pid namespace, so all others in there die, too.
            first = self.first_pid()
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            if self._process.stdin:
                with suppress(BrokenPipeError):  # what is in its buffer has no reader any more
                    self._process.stdin.close()
            if self._process.poll() is None:
                raise TareError(
                    say(
                        "cri.namespaces_alive",
                        "the process of the daemons' namespaces (pid {pid}) cannot be killed",
                        pid=self.pid,
                    )
                )
            if first and not await_end(first, END_SECONDS):
                raise TareError(
                    say(
                        "cri.first_alive",
                        "the daemons' first process (pid {first}) cannot be killed",
                        first=first,
                    )
                )
            self._process = None
        for folder in self._cgroups():
            with suppress(OSError):
                folder.rmdir()
        remove_tree(self.folder)

    def _cgroups(self) -> list[Path]:
        """List candidates for the daemons' cgroup, best first: leaves, because v2 allows processes only there."""
        return [
            one.top / f"tare-{self.run}" / f"daemons-{self.folder.name}"
            for one in Cgroups.detect().hierarchies
            if one.version == 2 or "cpuacct" in one.controllers
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_cgroups(run: str) -> Iterable[Path]:
    """List the run's cgroup at the top of each hierarchy, in which daemons make those of containers."""
    return (one.top / f"tare-{run}" for one in Cgroups.detect().hierarchies)
