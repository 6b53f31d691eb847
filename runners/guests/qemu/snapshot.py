"""Snapshots of guests: a guest that waits for its first job is saved once, and restored for every place.

Its memory is a file from the start (``memory-backend-file``). Saving leaves the memory where it is (the migration
capability ``x-ignore-shared``) and writes only the devices' state, some 70 KB. Each restored guest maps the file
privately: pages come when they are touched, and what it writes is its own. So restoring reads no gigabyte, and any
number of guests share the pages that they only read.

QEMU's words for this: ``docs/devel/migration.rst``. What the restored guests share beyond memory is a caveat of the
method, not of this suite: see ``docs/guests.md``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A guest that waits for its first job, at rest."""

    memory: Path
    state: Path
    """All but the memory."""
    scratch: Path | None
    """The scratch disk as it was then: the guest's memory knows what is on it."""
    hello: Hello
    """What the agent had said."""

    def plan(self, booting: QemuPlan) -> QemuPlan:
        """The plan of a place that is restored, from that of one that would boot."""
        memory = Memory(self.memory, shared=False)
        return replace(
            booting,
            instance=replace(booting.instance, memory=memory, incoming=True),
            state=self.state,
            scratch=self.scratch,
            resumed=self.hello,
        )


def save(place: QemuPlace, folder: Path, memory: Path) -> Snapshot:
    """Save a guest that has just come up, and leave its QEMU stopped, to be killed.

    Args:
        place: opened for many jobs; none has run.
        folder: for the files.
        memory: the file that is its memory.

    Raises:
        PlaceFailure: QEMU cannot save it; the text has QEMU's words.
    """
    state = folder / "state"
    fd = os.open(state, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        monitor = place.monitor
        monitor.ask(*CAPABILITIES)
        monitor.ask("getfd", {"fdname": "state"}, fds=(fd,))
        # The guest is not stopped before: how it was is saved with it, and so a restored one runs at once.
        monitor.ask("migrate", {"uri": "fd:state"})
        _wait(monitor)
        os.fsync(fd)
    except QmpError as error:
        raise PlaceFailure(
            f"no snapshot could be taken: {error}", remedy="take a profile that boots, such as qemu-microvm"
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
    """Until it is saved; QEMU tells it by itself."""
    ends = {"completed", "failed", "cancelled"}
    event = monitor.event(
        "MIGRATION", lambda event: event["data"]["status"] in ends, timeout_seconds=SAVE_SECONDS
    )
    if event["data"]["status"] != "completed":
        why = monitor.ask("query-migrate").get("error-desc", "no reason given")
        raise QmpError(f"the migration is {event['data']['status']} ({why})")
