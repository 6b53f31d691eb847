"""Make the folders of places on the host, and keep them for the next place if nobody has touched them.

On a disk, making a place's folders and removing them takes as long as launching a process, and most jobs leave them as
they are.
"""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from tare.runners.host.trees import discard_tree

if TYPE_CHECKING:
    from pathlib import Path

SCRATCH_MODE = 0o1777
"""Mode of a scratch folder: everybody may write, as in /tmp."""


def make_scratch(folder: Path) -> Path:
    """Make a place's folder, and in it the scratch folder, which is returned."""
    scratch = folder / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    scratch.mkdir()
    scratch.chmod(SCRATCH_MODE)
    return scratch


class PlaceFolder(msgspec.Struct, frozen=True):
    """The folder that a place has as long as it is open."""

    owner: PlaceFolders
    path: Path
    scratch: Path
    state: tuple[int, ...]
    """State of the scratch folder when it was made. Whatever is done to it or in it changes that."""

    def give_back(self, *, alone: bool) -> None:
        """Let the next place have it, or remove it if something was done to it.

        Args:
            alone: the place's processes have ended, so none can touch it any more.
        """
        if alone and self.is_untouched():
            self.owner.free.append(self)
        else:
            discard_tree(self.path)

    def is_untouched(self) -> bool:
        """Tell whether the scratch folder is empty and as it was made."""
        try:
            # Times may be as coarse as 10 ms, so a file may come without a change of them, but not unseen.
            return _state(self.scratch) == self.state and not os.listdir(self.scratch)  # noqa: PTH208 - every place asks
        except OSError:
            return False


class PlaceFolders(msgspec.Struct):
    """The folders of one runner's places."""

    above: Path
    """Folder that they are in."""
    name: str
    """Beginning of their names."""
    free: list[PlaceFolder] = msgspec.field(default_factory=list)
    """Those that no place has now."""
    _numbers: itertools.count[int] = msgspec.field(default_factory=itertools.count)

    def take(self) -> PlaceFolder:
        """Give a place a folder that no other place has, and that is as it was made."""
        with suppress(IndexError):  # several threads may open places at once
            return self.free.pop()
        folder = self.above / f"{self.name}-{next(self._numbers)}"
        scratch = make_scratch(folder)
        return PlaceFolder(self, folder, scratch, _state(scratch))

    def close(self) -> None:
        """Remove the folders that no place has now."""
        while self.free:
            discard_tree(self.free.pop().path)


def _state(folder: Path) -> tuple[int, ...]:
    found = os.lstat(folder)
    return (
        *(found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_nlink),
        *(found.st_size, found.st_mtime_ns, found.st_ctime_ns),
    )
