"""Carry programs with their loaders and libraries into a layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.images.layers import Items, carried_at
from tare.runners.provision.cache import sha256_of
from tare.runners.provision.libraries import Closure, Libraries
from tare.runners.provision.paths import inside
from tare.runners.provision.unpack import merged

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = Path("/")


@dataclass(slots=True)
class Carrier:
    """A layer that is filled from one root.

    The host's files keep their paths; those of a fetched root go below ``prefix``.
    """

    root: Path = HOST
    prefix: str = ""
    items: Items = field(default_factory=Items)
    _libraries: Libraries = field(init=False)

    def __post_init__(self) -> None:
        self._libraries = Libraries(self.root)

    def place(self, path: str) -> str:
        """Give the image's absolute path for a path of the root, by the merged ``/usr``."""
        return f"{self.prefix}/{merged(carried_at(path))}"

    def program(self, path: str, *, extra: Iterable[str] = ()) -> Closure:
        """Add a program with its loader and libraries; return its closure, with the image's paths.

        Args:
            path: path inside the root; if it is a link, the link is kept.
            extra: files that it opens itself and whose libraries it needs; they are not added.

        Raises:
            TareError: it needs a library that is nowhere.
        """
        closure = self._libraries.closure(path, extra=extra)
        own = self._libraries.closure(path).missing
        if own:
            raise TareError(say(
                "image.library", "{path} needs {own}, which cannot be found. Does it run on this host?",
                path=path, own=", ".join(own),
            ))  # fmt: skip
        self.link_or_file(path)
        loader = []
        if closure.interpreter:
            loader = [closure.interpreter]
            # The kernel looks for the loader there if a program is started directly.
            if not self.prefix:
                self.items.link(self._libraries.elf(path).interpreter, closure.interpreter)
        for library in (*loader, *closure.libraries):
            self.items.file(self.place(library), self._real(library))
        return Closure(
            self.place(closure.interpreter) if closure.interpreter else "",
            tuple(sorted({self.place(library) for library in closure.libraries})),
        )

    def link_or_file(self, path: str) -> None:
        """Add a file; a link is kept as a link, since some programs behave by the name they are called by."""
        folder = inside(self.root, str(PurePosixPath(path).parent))
        real = inside(self.root, path)
        self.items.file(self.place(real), self._real(real))
        self.items.link(self.place(f"{folder}/{PurePosixPath(path).name}"), self.place(real))
        # The path as it was written, in case its folders are links on the host.
        self.items.link(self.place(path), self.place(real))

    def sha256(self, path: str) -> str:
        """Give the hash of a file of the root."""
        return sha256_of(self._real(path))

    def _real(self, path: str) -> Path:
        return Path(f"{str(self.root).rstrip('/')}{inside(self.root, path)}")
