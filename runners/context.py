"""Define the contract between a run and its runners: what a runner is given, and what it has to offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from tare.runners.undoing import UndoLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tare.results.record import Accelerator
    from tare.runners.images.image import Image
    from tare.runners.launcher.client import Launcher
    from tare.runners.model import Job, Limits, Place, Probe
    from tare.runners.provision.tools import Provision
    from tare.runners.settings import RunnerSettings


class RunContext(msgspec.Struct, frozen=True):
    """The part of a run that its runners work with."""

    run: str
    """The run id. Everything created on the host carries ``tare-<run>`` in its name."""
    workdir: Path
    """``tare-<run>`` folder on a disk-backed file system; removed at the end of the run."""
    cache: Path
    """The suite's cache folder; outlives the run."""
    launcher: Launcher
    offline: bool = False
    """Fetch nothing."""
    undo_log: UndoLog = msgspec.field(default_factory=UndoLog)
    """Takes failures of clean-up. A runner's :meth:`Runner.close` may raise; what a place leaves is noted here."""


class Supplies(msgspec.Struct, frozen=True):
    """Everything that a runner may be made from. Every row of the registry names a function that takes it."""

    context: RunContext
    provision: Provision
    settings: RunnerSettings


class Runner(Protocol):
    """A way to make places. A new kind of place is one class of this shape and a row in the registry."""

    name: str
    accelerator: Accelerator
    """Valid after :meth:`probe`."""

    @property
    def label(self) -> str:
        """Name for records, with ``(tcg)`` behind it for guests without KVM. Valid after :meth:`probe`."""

    def probe(self) -> Probe:
        """Find out, in about two seconds at most and without side effects, whether this can run here."""

    def prepare(self, image: Image, limits: Limits) -> None:
        """Do once, untimed, what every opening would repeat: convert the image, mount its base, build an initramfs."""

    def open(self, first: Job | None = None) -> AbstractContextManager[Place]:
        """Make a place.

        ``first``, if given, is the place's *only* job and is handed over with the launch, so that no round trip lies
        between the agent's start and the job. :meth:`Place.run` with the same job then collects its result, and the
        agent exits by itself.

        May be called by several threads at once.
        """

    def close(self) -> None:
        """Undo :meth:`prepare`. Idempotent."""


@runtime_checkable
class Fetching(Protocol):
    """A runner that needs what is fetched from elsewhere, and can fetch it before its :meth:`Runner.prepare` does."""

    def fetches(self) -> tuple[Callable[[], object], ...]:
        """List what fetches it; each is called in a thread beside other work, and may raise as ``prepare`` would."""
