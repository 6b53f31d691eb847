"""Save a guest that waits for its first job by the VMM's API; every place is then restored from that snapshot.

Firecracker maps the file of the memory privately and reads it on demand; Cloud Hypervisor reads all of it before the
guest runs. Both are the defaults. Sources: Firecracker's ``docs/snapshotting/snapshot-support.md``, Cloud Hypervisor's
``docs/snapshot_restore.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.guests.disks import copy_sparse
from tare.runners.guests.microvms.place import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.guests.microvms.place import MicroVmPlace

SAVE_SECONDS = 60.0
"""Time limit for writing the guest's memory to a file."""


def save(place: MicroVmPlace, folder: Path) -> Snapshot:
    """Save a guest that has just booted. Its VMM is left with the guest paused, to be killed.

    Args:
        place: a place opened for many jobs, of which none has run.
        folder: folder for the files, which is made.

    Raises:
        PlaceFailure: the VMM cannot save the guest, or the disk is full; the message quotes the VMM.
    """
    files = folder / "vmm"
    files.mkdir(parents=True)
    try:
        api = place.connect(SAVE_SECONDS)
        try:
            api.send(place.vmm.saving(files))
        finally:
            api.close()
    except PlaceFailure as failure:
        raise PlaceFailure(
            say("guest.no_snapshot", "no snapshot could be taken: {reason}", reason=failure.reason),
            remedy=say("remedy.use_booting", "use {name}, which boots", name=place.vmm.name),
            log=failure.log,
        ) from failure
    finally:
        place.abandon()
    scratch = None
    if place.disk is not None:
        scratch = folder / place.disk.name
        try:
            copy_sparse(place.disk, scratch)
        except OSError as error:
            raise PlaceFailure(
                say(
                    "guest.snapshot_disk",
                    "no copy of the snapshot's disk could be made: {error}",
                    error=error,
                ),
                remedy=say(
                    "remedy.make_room",
                    "make room in {parent}, or lower --scratch",
                    parent=folder.parent,
                ),
            ) from error
    return Snapshot(files, scratch, place.hello)
