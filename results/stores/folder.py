"""Keep a store in a folder of this host, which may be a network share."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.plain_files import read_plain
from tare.results.said import say
from tare.results.storage.atomic import replacing
from tare.results.stores.model import StoreError, StoreNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import BinaryIO

DAY_SECONDS = 86400


class FolderFiles:
    """Files below a folder. Each is written beside its place, brought to the disk and renamed."""

    compresses = False
    keeps_columns = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def address(self) -> str:
        """Return the path of the store's folder."""
        return str(self.folder)

    def location(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return str(self.folder / name)

    def names(self, under: str) -> list[str]:
        """List the files below a folder, drafts of interrupted writes among them, whose names begin with a dot."""
        found = []
        for folder, _, files in os.walk(self.folder / under):
            where = Path(folder).relative_to(self.folder).as_posix()
            found += [f"{where}/{name}" for name in files]
        return sorted(found)

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Read small files; those that are not there are left out."""
        found = {}
        for name in names:
            with suppress(FileNotFoundError):
                found[name] = self._read(name)
        return found

    def _read(self, name: str) -> bytes:
        try:
            return read_plain(self.folder / name)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(say(
                "store.folder_unreadable", "cannot read {folder}: {strerror}.",
                folder=self.folder / name, strerror=error.strerror,
            )) from error  # fmt: skip

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file out of the store's folder."""
        shutil.copyfile(self.folder / name, target)

    def change(self, add: Sequence[tuple[str, Path | bytes]], remove: Sequence[str], *, why: str) -> None:
        """Add files, then remove files, in the given order; folders that have become empty go, too."""
        del why
        try:
            for name, content in add:
                self._write(self.folder / name, content)
            for name in remove:
                (self.folder / name).unlink(missing_ok=True)
                self._tidy((self.folder / name).parent)
        except OSError as error:
            raise StoreNotWritten(say(
                "store.folder_not_written",
                "cannot write to the store {folder}: {strerror}. It is intact; push again when that is fixed.",
                folder=self.folder, strerror=error.strerror,
            )) from error  # fmt: skip

    def _write(self, path: Path, content: Path | bytes) -> None:
        with replacing(path) as draft, _opened(draft) as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())

    def _tidy(self, folder: Path) -> None:
        with suppress(OSError):  # not empty
            while folder != self.folder:
                folder.rmdir()
                folder = folder.parent

    def older_than_a_day(self, names: Iterable[str]) -> list[str]:
        """Select files by their time of modification."""
        before = time.time() - DAY_SECONDS
        found = []
        for name in names:
            with suppress(FileNotFoundError):
                if (self.folder / name).stat().st_mtime < before:
                    found.append(name)
        return found


def _opened(draft: Path) -> BinaryIO:
    """Open a new file; its folder is made again if somebody removes it at this moment, since it is empty."""
    for _ in range(8):
        draft.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return draft.open("wb")
    raise FileNotFoundError(2, "folders vanish", str(draft.parent))
