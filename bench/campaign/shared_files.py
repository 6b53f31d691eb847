"""Lay out the file of a workload once in a run instead of in each place that is made anew for a block.

The first place of the base lays it out; each later place whose scratch folder is a folder of the host gets a hard link to
it. All of them so read and write the same blocks of the disk, which would otherwise be another difference between them.
Where a link cannot be made, and in guests, the place lays the file out itself.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = "shared-files"
_MODE = 0o666
"""Permissions: processes in a place may have other user ids than the file's owner."""


class SharedFiles(msgspec.Struct, frozen=True):
    """Files that places of this host lend one another."""

    workdir: Path
    """Folder of the run, on the file system where the places' scratch folders are."""

    def keep(self, name: str, scratch: Path | None) -> None:
        """Keep a file that was laid out in a place of the base; not being able to is no failure."""
        if scratch is None:
            return
        with suppress(OSError):
            kept = self._path(name)
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (scratch / name).chmod(_MODE)
            kept.hardlink_to(scratch / name)

    def lend(self, name: str, scratch: Path | None) -> bool:
        """Link a kept file into the scratch folder of a place; return whether it is there."""
        if scratch is None:
            return False
        try:
            (scratch / name).hardlink_to(self._path(name))
        except OSError:
            return False
        return True

    def _path(self, name: str) -> Path:
        return self.workdir / _FOLDER / name
