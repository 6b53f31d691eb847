"""Define what goes to the launcher and comes from it: requests, births, ends and errors of processes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.runners.launcher.steps.base import Step
    from tare.runners.model import Usage


class LauncherError(TareError):
    """The launcher itself cannot be started, or is lost."""


class LauncherLostError(LauncherError):
    """The launcher was killed, and all that it had made with it."""


class SpawnError(TareError):
    """A process could not be made as requested."""

    def __init__(self, what: str, error: int, *, program: bool = False) -> None:
        """Describe the failure.

        Args:
            what: what was being done.
            error: the errno.
            program: all steps succeeded, and only the program itself could not be started.
        """
        name = errno.errorcode.get(error, str(error))
        super().__init__(
            say("launcher.failed", "{what}: {error} ({name})", what=what, error=os.strerror(error), name=name)
        )
        self.what, self.errno, self.program = what, error, program


class SpawnRequest(msgspec.Struct, frozen=True):
    """A process for the launcher to make."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The complete environment."""
    program: Path | int | None = None
    """Program to execute: a path, or a file descriptor, which also works after the root has changed; ``argv[0]`` if
    ``None``. There is no search along ``PATH``."""
    fds: Mapping[int, int] = msgspec.field(default_factory=dict)
    """Number in the new process → our file descriptor. Those not named of 0, 1 and 2 are ``/dev/null``."""
    steps: tuple[Step, ...] = ()
    """Steps that the process takes before it executes the program, in this order."""
    cgroup: Path | None = None
    """Folder of the v2 cgroup to be born in."""
    tasks: tuple[tuple[Path, Path], ...] = ()
    """``tasks`` files of the v1 cgroups to be born in, each with the one that takes the launcher back."""
    remove: tuple[Path, ...] = ()
    """Empty folders (cgroups) to remove after the process was reaped, before ``gone`` is stamped."""
    quiet: bool = False
    """Report the birth together with the end, so that the caller does not wake up in the middle of a short life."""
    sweep: bool = False
    """Kill the orphans it leaves behind. For agents; an engine's client may leave daemons on purpose."""


class Spawned(msgspec.Struct, frozen=True):
    """A process that was made. Times are ``CLOCK_MONOTONIC`` in ns."""

    id: int
    """The launcher's number for it; unlike a pid it is never used again."""
    pid: int
    requested_ns: int
    """Time just before ``clone3``."""
    spawned_ns: int
    """Time of the process' first instruction, before any step."""


class Gone(msgspec.Struct, frozen=True):
    """The end of a process. Times are ``CLOCK_MONOTONIC`` in ns."""

    id: int
    status: int
    """Wait status, see wait(2)."""
    reaped_ns: int
    gone_ns: int
    """Time after the removal of the request's folders; practically ``reaped_ns`` if there were none."""
    remove_error: int
    """errno for the first folder that could not be removed; 0: none failed."""
    usage: Usage
    """Usage of the process and of the descendants it waited for."""

    @property
    def exit_code(self) -> int:
        """Exit status, or minus the signal that ended it, as in :mod:`subprocess`."""
        return os.waitstatus_to_exitcode(self.status)
