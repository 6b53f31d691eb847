"""Save a guest that waits for its first job; every place is then restored from that snapshot.

The guest's memory is a file from the start (``memory-backend-file``). Saving leaves it where it is (the migration
capability ``x-ignore-shared``) and writes only the state of the devices, about 70 KB. Each restored guest maps the file
privately, so pages are read when they are touched, and writes are its own. Restoring therefore does not read all of the
memory, and guests share the pages that they only read.

QEMU's documentation: ``docs/devel/migration.rst``. ``docs/guests.md`` says what else the restored guests share.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.guests.disks import copy_sparse
from tare.runners.guests.qemu.arguments import Memory
from tare.runners.guests.qemu.qmp import QmpError
from tare.runners.guests.qemu.restoring import CAPABILITIES

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.agent.wire import Hello
    from tare.runners.guests.qemu.place import QemuPlace, QemuPlan
    from tare.runners.guests.qemu.qmp import Qmp

SAVE_SECONDS = 60.0
"""Time limit for saving."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A saved guest that waits for its first job."""

    memory: Path
    """File of the guest's memory."""
    state: Path
    """File of everything else."""
    scratch: Path | None
    """Scratch disk as of the snapshot, whose content the guest's memory knows; ``None``: there is none."""
    hello: Hello
    """First message of the agent."""

    def plan(self, booting: QemuPlan) -> QemuPlan:
        """Turn the plan of a place that boots into that of one restored from this snapshot."""
        memory = Memory(self.memory, shared=False)
        return replace(
            booting,
            instance=replace(booting.instance, memory=memory, incoming=True),
            state=self.state,
            scratch=self.scratch,
            resumed=self.hello,
        )


def save(place: QemuPlace, folder: Path, memory: Path) -> Snapshot:
    """Save a guest that has just booted. Its QEMU is left stopped, to be killed.

    Args:
        place: a place opened for many jobs, of which none has run.
        folder: folder for the files.
        memory: the file of its memory.

    Raises:
        PlaceFailure: QEMU cannot save it; the message quotes QEMU.
    """
    state = folder / "state"
    fd = os.open(state, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        monitor = place.monitor
        monitor.ask(*CAPABILITIES)
        monitor.ask("getfd", {"fdname": "state"}, fds=(fd,))
        # The guest is not stopped before: its run state is saved, too, so a restored guest runs at once.
        monitor.ask("migrate", {"uri": "fd:state"})
        _wait(monitor)
        os.fsync(fd)
    except QmpError as error:
        raise PlaceFailure(
            say("guest.no_snapshot_error", "no snapshot could be taken: {error}", error=error),
            remedy=say("remedy.booting_profile", "use a profile that boots, such as qemu-microvm"),
        ) from error
    finally:
        os.close(fd)
        place.abandon()
    scratch = None
    if place.machine.scratch is not None:
        scratch = folder / "scratch.ext4"
        copy_sparse(place.machine.scratch, scratch)
    return Snapshot(memory, state, scratch, place.hello)


def _wait(monitor: Qmp) -> None:
    """Wait until QEMU reports that the guest is saved."""
    ends = {"completed", "failed", "cancelled"}
    event = monitor.event(
        "MIGRATION", lambda event: event["data"]["status"] in ends, timeout_seconds=SAVE_SECONDS
    )
    if event["data"]["status"] != "completed":
        why = monitor.ask("query-migrate").get("error-desc") or say("guest.no_reason", "no reason given")
        raise QmpError(
            say(
                "guest.migration",
                "the migration is {status} ({why})",
                status=event["data"]["status"],
                why=why,
            )
        )
