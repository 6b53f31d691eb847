"""Keep a store in anything that fsspec reaches: S3, Google Cloud Storage, Azure, SFTP, … Needs the extra ``store``."""

from __future__ import annotations

import datetime
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.results.stores.model import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


class ObjectFiles:
    """Objects below a prefix. No object is ever written twice, so stores that promise little suffice."""

    compresses = False
    keeps_columns = True

    def __init__(self, address: str) -> None:
        """Connect to a store.

        Raises:
            StoreError: fsspec, or its package for this protocol, is not installed, or the address is not understood.
        """
        try:
            import fsspec  # noqa: PLC0415 - an extra
        except ImportError:
            raise StoreError(say(
                "store.no_fsspec", "{address} needs fsspec, which is not installed: `pip install 'tarebench[store]'`, or keep the "
                "store in a folder or a git branch.",
                address=address,
            )) from None  # fmt: skip
        self.address = address
        try:
            self.filesystem: Any
            self.filesystem, root = fsspec.url_to_fs(address)
        except ImportError as error:
            raise StoreError(
                say("store.address", "{address}: {error}", address=address, error=error)
            ) from error
        except Exception as error:
            raise StoreError(say(
                "store.bad_address", "{address} is not an address that fsspec can use: {text}",
                address=address, text=_text(error),
            )) from error  # fmt: skip
        self._root = str(root).rstrip("/")

    def path(self, name: str) -> str:
        """Return the path of a file as the file system knows it."""
        return f"{self._root}/{name}"

    def location(self, name: str) -> str:
        """Return the URL of an object, protocol included."""
        return str(self.filesystem.unstrip_protocol(self.path(name)))

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Turn whatever a file system raises into one sentence; what is not there stays :class:`FileNotFoundError`."""
        try:
            yield
        except (FileNotFoundError, StoreError):
            raise
        except Exception as error:
            raise StoreError(say(
                "store.failed", "{address}: {text}. The store is intact; try again when that is fixed.",
                address=self.address, text=_text(error),
            )) from error  # fmt: skip

    def names(self, under: str) -> list[str]:
        """List the objects below a folder; none if there is no such folder yet."""
        start = len(self._root) + 1
        with self._asked():
            try:
                self.filesystem.invalidate_cache()
                return sorted(str(path)[start:] for path in self.filesystem.find(self.path(under)))
            except FileNotFoundError:
                return []

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Read small objects, at the same time where the file system can; those that are not there are left out."""
        if not names:
            return {}
        paths = {self.path(name): name for name in names}
        with self._asked():
            found = self.filesystem.cat(list(paths), on_error="return")
        if not isinstance(found, dict):
            found = {next(iter(paths)): found}
        read = {}
        for path, content in found.items():
            if isinstance(content, bytes):
                read[paths[path]] = content
            elif not isinstance(content, FileNotFoundError | KeyError):
                raise StoreError(say(
                    "store.object_unreadable", "{address}: cannot read {path}: {text}",
                    address=self.address, path=path, text=_text(content),
                ))  # fmt: skip
        return read

    def fetch(self, name: str, target: Path) -> None:
        """Download an object into a file of this host."""
        with self._asked():
            self.filesystem.get_file(self.path(name), str(target))

    def change(self, add: Sequence[tuple[str, Path | bytes]], remove: Sequence[str], *, why: str) -> None:
        """Upload objects one after the other, then remove others."""
        del why
        with self._asked():
            for name, content in add:
                path = self.path(name)
                self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
                if isinstance(content, bytes):
                    self.filesystem.pipe_file(path, content)
                else:
                    self.filesystem.put_file(str(content), path)
            for name in remove:
                with suppress(FileNotFoundError):
                    self.filesystem.rm_file(self.path(name))

    def older_than_a_day(self, names: Iterable[str]) -> list[str]:
        """Select objects by their time of modification, where the file system tells it."""
        before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        found = []
        for name in names:
            with suppress(FileNotFoundError, NotImplementedError, AttributeError):
                written = self.filesystem.modified(self.path(name))
                if (written if written.tzinfo else written.replace(tzinfo=datetime.UTC)) < before:
                    found.append(name)
        return found


def _text(error: object) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
